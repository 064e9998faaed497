"""What a published file says of itself: when, from what and by which rules it was built, and the runs before it.

Lives here: the columns of the tables `meta_*`, their rows.
Does not live here: which build to build upon (plan), which may go (retention), the tables themselves (template).
"""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, NamedTuple

import duckdb

from pulltasks.warehouse.kinds import ModelColumn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pulltasks.lake.run_log import RunLine
    from pulltasks.warehouse.plan import Plan

META_BUILD = "meta_build"
META_INPUTS = "meta_inputs"
META_RUNS = "meta_runs"


class MetaTable(NamedTuple):
    """A table of what a file says of itself."""

    description: str
    columns: tuple[ModelColumn, ...]


META = {
    META_BUILD: MetaTable(
        "When and from what this file was built. Grain: one row.",
        (
            ModelColumn("build_id", "VARCHAR", "Identifier of the build; stands in the file's name."),
            ModelColumn("built_at", "TIMESTAMP", "When it was published, UTC."),
            ModelColumn("first_date", "DATE", "First snapshot date that it holds."),
            ModelColumn("through_date", "DATE", "Last snapshot date that it holds."),
            ModelColumn("software_version", "VARCHAR", "Version of pulltasks."),
            ModelColumn("duckdb_version", "VARCHAR", "Version of DuckDB that wrote it."),
            ModelColumn(
                "rules",
                "VARCHAR",
                "Hashes of the SQL with its descriptions, and of the masks with the redaction key: what the rows "
                "depend on.",
            ),
            ModelColumn("sequence", "BIGINT", "Place of the build in the order in which the lake's builds were made."),
            ModelColumn("display_timezone", "VARCHAR", "Zone of the columns that end in _local."),
        ),
    ),
    META_INPUTS: MetaTable(
        "The snapshot dates that this file was built from. Grain: one row per date.",
        (
            ModelColumn("snapshot_date", "DATE", "The date."),
            ModelColumn("manifest_sha256", "VARCHAR", "SHA-256 of the manifest that names the date's tidy files."),
        ),
    ),
    META_RUNS: MetaTable(
        "The runs of the last 90 days that ended before this file was built. Grain: one row per run.",
        (
            ModelColumn("run_id", "VARCHAR", "Identifier of the run."),
            ModelColumn("verb", "VARCHAR", "snapshot, rebuild, forget or dagster."),
            ModelColumn(
                "outcome",
                "VARCHAR",
                "complete, when every target of the day is; not_complete; failed, when nothing was published.",
            ),
            ModelColumn("error", "VARCHAR", "Kind of the error that ended it; null otherwise."),
            ModelColumn("snapshot_date", "DATE", "The day that it worked on; null where it ended before it published."),
            ModelColumn("began_at", "TIMESTAMP", "When it began, UTC."),
            ModelColumn("ended_at", "TIMESTAMP", "When it ended, UTC."),
            ModelColumn("targets_complete", "BIGINT", "Complete targets of the day after the run."),
            ModelColumn("targets_expected", "BIGINT", "Expected targets of the day."),
            ModelColumn("targets_asked", "BIGINT", "Targets that it listed."),
            ModelColumn("requests", "BIGINT", "Requests that it sent."),
            ModelColumn("software_version", "VARCHAR", "Version of pulltasks."),
        ),
    ),
}


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
