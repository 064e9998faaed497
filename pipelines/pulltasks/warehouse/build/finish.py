"""Finish a build: write its metadata, and publish it.

Lives here: the name of the file, changing the link, the database's messages when the disk is full.
Does not live here: the rows of the models (working_copy), removing builds (builds).
"""

from __future__ import annotations

import re
import secrets
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

import duckdb

from pulltasks.errors import LakeError
from pulltasks.lake.files import PRIVATE_FILE, PUBLIC_FILE
from pulltasks.lake.paths import EXPOSED
from pulltasks.lake.run_log import read_runs
from pulltasks.masking import scrub
from pulltasks.warehouse.build.builds import retire_builds
from pulltasks.warehouse.sql.meta import META, META_BUILD, META_INPUTS, META_RUNS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pulltasks.lake.lake import Lake
    from pulltasks.lake.run_log import RunLine
    from pulltasks.warehouse.build.plan import Plan

# DuckDB's messages when the disk is full or fails; their exception class varies.
NOT_WRITTEN = re.compile(r"No space left on device|Could not write|Failed to write|Input/output error")


def not_written(error: duckdb.Error | OSError) -> LakeError:
    """Return the error for a full or failing disk, with the masked message of the database."""
    words = scrub(str(error))
    return LakeError(f"the warehouse cannot be written ({words}); nothing was published. Make room, then run again")


def finish_file(
    connection: duckdb.DuckDBPyConnection,
    lake: Lake,
    path: Path,
    plan: Plan,
    now: datetime,
    *,
    exposes: bool,
) -> Path:
    """Write the metadata into the unfinished file, publish it, and return the path of the build.

    Args:
        connection: has the file attached as `warehouse`, and detaches it.
        lake: the lake of the build.
        path: the unfinished file.
        plan: the days and rules of the build.
        now: the time of the build (UTC).
        exposes: whether the file shows secrets.
    """
    # the sequence orders builds even if a clock was wrong; the random part keeps two names from being equal
    identity = f"{plan.sequence:06d}-{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    build_id = f"{EXPOSED}-{identity}" if exposes else identity
    try:
        connection.execute("begin")
        write_meta(connection, plan, build_id, now, read_runs(lake))
        # a catalog in use cannot be detached; without a checkpoint the rows would be in a log beside the file
        for statement in ("commit", "use memory", "checkpoint warehouse", "detach warehouse"):
            connection.execute(statement)
    except duckdb.Error as error:
        raise not_written(error) from None
    # a file that shows secrets is readable by its owner only
    build = lake.build(build_id)
    lake.put(path, build, mode=PRIVATE_FILE if exposes else PUBLIC_FILE)
    lake.link(build.name, lake.published)
    retire_builds(lake, plan.held, plan.inputs, plan.rules, set(plan.days))
    return build


def write_meta(
    connection: duckdb.DuckDBPyConnection, plan: Plan, build_id: str, now: datetime, runs: Sequence[RunLine]
) -> None:
    """Write the metadata of the build into the tables `meta_*` of `warehouse`, the unfinished file."""
    of_build = {
        "build_id": build_id,
        "built_at": _without_zone(now),
        "first_date": min(plan.inputs),
        "through_date": max(plan.inputs),
        "software_version": version("pulltasks"),
        "duckdb_version": duckdb.__version__,
        "rules": plan.rules,
        "sequence": plan.sequence,
        "display_timezone": plan.display_timezone,
    }
    _write(connection, META_BUILD, [of_build])
    _write(
        connection,
        META_INPUTS,
        [{"snapshot_date": day, "manifest_sha256": sha256} for day, sha256 in plan.inputs.items()],
    )
    names = [column.name for column in META[META_RUNS].columns]
    _write(connection, META_RUNS, [{name: _without_zone(getattr(run, name)) for name in names} for run in runs])


def _write(connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[dict[str, object]]) -> None:
    columns = META[table].columns
    values = ", ".join(f"unnest(?::{column.type}[]) as {column.name}" for column in columns)
    connection.execute(
        f"insert into warehouse.main.{table} by name select {values}",
        [[row[column.name] for row in rows] for column in columns],
    )


def _without_zone(value: object) -> object:
    return value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) else value
