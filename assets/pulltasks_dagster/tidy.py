"""The tidy tables of a day as assets.

Lives here: the specs and events of each tidy table.
Does not live here: raw answers as rows (pulltasks.lake.normalise), the time of it (daily).
"""

from collections.abc import Iterator

import dagster as dg
from pulltasks.lake.lake import Lake
from pulltasks.lake.manifests import FileEntry, Manifest
from pulltasks.tables import SCHEMA_VERSION, TABLES
from pulltasks_dagster.keys import Keys
from pulltasks_dagster.metadata import OPERATORS, tags_of, tidy_schema

# A tidy table of a day is known by the hash of its file: by it the history tells what Dagster has already.
VERSION = "sha256:"


def tidy_specs(keys: Keys, partitions: dg.PartitionsDefinition[str]) -> list[dg.AssetSpec]:
    """Return the specs of the assets `tidy/…`, one per table."""
    return [
        dg.AssetSpec(
            keys.of(f"tidy.{table.name}"),
            deps=[keys.raw_captures],
            description=f"{table.description} Grain: {table.grain}. Unredacted; for the lake's owner.",
            group_name="tidy",
            owners=[OPERATORS],
            kinds={"python", "parquet"},
            tags=tags_of(keys),
            metadata={"dagster/column_schema": tidy_schema(table), "dagster/table_name": f"tidy.{table.name}"},
            code_version=str(SCHEMA_VERSION),
            partitions_def=partitions,
        )
        for table in TABLES
    ]


def version_of(entry: FileEntry) -> str:
    """Return the data version of a tidy table of a day."""
    return VERSION + entry.sha256


def tidied(keys: Keys, manifest: Manifest | None, lake: Lake) -> Iterator[dg.MaterializeResult]:
    """Yield one materialisation per table of a day; none if they could not be written."""
    if manifest is None:
        return
    for table in TABLES:
        entry = manifest.tables[table.name]
        yield dg.MaterializeResult(
            asset_key=keys.of(f"tidy.{table.name}"),
            metadata={
                "dagster/partition_row_count": entry.rows,
                "dagster/uri": str(lake.tidy / entry.file),
                "bytes": entry.bytes,
                "sha256": entry.sha256,
            },
            data_version=dg.DataVersion(version_of(entry)),
        )


def without_files(keys: Keys, reason: str) -> Iterator[dg.MaterializeResult]:
    """Yield one materialisation per table for a day that was never captured, without any number.

    Dagster calls a backfill failed if a requested partition has no materialisation, though nothing can be done.
    """
    for table in TABLES:
        yield dg.MaterializeResult(
            asset_key=keys.of(f"tidy.{table.name}"), metadata={"no_file": reason}, data_version=dg.DataVersion(VERSION)
        )
