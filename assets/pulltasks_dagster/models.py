"""SQL models as assets, created from sql/.

Lives here: the specs and events of each model and its checks.
Does not live here: SQL, building, checks (sql/, pulltasks.warehouse), the time of a build (daily).
"""

from collections.abc import Iterator

import dagster as dg
from pulltasks.warehouse.build.publish import Built
from pulltasks.warehouse.sql.kinds import Model
from pulltasks.warehouse.sql.lineage import Lineage, column_lineage
from pulltasks.warehouse.sql.models import Models
from pulltasks_dagster.keys import Keys
from pulltasks_dagster.metadata import ANALYSTS, is_asset, model_lineage, model_schema, preview_table


def model_specs(keys: Keys, models: Models, partitions: dg.PartitionsDefinition[str]) -> list[dg.AssetSpec]:
    """Return one asset spec per SQL model."""
    lineage = column_lineage(models)
    return [_spec(keys, model, lineage[model.name], partitions) for model in models.in_order]


def _spec(keys: Keys, model: Model, lineage: Lineage, partitions: dg.PartitionsDefinition[str]) -> dg.AssetSpec:
    # A model that reads only the day itself still needs the day's tidy tables to exist.
    upstream = sorted(name for name in model.depends_on | model.sources if is_asset(name)) or ["tidy.captures"]
    return dg.AssetSpec(
        keys.of(model.name),
        deps=[keys.of(name) for name in upstream],
        description=f"{model.description} Grain: {model.grain}.",
        group_name=model.layer,
        owners=[ANALYSTS],
        kinds={"sql", "duckdb"},
        metadata={
            "dagster/column_schema": model_schema(model),
            "dagster/column_lineage": model_lineage(keys, lineage),
        },
        code_version=model.digest,
        partitions_def=partitions,
    )


def model_check_specs(keys: Keys, models: Models) -> list[dg.AssetCheckSpec]:
    """Return two check specs for each model with rows of its own: its key and its conditions."""
    return [
        dg.AssetCheckSpec(name, asset=keys.of(model.name), description=description)
        for model in models.in_order
        if model.is_checked
        for name, description in (
            ("key_is_unique", f"No two rows share {', '.join(model.key)}."),
            ("rows_are_valid", "; ".join(model.checks) or "No condition is set."),
        )
    ]


def built(keys: Keys, step: Built) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
    """Yield the materialisation of a model and its checks, after the last day of the build or as published earlier."""
    result = step.result
    key = keys.of(result.model.name)
    known: dict[str, dg.MetadataValue] = {}
    if result.model.is_checked:
        counts = {"dagster/row_count": result.rows, "rows_of_the_last_day": result.day_rows}
        known = {name: dg.MetadataValue.int(rows) for name, rows in counts.items() if rows is not None}
        known["built_through"] = dg.MetadataValue.text(str(max(step.days)))
    if result.day_rows is None:
        known["built"] = dg.MetadataValue.text("by an earlier run, whose checks passed; nothing is new since then")
    yield dg.MaterializeResult(
        asset_key=key,
        metadata={
            **known,
            "published": "by the asset `warehouse` only",
            "preview": preview_table(step.preview),
        },
    )
    if result.model.is_checked:
        unique, *conditions = result.checks
        yield dg.AssetCheckResult(
            asset_key=key,
            passed=unique.passed,
            check_name="key_is_unique",
            metadata={"failed_rows": unique.failed_rows},
        )
        yield dg.AssetCheckResult(
            asset_key=key,
            passed=all(check.passed for check in conditions),
            check_name="rows_are_valid",
            metadata={check.name: check.failed_rows for check in conditions},
        )
