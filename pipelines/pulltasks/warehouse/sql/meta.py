"""The tables `meta_*` of a published file: when, from what and by which rules it was built, and the runs before it.

Lives here: their columns with descriptions.
Does not live here: their rows (warehouse.build.finish), the tables themselves (warehouse.build.template).
"""

from __future__ import annotations

from typing import NamedTuple

from pulltasks.warehouse.sql.kinds import ModelColumn

META_BUILD = "meta_build"
META_INPUTS = "meta_inputs"
META_RUNS = "meta_runs"


class MetaTable(NamedTuple):
    """A metadata table: its description and its columns."""

    description: str
    columns: tuple[ModelColumn, ...]


META = {
    META_BUILD: MetaTable(
        "When and from what this file was built. Grain: one row.",
        (
            ModelColumn("build_id", "VARCHAR", "Identifier of the build; part of the file's name."),
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
