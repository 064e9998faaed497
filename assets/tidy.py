"""The tidy tables of a day as assets, written together.

Lives here: one multi-asset for all tidy tables.
Does not live here: how raw answers become rows (pipelines.normalise).
"""

from collections.abc import Iterator
from datetime import date

import dagster as dg

from assets.captures import RAW_CAPTURES
from assets.failures import told_as_failure
from assets.metadata import OPERATORS, asset_key, tidy_schema
from assets.resources import Workplace
from pipelines.manifests import read_manifest
from pipelines.normalise import days_to_normalise, normalise_days
from pipelines.tables import SCHEMA_VERSION, TABLES


def tidy_assets(partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """The assets `tidy/…`."""

    @dg.multi_asset(
        specs=[
            dg.AssetSpec(
                asset_key(f"tidy.{table.name}"),
                deps=[RAW_CAPTURES],
                description=f"{table.description} Grain: {table.grain}. Unredacted; for the lake's owner.",
                group_name="tidy",
                owners=[OPERATORS],
                kinds={"python", "parquet"},
                metadata={"dagster/column_schema": tidy_schema(table)},
                code_version=str(SCHEMA_VERSION),
                partitions_def=partitions,
            )
            for table in TABLES
        ],
        name="tidy_tables",
    )
    def tidy_tables(
        context: dg.AssetExecutionContext, workplace: dg.ResourceParam[Workplace]
    ) -> Iterator[dg.MaterializeResult]:
        day = date.fromisoformat(context.partition_key)
        with told_as_failure(workplace.report, "writing the tidy tables"):
            for made in normalise_days(workplace.lake, days_to_normalise(workplace.lake, day), workplace.report):
                workplace.troubles += made.troubles
                context.log.info(f"{made.day}: {'normalised' if made.manifest else 'not written'}")
            manifest = read_manifest(workplace.lake.manifest_file(day))
        for table in TABLES:
            entry = manifest.tables[table.name]
            yield dg.MaterializeResult(
                asset_key=asset_key(f"tidy.{table.name}"),
                metadata={
                    "dagster/partition_row_count": entry.rows,
                    "dagster/uri": str(workplace.lake.tidy / entry.file),
                    "bytes": entry.bytes,
                    "sha256": entry.sha256,
                },
            )

    return tidy_tables
