"""SQL models as assets, created from sql/.

Lives here: the specs and events of each published table and view; lineage through the models that are not assets.
Does not live here: SQL, building, checks (sql/, pulltasks.warehouse), the time of a build (daily).

Staging models and macros are not assets: nobody reads staging models, and macros have no rows.
"""

from collections.abc import Mapping

import dagster as dg
from pulltasks.warehouse.build.publish import Built
from pulltasks.warehouse.sql.kinds import Model
from pulltasks.warehouse.sql.lineage import Lineage, column_lineage
from pulltasks.warehouse.sql.models import BEFORE, SQL_FOLDER, Models
from pulltasks_dagster.keys import Keys
from pulltasks_dagster.metadata import ANALYSTS, model_lineage, model_schema, preview_table, tags_of

# The schema in which readers find every table and view of the published file.
SCHEMA = "pulltasks.main"


def shown_models(models: Models) -> list[Model]:
    """Return the models that are assets: the published tables and views, in the order of building."""
    return [model for model in models.in_order if model.is_published and not model.kind.takes_arguments]


def model_specs(keys: Keys, models: Models) -> list[dg.AssetSpec]:
    """Return one asset spec per published table and view; they hold all days, so they have no partitions."""
    shown = {model.name for model in shown_models(models)}
    lineage = lineage_of_shown(models, shown, column_lineage(models))
    return [_spec(keys, models, shown, model, lineage[model.name]) for model in shown_models(models)]


def _spec(keys: Keys, models: Models, shown: set[str], model: Model, lineage: Lineage) -> dg.AssetSpec:
    # A model that reads only the day itself still needs the day's tidy tables to exist.
    upstream = sorted(sources_of(models, shown, model)) or ["tidy.captures"]
    file = f"{model.layer}/{model.name}.sql"
    source = dg.LocalFileCodeReference(file_path=str(SQL_FOLDER / file), line_number=1, label=f"sql/{file}")
    return dg.AssetSpec(
        keys.of(model.name),
        deps=[keys.of(name) for name in upstream],
        description=f"{model.description} Grain: {model.grain}.",
        group_name=model.layer,
        owners=[ANALYSTS],
        kinds={"sql", "duckdb", model.kind.noun},
        tags=tags_of(keys),
        metadata={
            "dagster/table_name": f"{SCHEMA}.{model.name}",
            "dagster/column_schema": model_schema(model),
            "dagster/column_lineage": model_lineage(keys, lineage),
            "dagster/code_references": dg.CodeReferencesMetadataValue(code_references=[source]),
        },
        code_version=model.digest,
    )


def sources_of(models: Models, shown: set[str], model: Model) -> set[str]:
    """Return the assets that a model is built from, directly or through models that are not assets."""
    direct = {name for name in model.depends_on | model.sources if _is_of_the_day(name)}
    tables = {name for name in direct if name in shown or "." in name}
    return tables.union(*(sources_of(models, shown, models[name]) for name in direct - tables))


def lineage_of_shown(models: Models, shown: set[str], lineage: Mapping[str, Lineage]) -> dict[str, Lineage]:
    """Return the lineage of each model; sources replace the columns of models that are not assets."""
    found: dict[str, dict[str, tuple[tuple[str, str], ...]]] = {}
    for model in models.in_order:  # a model comes after those that it reads
        found[model.name] = {
            column: tuple(
                dict.fromkeys(
                    source
                    for table, name in pairs
                    if _is_of_the_day(table)
                    for source in ([(table, name)] if table in shown or "." in table else found[table].get(name, ()))
                )
            )
            for column, pairs in lineage[model.name].items()
        }
    return dict(found)


def _is_of_the_day(table: str) -> bool:
    """Tell whether a table that a model reads is of the same build: not `before.…`, not `tidy.build`."""
    return table != "tidy.build" and not table.startswith(BEFORE)


def built(keys: Keys, step: Built) -> dg.MaterializeResult:
    """Return the materialisation of a model, after the last day of the build or as published earlier."""
    result = step.result
    known: dict[str, dg.MetadataValue] = {"built_through": dg.MetadataValue.text(str(step.through))}
    if result.model.is_checked:
        counts = {"dagster/row_count": result.rows, "rows_of_the_last_day": result.day_rows}
        known |= {name: dg.MetadataValue.int(rows) for name, rows in counts.items() if rows is not None}
    if result.day_rows is None:
        known["built"] = dg.MetadataValue.text("by an earlier run, whose checks passed; nothing is new since then")
    return dg.MaterializeResult(
        asset_key=keys.of(result.model.name),
        metadata={
            **known,
            "published": "by the asset `warehouse` only",
            "preview": preview_table(step.preview),
        },
    )
