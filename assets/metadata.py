"""Tables and columns in the words of Dagster's UI.

Lives here: column schemas, column lineage, the table of verdicts, previews, owners.
Does not live here: the truth about columns (pipelines.tables, the headers in sql/).
"""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from pipelines.capture import CaptureResult
from pipelines.models import BEFORE, Model, Models, column_lineage
from pipelines.preview import Preview
from pipelines.tables import Table

MAX_VERDICT_ROWS = 100
# Who an asset is for: the lake is the operators', what the models make is the analysts'.
OPERATORS, ANALYSTS = "team:operators", "team:analysts"


def tidy_schema(table: Table) -> dg.TableSchema:
    """The columns of a tidy table."""
    return dg.TableSchema(columns=[dg.TableColumn(c.name, str(c.type), description=c.meaning) for c in table.columns])


def model_schema(model: Model) -> dg.TableSchema:
    """The columns of a model."""
    return dg.TableSchema(columns=[dg.TableColumn(c.name, c.type, description=c.description) for c in model.columns])


def model_lineage(model: Model, models: Models) -> dg.TableColumnLineage:
    """Which columns of which assets each column of a model is made of."""
    return dg.TableColumnLineage(
        {
            column: [dg.TableColumnDep(asset_key(table), name) for table, name in pairs if is_asset(table)]
            for column, pairs in column_lineage(model, models).items()
        }
    )


def is_asset(table: str) -> bool:
    """Whether a table that a model reads is an asset of the same day (not what stood before it, not the day itself)."""
    return table != "tidy.build" and not table.startswith(BEFORE)


def asset_key(table: str) -> dg.AssetKey:
    """`tidy.pull_tasks` or `dim_targets` as an asset key."""
    return dg.AssetKey(table.split("."))


def verdict_table(results: Sequence[CaptureResult]) -> dg.TableMetadataValue:
    """One row per target, those that are not complete first; cut where it would grow too long for an event."""
    in_order = sorted(results, key=lambda result: (result.verdict == "complete", result.target.key))
    records: list[dict[str, Any]] = [
        {
            "target": result.target.label,
            "verdict": result.verdict,
            "reason": result.reason or "",
            "tasks": result.task_count,
            "requests": result.requests,
            "message": result.message or "",
        }
        for result in in_order[:MAX_VERDICT_ROWS]
    ]
    columns = {"tasks": "int", "requests": "int"}
    schema = dg.TableSchema(
        columns=[
            dg.TableColumn(name, columns.get(name, "string"))
            for name in ("target", "verdict", "reason", "tasks", "requests", "message")
        ]
    )
    return dg.MetadataValue.table(records=[dg.TableRecord(record) for record in records], schema=schema)


def preview_table(preview: Preview) -> dg.TableMetadataValue:
    """A few rows of a model, masked as the model is, each cell a short text."""
    schema = dg.TableSchema(columns=[dg.TableColumn(name, "text") for name in preview.columns])
    records = [dg.TableRecord(dict(zip(preview.columns, row, strict=True))) for row in preview.rows]
    return dg.MetadataValue.table(records=records, schema=schema)
