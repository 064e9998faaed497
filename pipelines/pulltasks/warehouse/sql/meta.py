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
            ModelColumn("first_date", "DATE", "First snapshot date in the file."),
            ModelColumn("through_date", "DATE", "Last snapshot date in the file."),
            ModelColumn("software_version", "VARCHAR", "Version of pulltasks."),
            ModelColumn("duckdb_version", "VARCHAR", "Version of DuckDB that wrote the file."),
            ModelColumn(
                "rules",
                "VARCHAR",
                "Hashes of the SQL with its descriptions, and of the masks with the key. The rows depend on both.",
            ),
            ModelColumn("sequence", "BIGINT", "Number of the build, in the order of the lake's builds."),
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
                "complete if every target of the day is complete; not_complete; failed if nothing was published.",
            ),
            ModelColumn("error", "VARCHAR", "Kind of the error that ended the run; null if there was none."),
            ModelColumn("snapshot_date", "DATE", "The day of the run; null if the run ended before it published."),
            ModelColumn("began_at", "TIMESTAMP", "When the run began, UTC."),
            ModelColumn("ended_at", "TIMESTAMP", "When the run ended, UTC."),
            ModelColumn("targets_complete", "BIGINT", "Complete targets of the day after the run."),
            ModelColumn("targets_expected", "BIGINT", "Expected targets of the day."),
            ModelColumn("targets_asked", "BIGINT", "Targets that the run listed."),
            ModelColumn("requests", "BIGINT", "Requests that the run sent."),
            ModelColumn("software_version", "VARCHAR", "Version of pulltasks."),
        ),
    ),
}
