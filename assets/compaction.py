"""Closed months as one asset.

Lives here: the asset that compacts a month, and lets go of raw files that the settings do not keep.
Does not live here: how it is done and proved (pipelines.compaction).
"""

from datetime import date

import dagster as dg

from assets.failures import told_as_failure
from assets.metadata import OPERATORS, asset_key
from assets.resources import Workplace
from pipelines.compaction import compact_month, months_to_compact, remove_old_raw
from pipelines.tables import TABLES

CLOSED_MONTHS = dg.AssetKey(["tidy", "closed_months"])


def compaction_asset(partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """The asset `tidy/closed_months`."""

    @dg.asset(
        key=CLOSED_MONTHS,
        deps=[asset_key(f"tidy.{table.name}") for table in TABLES],
        description="A closed month of each tidy table as one sorted file, in the place of its days' files.",
        group_name="tidy",
        owners=[OPERATORS],
        kinds={"parquet", "duckdb"},
        partitions_def=partitions,
    )
    def closed_months(
        context: dg.AssetExecutionContext, workplace: dg.ResourceParam[Workplace]
    ) -> dg.MaterializeResult:
        lake, settings = workplace.lake, workplace.settings.lake
        month = date.fromisoformat(context.partition_key)
        with told_as_failure(workplace.report, "compacting"):
            done = [compact_month(lake, each) for each in months_to_compact(lake, settings) if each <= month]
            without_raw, needed = remove_old_raw(lake, settings, workplace.settings.today(workplace.clock.now()))
        return dg.MaterializeResult(
            metadata={
                "compacted": bool(done),
                "days": sum(each.days for each in done),
                "rows": sum(each.rows for each in done),
                "bytes_before": sum(each.bytes_before for each in done),
                "bytes_after": sum(each.bytes_after for each in done),
                "days_without_raw": len(without_raw),
                "damaged_days": ", ".join(map(str, needed)) or "none",
            }
        )

    return closed_months
