"""Closed months as one asset.

Lives here: the asset that shows a closed month, and closes it if no run has done so.
Does not live here: compacting and its proof (pulltasks.lake.compaction), when a run does it (pulltasks.run.order).
"""

from collections.abc import Iterator
from datetime import date

import dagster as dg
from pulltasks.clock import Clock
from pulltasks.lake.error_reports import reporter
from pulltasks.lake.lake import Lake
from pulltasks.lake.manifests import read_month_if_valid
from pulltasks.run.order import compact
from pulltasks.settings import Settings
from pulltasks.tables import TABLES
from pulltasks_dagster.failures import reported_as_failure
from pulltasks_dagster.keys import Keys
from pulltasks_dagster.metadata import OPERATORS


def compaction_asset(
    settings: Settings, keys: Keys, partitions: dg.PartitionsDefinition[str], clock: Clock, retry: dg.RetryPolicy
) -> dg.AssetsDefinition:
    """Return the asset `tidy/closed_months`, one partition per month."""

    @dg.asset(
        key=keys.closed_months,
        deps=[keys.of(f"tidy.{table.name}") for table in TABLES],
        description="A closed month of each tidy table as one sorted file, instead of its days' files.",
        group_name="tidy",
        owners=[OPERATORS],
        kinds={"parquet", "duckdb"},
        partitions_def=partitions,
        retry_policy=retry,
    )
    def closed_months(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult]:
        lake = Lake(settings.lake.root)
        may_retry = context.retry_number < retry.max_retries
        with reported_as_failure(reporter(lake), lambda: "compacting", may_retry=may_retry) as fail:
            done = compact(settings, settings.today(clock.now()))
            # Mostly a run has closed the month before, so this shows what is there, and not what was done now.
            month = read_month_if_valid(lake.month_manifest_file(date.fromisoformat(context.partition_key)))
            yield dg.MaterializeResult(
                asset_key=keys.closed_months,
                metadata={
                    "compacted": month is not None,
                    "days": len(month.days) if month else 0,
                    "rows": sum(entry.rows for entry in month.tables.values()) if month else 0,
                    "bytes": sum(entry.bytes for entry in month.tables.values()) if month else 0,
                    "days_without_raw": len(done.days_without_raw),
                },
            )
            # Fails only now: the other months are compacted, and a person has to rebuild the damaged days.
            if done.troubles:
                fail("\n".join(done.troubles), may_pass=False)

    return closed_months
