"""Finishing a build: what it says of itself, and letting readers see it.

Lives here: the name of the file, the turn of the link, the database's words when the disk is full.
Does not live here: what stands in the tables (working_copy), which builds may go (plan).
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

# The database's words when the disk takes no more, whatever kind of error it makes of them.
NOT_WRITTEN = re.compile(r"No space left on device|Could not write|Failed to write|Input/output error")


def not_written(error: duckdb.Error | OSError) -> LakeError:
    """An error of the database that does not take what is written, in words that say what to do."""
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
    """Write into the unfinished file what it says of itself, and let readers see it; return its path.

    Args:
        connection: has the file attached as `warehouse`; it is let go.
        lake: where builds lie.
        path: the unfinished file.
        plan: what the file was made of.
        now: the time.
        exposes: whether the file shows secrets.
    """
    identity = f"{plan.sequence:06d}-{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    build_id = f"{EXPOSED}-{identity}" if exposes else identity
    try:
        connection.execute("begin")
        write_meta(connection, plan, build_id, now, read_runs(lake))
        for statement in ("commit", "use memory", "checkpoint warehouse", "detach warehouse"):
            connection.execute(statement)
    except duckdb.Error as error:
        raise not_written(error) from None
    build = lake.build(build_id)
    lake.put(path, build, mode=PRIVATE_FILE if exposes else PUBLIC_FILE)
    lake.link(build.name, lake.published)
    retire_builds(lake, plan.held, plan.inputs, plan.rules, set(plan.days))
    return build


def write_meta(
    connection: duckdb.DuckDBPyConnection, plan: Plan, build_id: str, now: datetime, runs: Sequence[RunLine]
) -> None:
    """Write what the build says of itself into the unfinished file, attached as `warehouse`."""
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
