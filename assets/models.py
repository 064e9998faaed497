"""SQL models and the published warehouse as assets, made from sql/.

Lives here: the assets of all models, the asset that checks and publishes, the page.
Does not live here: SQL, building, checks (sql/, pipelines.warehouse).
"""

from collections.abc import Iterator
from datetime import date, timedelta

import dagster as dg

from assets.failures import told_as_failure
from assets.metadata import (
    ANALYSTS,
    OPERATORS,
    asset_key,
    is_asset,
    model_lineage,
    model_schema,
    not_complete_table,
    preview_table,
)
from assets.resources import Workplace
from pipelines.build import ModelResult
from pipelines.coverage import read_surprises
from pipelines.dashboard import PAGE_NOT_WRITTEN, write_dashboard
from pipelines.errors import PulltasksError
from pipelines.kinds import Model
from pipelines.models import Models
from pipelines.preview import Preview
from pipelines.status import read_day
from pipelines.warehouse import open_published

WAREHOUSE = dg.AssetKey("warehouse")
DASHBOARD = dg.AssetKey("dashboard")
SHORTEST_AGE = timedelta(minutes=1)  # Dagster takes none below
ALL_TARGETS_COMPLETE = "all_targets_complete"


def model_assets(models: Models, partitions: dg.PartitionsDefinition[str]) -> dg.AssetsDefinition:
    """One asset per SQL model, all made in one step: a step of its own for each costs more than most models."""

    @dg.multi_asset(
        specs=[_spec(model, models, partitions) for model in models.in_order],
        check_specs=[spec for model in models.in_order if model.is_checked for spec in _check_specs(model)],
        can_subset=True,
        name="models",
    )
    def build(
        context: dg.AssetExecutionContext, workplace: dg.ResourceParam[Workplace]
    ) -> Iterator[dg.MaterializeResult]:
        for model in models.in_order:
            if asset_key(model.name) in context.selected_asset_keys:
                with told_as_failure(workplace.report, f"building {model.name}"):
                    workplace.working_copy.require(date.fromisoformat(context.partition_key))
                    result = workplace.working_copy.run(model.name)
                    preview = workplace.working_copy.preview(model.name)
                yield _materialised(result, preview, workplace.working_copy.day)

    return build


def _spec(model: Model, models: Models, partitions: dg.PartitionsDefinition[str]) -> dg.AssetSpec:
    # the day itself is known once its tidy tables are written
    upstream = sorted(name for name in model.depends_on | model.sources if is_asset(name)) or ["tidy.captures"]
    return dg.AssetSpec(
        asset_key(model.name),
        deps=[asset_key(name) for name in upstream],
        description=f"{model.description} Grain: {model.grain}.",
        group_name=model.layer,
        owners=[ANALYSTS],
        kinds={"sql", "duckdb"},
        metadata={
            "dagster/column_schema": model_schema(model),
            "dagster/column_lineage": model_lineage(model, models),
        },
        code_version=model.digest,
        partitions_def=partitions,
    )


def _materialised(result: ModelResult, preview: Preview, day: date) -> dg.MaterializeResult:
    key = asset_key(result.model.name)
    shown: dict[str, dg.MetadataValue] = {
        "published": dg.MetadataValue.text("by the asset `warehouse` only"),
        "preview": preview_table(preview),
    }
    if not result.model.is_checked:
        return dg.MaterializeResult(asset_key=key, metadata=shown)
    unique, *conditions = result.checks
    return dg.MaterializeResult(
        asset_key=key,
        metadata={
            "dagster/row_count": result.rows,
            "rows_of_the_last_day": result.day_rows,
            "built_through": str(day),
            **shown,
        },
        check_results=[
            dg.AssetCheckResult(
                asset_key=key,
                passed=unique.passed,
                check_name="key_is_unique",
                metadata={"failed_rows": unique.failed_rows},
            ),
            dg.AssetCheckResult(
                asset_key=key,
                passed=all(check.passed for check in conditions),
                check_name="rows_are_valid",
                metadata={check.name: check.failed_rows for check in conditions},
            ),
        ],
    )


def _check_specs(model: Model) -> list[dg.AssetCheckSpec]:
    key = asset_key(model.name)
    return [
        dg.AssetCheckSpec("key_is_unique", asset=key, description=f"No two rows share {', '.join(model.key)}."),
        dg.AssetCheckSpec("rows_are_valid", asset=key, description="; ".join(model.checks) or "No condition is set."),
    ]


def warehouse_asset(
    models: Models, partitions: dg.PartitionsDefinition[str], *, page: bool, max_age: timedelta
) -> dg.AssetsDefinition:
    """The assets that publish what the models made, and then fail the run if a target is not complete.

    Args:
        models: what is published.
        partitions: by snapshot date.
        max_age: without anything published for longer, the warehouse is stale.
        page: whether the page is an asset as well. It is made in the same step: what comes behind a check that fails
            is not made, and a day that is not complete needs its page most.
    """
    specs = [
        dg.AssetSpec(
            WAREHOUSE,
            deps=[asset_key(model.name) for model in models.in_order if model.is_published],
            description="The published DuckDB file that analysts and dashboards open; all checks stand before it.",
            group_name="publish",
            owners=[OPERATORS],
            kinds={"duckdb"},
            partitions_def=partitions,
            freshness_policy=dg.FreshnessPolicy.time_window(fail_window=max(max_age, SHORTEST_AGE)),
        )
    ]
    if page:
        specs.append(
            dg.AssetSpec(
                DASHBOARD,
                deps=[WAREHOUSE],
                description="The page: one file that shows what the warehouse says, and how much of it is known.",
                group_name="publish",
                owners=[OPERATORS],
                kinds={"html"},
                partitions_def=partitions,
            )
        )

    @dg.multi_asset(
        specs=specs,
        check_specs=[
            *(dg.AssetCheckSpec(check.name, asset=WAREHOUSE, description=check.description) for check in models.checks),
            dg.AssetCheckSpec(
                ALL_TARGETS_COMPLETE,
                asset=WAREHOUSE,
                blocking=True,
                description="Fails the run, after publishing, when a target of the day is not complete.",
            ),
        ],
        name="warehouse",
    )
    def warehouse(
        context: dg.AssetExecutionContext, workplace: dg.ResourceParam[Workplace]
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        with told_as_failure(workplace.report, "publishing"):
            work = workplace.working_copy
            day, checks = date.fromisoformat(context.partition_key), work.cross_checks()
            work.require(day)
            path = work.publish(workplace.clock.now())
        with open_published(workplace.lake) as connection:
            status, surprises = read_day(connection, day), read_surprises(connection, day)
        for text in (*workplace.troubles, *surprises):
            context.log.warning(text)
        counts = {"targets_complete": status.complete, "targets_expected": len(status.targets)}
        yield dg.MaterializeResult(
            asset_key=WAREHOUSE,
            metadata={
                "dagster/uri": str(path),
                "bytes": path.stat().st_size,
                "built_through": str(work.day),
                "surprises": "\n".join(surprises) or "none",
                "troubles": "\n".join(workplace.troubles) or "none",
                **counts,
            },
            check_results=[
                dg.AssetCheckResult(
                    passed=check.passed, check_name=check.name, metadata={"failed_rows": check.failed_rows}
                )
                for check in checks
            ],
        )
        page_error = None
        if page:
            try:
                file = write_dashboard(workplace.lake, workplace.settings)
            except (PulltasksError, OSError) as error:
                page_error = str(error)
            except Exception as error:  # noqa: BLE001 - what was published stands
                page_error = workplace.report(error, "writing the page")
            else:
                yield dg.MaterializeResult(
                    asset_key=DASHBOARD,
                    metadata={
                        "page": dg.MetadataValue.url(file.absolute().as_uri()),
                        "dagster/uri": str(file),
                        "bytes": file.stat().st_size,
                        **counts,
                    },
                )
        yield dg.AssetCheckResult(
            asset_key=WAREHOUSE,
            passed=status.is_complete,
            check_name=ALL_TARGETS_COMPLETE,
            metadata={**counts, "not_complete": not_complete_table(status)},
        )
        if page_error:
            raise dg.Failure(description=PAGE_NOT_WRITTEN.format(error=page_error), allow_retries=False)

    return warehouse
