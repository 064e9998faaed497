"""Closed months as one asset.

Lives here: the asset that compacts a month, and deletes raw files older than the settings allow.
Does not live here: compacting and its proof (pulltasks.lake.compaction), the order of steps (pulltasks.run.order).
"""

from collections.abc import Iterator
from datetime import date

import dagster as dg
from pulltasks.clock import Clock
from pulltasks.lake.error_reports import reporter
from pulltasks.lake.lake import Lake
from pulltasks.run.order import compact
from pulltasks.run.report import words_of_needed_raw
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
        month = date.fromisoformat(context.partition_key)
        report = reporter(Lake(settings.lake.root))
        may_retry = context.retry_number < retry.max_retries
        with reported_as_failure(report, lambda: "compacting", may_retry=may_retry) as fail:
            done = compact(settings, settings.today(clock.now()), through=month)
            yield dg.MaterializeResult(
                asset_key=keys.closed_months,
                metadata={
                    "compacted": bool(done.months),
                    "days": sum(each.days for each in done.months),
                    "rows": sum(each.rows for each in done.months),
                    "bytes_before": sum(each.bytes_before for each in done.months),
                    "bytes_after": sum(each.bytes_after for each in done.months),
                    "days_without_raw": len(done.days_without_raw),
                    "damaged_days": ", ".join(map(str, done.damaged_days)) or "none",
                },
            )
            # Fails only now: the months are compacted, and a person has to rebuild the damaged days.
            if done.damaged_days:
                fail(words_of_needed_raw(done.damaged_days), may_pass=False)

    return closed_months
