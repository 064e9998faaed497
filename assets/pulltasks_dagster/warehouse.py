"""The published warehouse, the open tables, the page and the backup as assets.

Lives here: the specs and events of a run that published.
Does not live here: the work (pulltasks.warehouse, pulltasks.dashboard, pulltasks.backup), the time of it (daily).
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import dagster as dg
from pulltasks.alerts.rules import Failure
from pulltasks.lake.lake import Lake
from pulltasks.run.report import not_complete
from pulltasks.run.results import RunResult
from pulltasks.settings import Settings
from pulltasks.warehouse.build.publish import CrossChecked
from pulltasks.warehouse.read.status import judge
from pulltasks.warehouse.sql.models import Models
from pulltasks_dagster.captures import FAILURES, failures_metadata
from pulltasks_dagster.keys import Keys
from pulltasks_dagster.metadata import OPERATORS, freshness, not_complete_table, tags_of
from pulltasks_dagster.models import shown_models

ALL_TARGETS_COMPLETE = "all_targets_complete"
TABLES_ARE_VALID = "tables_are_valid"


def warehouse_specs(keys: Keys, models: Models, settings: Settings) -> list[dg.AssetSpec]:
    """Return the specs of `warehouse` and of what the settings ask to be made of it: open tables, page, backup."""

    def spec(key: dg.AssetKey, description: str, kinds: set[str]) -> dg.AssetSpec:
        return dg.AssetSpec(
            key,
            deps=[keys.warehouse],
            description=description,
            group_name="publish",
            owners=[OPERATORS],
            kinds=kinds,
            tags=tags_of(keys),
        )

    warehouse = spec(
        keys.warehouse,
        "The published DuckDB file that analysts and dashboards open; it appears only if all checks pass.",
        {"duckdb"},
    ).replace_attributes(
        deps=[keys.of(model.name) for model in shown_models(models)],
        freshness_policy=freshness(settings.alerts.limits.lake),
    )
    tables = spec(
        keys.open_tables,
        "The published tables as Parquet, for engines that do not read DuckDB files; and the readers' bucket, if set.",
        {"parquet"},
    )
    page = spec(keys.dashboard, "The page: one file that shows the warehouse, and how much of it is known.", {"html"})
    backup = spec(keys.backup, "The copy of the lake in object storage, one object per file.", {"rclone"})
    wanted = {
        keys.open_tables: settings.publish.tables,
        keys.dashboard: settings.dashboard.enabled,
        keys.backup: settings.backup.is_set,
    }
    return [warehouse, *(each for each in (tables, page, backup) if wanted[each.key])]


def warehouse_check_specs(keys: Keys, models: Models) -> list[dg.AssetCheckSpec]:
    """Return the specs of the checks over several models, of each one, and of the targets."""
    return [
        *(
            dg.AssetCheckSpec(check.name, asset=keys.warehouse, description=check.description)
            for check in models.checks
        ),
        dg.AssetCheckSpec(
            TABLES_ARE_VALID,
            asset=keys.warehouse,
            description="In every table the key is unique, and each row meets the conditions of the table's SQL file.",
        ),
        dg.AssetCheckSpec(
            ALL_TARGETS_COMPLETE,
            asset=keys.warehouse,
            description="Every target counts as complete on the day, after a rebuild on the newest one; one that is "
            "held does not. A warning as long as each of the others was complete within alerts.max_target_age, else "
            "an error. If it fails, a run that listed targets fails as well, after publishing.",
        ),
    ]


def cross_checked(keys: Keys, step: CrossChecked) -> Iterator[dg.AssetCheckResult]:
    """Yield the results of the checks over several models, and of those of each one."""
    yield dg.AssetCheckResult(
        asset_key=keys.warehouse,
        passed=not step.failures,
        check_name=TABLES_ARE_VALID,
        description="\n".join(step.failures) or "no row is wrong",
        metadata={"failed_checks": len(step.failures)},
    )
    for check in step.checks:
        yield dg.AssetCheckResult(
            asset_key=keys.warehouse,
            passed=check.passed,
            check_name=check.name,
            metadata={"failed_rows": check.failed_rows},
        )


def published(
    keys: Keys, settings: Settings, result: RunResult, failures: tuple[Failure, ...], now: datetime
) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Yield the materialisation of the published file with its check, and of open tables, page and backup."""
    status = result.status
    counts = {"targets_complete": status.complete, "targets_expected": len(status.targets)}
    # Dagster shows an old target as an error, a recent one as a warning: the same ages cause alarms.
    is_beyond = bool(judge(status, now, settings.alerts.limits).beyond)
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
        data_version=dg.DataVersion(build_of(result.published)),
    )
    yield dg.AssetCheckResult(
        asset_key=keys.warehouse,
        passed=status.is_complete,
        check_name=ALL_TARGETS_COMPLETE,
        severity=dg.AssetCheckSeverity.ERROR if is_beyond else dg.AssetCheckSeverity.WARN,
        description="\n".join(not_complete(status)) or "every target is complete",
        metadata={**counts, "not_complete": not_complete_table(status)},
    )
    if result.tables:
        yield dg.MaterializeResult(
            asset_key=keys.open_tables,
            metadata={
                "dagster/uri": str(Lake(settings.lake.root).open_tables / "current"),
                "version": result.tables.version,
                "tables": len(result.tables.tables),
                "rows": sum(table.rows for table in result.tables.tables.values()),
                "bytes": sum(table.bytes for table in result.tables.tables.values()),
            },
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
    if result.backup:
        yield dg.MaterializeResult(
            asset_key=keys.backup,
            metadata={
                "files_copied": result.backup.put,
                "files_moved_away": result.backup.moved,
                "bytes_copied": result.backup.bytes,
                "all_files_compared": result.backup.is_full,
            },
        )


def build_of(published: Path) -> str:
    """Return the name of the build behind the published file: its data version."""
    return published.resolve().stem
