"""The published warehouse and the page as assets.

Lives here: the specs and events of a run that published.
Does not live here: publishing, the page (pulltasks.warehouse, pulltasks.dashboard), the time of it (daily).
"""

from collections.abc import Iterator
from datetime import datetime

import dagster as dg
from pulltasks.alerts.rules import Failure
from pulltasks.run.report import not_complete
from pulltasks.run.results import RunResult
from pulltasks.settings import Limits
from pulltasks.warehouse.build.publish import CrossChecked
from pulltasks.warehouse.read.status import judge
from pulltasks.warehouse.sql.models import Models
from pulltasks_dagster.captures import FAILURES, failures_metadata
from pulltasks_dagster.keys import Keys
from pulltasks_dagster.metadata import OPERATORS, freshness, not_complete_table

ALL_TARGETS_COMPLETE = "all_targets_complete"


def warehouse_specs(
    keys: Keys, models: Models, partitions: dg.PartitionsDefinition[str], limits: Limits, *, page: bool
) -> list[dg.AssetSpec]:
    """Return the specs of `warehouse` and, if the settings ask for a page, `dashboard`.

    Args:
        keys: the asset keys.
        models: the published models.
        partitions: the daily partitions.
        limits: the age above which the warehouse is stale.
        page: the page is an asset as well.
    """
    warehouse = dg.AssetSpec(
        keys.warehouse,
        deps=[keys.of(model.name) for model in models.in_order if model.is_published],
        description="The published DuckDB file that analysts and dashboards open; it appears only if all checks pass.",
        group_name="publish",
        owners=[OPERATORS],
        kinds={"duckdb"},
        partitions_def=partitions,
        freshness_policy=freshness(limits.lake),
    )
    dashboard = dg.AssetSpec(
        keys.dashboard,
        deps=[keys.warehouse],
        description="The page: one file that shows the warehouse, and how much of it is known.",
        group_name="publish",
        owners=[OPERATORS],
        kinds={"html"},
        partitions_def=partitions,
    )
    return [warehouse, dashboard] if page else [warehouse]


def warehouse_check_specs(keys: Keys, models: Models) -> list[dg.AssetCheckSpec]:
    """Return the specs of the checks over several models, and of the check of the targets."""
    return [
        *(
            dg.AssetCheckSpec(check.name, asset=keys.warehouse, description=check.description)
            for check in models.checks
        ),
        dg.AssetCheckSpec(
            ALL_TARGETS_COMPLETE,
            asset=keys.warehouse,
            description="Every target counts as complete on the day, after a rebuild on the newest one; one that is "
            "held does not. A warning as long as each of the others was complete within alerts.max_target_age, else "
            "an error. If it fails, the run fails as well, after publishing.",
        ),
    ]


def cross_checked(keys: Keys, step: CrossChecked) -> Iterator[dg.AssetCheckResult]:
    """Yield the results of the checks over several models."""
    for check in step.checks:
        yield dg.AssetCheckResult(
            asset_key=keys.warehouse,
            passed=check.passed,
            check_name=check.name,
            metadata={"failed_rows": check.failed_rows},
        )


def published(
    keys: Keys, result: RunResult, failures: tuple[Failure, ...], now: datetime, limits: Limits
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Yield the materialisation of the published file with its check, and of the page if it was written."""
    status = result.status
    counts = {"targets_complete": status.complete, "targets_expected": len(status.targets)}
    # Dagster shows an old target as an error, a recent one as a warning: the same ages cause alarms.
    is_beyond = bool(judge(status, now, limits).beyond)
    yield dg.MaterializeResult(
        asset_key=keys.warehouse,
        metadata={
            "dagster/uri": str(result.published),
            "bytes": result.published.stat().st_size,
            "judged_on": str(status.day),
            "surprises": "\n".join(result.surprises) or "none",
            "troubles": "\n".join(result.damaged_days) or "none",
            FAILURES: failures_metadata(failures),
            **counts,
        },
    )
    yield dg.AssetCheckResult(
        asset_key=keys.warehouse,
        passed=status.is_complete,
        check_name=ALL_TARGETS_COMPLETE,
        severity=dg.AssetCheckSeverity.ERROR if is_beyond else dg.AssetCheckSeverity.WARN,
        description="\n".join(not_complete(status)) or "every target is complete",
        metadata={**counts, "not_complete": not_complete_table(status)},
    )
    if result.dashboard:
        yield dg.MaterializeResult(
            asset_key=keys.dashboard,
            metadata={
                "page": dg.MetadataValue.url(result.dashboard.absolute().as_uri()),
                "dagster/uri": str(result.dashboard),
                "bytes": result.dashboard.stat().st_size,
                **counts,
            },
        )
