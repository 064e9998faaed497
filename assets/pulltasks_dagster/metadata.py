"""Metadata for Dagster's UI.

Lives here: column schemas, column lineage, the table of verdicts, previews, owners, tags, freshness.
Does not live here: the definition of columns (pulltasks.tables, the headers in sql/).
"""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import islice

import dagster as dg
from pulltasks.tables import Table
from pulltasks.warehouse.build.preview import Preview
from pulltasks.warehouse.read.status import Status
from pulltasks.warehouse.sql.kinds import Model
from pulltasks.warehouse.sql.lineage import Lineage
from pulltasks_dagster.keys import Keys

# A longer table would make Dagster's event too large.
MAX_VERDICT_ROWS = 100
SHORTEST_AGE = timedelta(minutes=1)  # the shortest window that Dagster accepts
# The owners of assets: operators own the lake, analysts own the models.
OPERATORS, ANALYSTS = "team:operators", "team:analysts"


def tidy_schema(table: Table) -> dg.TableSchema:
    """Return the columns of a tidy table."""
    return dg.TableSchema(columns=[dg.TableColumn(c.name, str(c.type), description=c.meaning) for c in table.columns])


def model_schema(model: Model) -> dg.TableSchema:
    """Return the columns of a model."""
    return dg.TableSchema(columns=[dg.TableColumn(c.name, c.type, description=c.description) for c in model.columns])


def model_lineage(keys: Keys, lineage: Lineage) -> dg.TableColumnLineage:
    """Return the source columns of each column of a model, as asset keys and names."""
    return dg.TableColumnLineage(
        {
            column: [dg.TableColumnDep(keys.of(table), name) for table, name in pairs]
            for column, pairs in lineage.items()
        }
    )


def tags_of(keys: Keys) -> dict[str, str]:
    """Return the tags of a lake's assets: its name, by which the UI filters where there are several."""
    return {"pulltasks/lake_name": keys.lake} if keys.lake else {}


def freshness(age: timedelta) -> dg.FreshnessPolicy:
    """Return a policy by which an asset is stale if its last materialisation is older than `age`."""
    return dg.FreshnessPolicy.time_window(fail_window=max(age, SHORTEST_AGE))


def verdict_table(verdicts: Iterable[tuple[str, str, str | None, int, int, str | None]]) -> dg.TableMetadataValue:
    """Return one row per target, as given; at most `MAX_VERDICT_ROWS`.

    Args:
        verdicts: target, verdict, reason, tasks, requests and message of each; incomplete ones first.
    """
    return _table(
        ("target", "verdict", "reason", "tasks", "requests", "message"),
        [
            (target, verdict, reason or "", str(tasks) if verdict == "complete" else "", str(requests), message or "")
            for target, verdict, reason, tasks, requests, message in islice(verdicts, MAX_VERDICT_ROWS)
        ],
    )


def not_complete_table(status: Status) -> dg.TableMetadataValue:
    """Return one row per incomplete target, with its reason and the day of its tasks; at most `MAX_VERDICT_ROWS`."""
    missing = [target for target in status.targets if target.coverage != "complete"]
    return _table(
        ("target", "coverage", "reason", "known_from", "message"),
        [
            (
                target.name or f"{target.project_id}/{target.region}",
                target.coverage,
                target.reason or "",
                str(target.last_complete_date or "never"),
                target.message or "",
            )
            for target in missing[:MAX_VERDICT_ROWS]
        ],
    )


def preview_table(preview: Preview) -> dg.TableMetadataValue:
    """Return a few rows of a model, masked like the model, with each cell as a short text."""
    return _table(preview.columns, preview.rows)


def _table(columns: Sequence[str], rows: Sequence[tuple[str, ...]]) -> dg.TableMetadataValue:
    schema = dg.TableSchema(columns=[dg.TableColumn(name, "text") for name in columns])
    records = [dg.TableRecord(dict(zip(columns, row, strict=True))) for row in rows]
    return dg.MetadataValue.table(records=records, schema=schema)
