"""The tidy tables of a day as assets.

Lives here: the specs and events of each tidy table.
Does not live here: raw answers as rows (pulltasks.lake.normalise), the time of it (daily).
"""

from collections.abc import Iterator

import dagster as dg
from pulltasks.lake.lake import Lake
from pulltasks.run.results import Tidied
from pulltasks.tables import SCHEMA_VERSION, TABLES
from pulltasks_dagster.keys import Keys
from pulltasks_dagster.metadata import OPERATORS, tidy_schema


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
            metadata={"dagster/column_schema": tidy_schema(table)},
            code_version=str(SCHEMA_VERSION),
            partitions_def=partitions,
        )
        for table in TABLES
    ]


def tidied(keys: Keys, step: Tidied, lake: Lake) -> Iterator[dg.MaterializeResult]:
    """Yield one materialisation per table of the day; none if they could not be written."""
    if step.manifest is None:
        return
    for table in TABLES:
        entry = step.manifest.tables[table.name]
        yield dg.MaterializeResult(
            asset_key=keys.of(f"tidy.{table.name}"),
            metadata={
                "dagster/partition_row_count": entry.rows,
                "dagster/uri": str(lake.tidy / entry.file),
                "bytes": entry.bytes,
                "sha256": entry.sha256,
            },
        )
