"""The tables of the page: the model of each, its columns, its order and its rows.

Lives here: one entry per table, and reading it.
Does not live here: the table of tasks (lives) and that of targets (targets), the meaning of columns (the headers in
sql/), their words (words.toml).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import duckdb

    from pulltasks.dashboard.bounds import Bounds


@dataclass(frozen=True)
class Table:
    """A table of the page.

    Attributes:
        name: its name in the page.
        model: the model of its rows.
        covers: the coverage of its rows: the `state` of targets as last known, `changes` since their complete listing
            before, `all` targets whatever the filter, or a `record`, whose rows have their own dates.
        columns: its columns with the kind by which they are shown and sorted; `target` means project_id, region and
            target_name together, `targets` a list of `project_id/region`.
        query: the SQL that returns these columns, the most important rows first.
    """

    name: str
    model: str
    covers: str
    columns: dict[str, str]
    query: str


TABLES = (
    Table(
        "changes",
        "fct_pull_task_changes",
        "changes",
        {
            "destination": "address",
            "target": "target",
            "change": "word",
            "field": "text",
            "value_before": "address",
            "value_after": "address",
            "reason": "word",
            "previous_complete_date": "day",
            "task_id": "id",
        },
        "select * from fct_pull_task_changes where snapshot_date = (select through_date from meta_build) "
        "order by list_position(['removed', 'returned', 'changed', 'added'], change), project_id, region, task_id, "
        "field",
    ),
    Table(
        "conflicts",
        "rpt_stream_conflicts",
        "state",
        {
            "destination": "address",
            "timing": "word",
            "overlap_start_time": "time",
            "overlap_end_time": "time",
            "task_count": "number",
            "tasks_enabled": "number",
            "target_keys": "targets",
            "task_ids": "ids",
            "state_date": "day",
        },
        "from rpt_stream_conflicts order by case timing when 'now' then 0 when 'coming' then 1 else 2 end, "
        "overlap_start_time nulls first, destination",
    ),
    Table(
        "sources",
        "rpt_source_reuse",
        "all",
        {
            "url": "address",
            "task_count": "number",
            "primary_count": "number",
            "backup_count": "number",
            "target_count": "number",
            "oldest_state_date": "day",
        },
        "from rpt_source_reuse order by task_count desc, url_fingerprint",
    ),
    Table(
        "receivers",
        "rpt_callback_receivers",
        "all",
        {
            "callback_url": "address",
            "task_count": "number",
            "target_count": "number",
            "events": "list",
            "oldest_state_date": "day",
        },
        "from rpt_callback_receivers order by task_count desc, callback_url_fingerprint",
    ),
    Table(
        "gaps",
        "rpt_coverage_gaps",
        "record",
        {
            "target": "target",
            "from_date": "day",
            "to_date": "day",
            "days": "number",
            "is_open": "flag",
            "coverages": "words",
            "reasons": "reasons",
            "last_complete_date": "day",
        },
        "from rpt_coverage_gaps order by to_date desc, days desc, project_id, region",
    ),
    Table(
        "surprises",
        "rpt_data_quality",
        "record",
        {
            "target": "target",
            "field": "text",
            "rule": "text",
            "last_occurrences": "number",
            "first_date": "day",
            "last_date": "day",
            "example_task_id": "id",
        },
        "from rpt_data_quality order by last_date desc, field, rule, project_id, region",
    ),
)


def read_table(
    connection: duckdb.DuckDBPyConnection, table: Table, places: Mapping[str, int], bounds: Bounds
) -> dict[str, Any]:
    """Return the first rows of a table, one list per column, with the number of all rows as `total`.

    `shown_targets` must exist; `places` has the position of each target there by `project_id/region`.
    """
    lists = ", ".join(f"list({_selected(name, kind)} order by place)" for name, kind in table.columns.items())
    ((*values, total),) = connection.execute(
        f"with all_rows as ({table.query}), "
        "in_order as (select *, row_number() over () as place, count(*) over () as total from all_rows), "
        f"shown_rows as (from in_order where place <= {bounds.rows}{_is_within(table, bounds.text_bytes)}) "
        f"select {lists}, coalesce(max(total), 0) from shown_rows"
        f"{_TARGET_OF_ROW if 'target' in table.columns else ''}"
    ).fetchall()
    described = connection.execute(
        "select column_name, comment from duckdb_columns() "
        "where table_name = $1 and database_name = current_database()",
        [table.model],
    ).fetchall()
    descriptions = dict(described)
    return {
        "columns": [
            {"name": name, "kind": kind, "description": descriptions.get(name)} for name, kind in table.columns.items()
        ],
        "values": [
            [[places[key] for key in keys if key in places] for keys in found or []]
            if kind == "targets"
            else found or []
            for kind, found in zip(table.columns.values(), values, strict=True)
        ],
        "model": table.model,
        "query": " ".join(table.query.split()),
        "covers": table.covers,
        "total": total,
    }


_TARGET_OF_ROW = (
    " left join shown_targets as target on target.project_id = shown_rows.project_id "
    "and target.region = shown_rows.region"
)


def _selected(name: str, kind: str) -> str:
    """Return a column as the page holds it."""
    if kind == "target":
        return "target.position"
    if kind == "time":
        return f"epoch(shown_rows.{name})::bigint"
    return f"shown_rows.{name}::varchar" if kind == "day" else f"shown_rows.{name}"


def _is_within(table: Table, text_bytes: int) -> str:
    """Return the SQL condition that bounds a table's addresses; the first row is always kept."""
    texts = [f"coalesce(strlen({name}::varchar), 0)" for name, kind in table.columns.items() if kind == "address"]
    if not texts:
        return ""
    before = "over (order by place rows between unbounded preceding and 1 preceding)"
    return f" qualify coalesce(sum({' + '.join(texts)}) {before}, 0) <= {text_bytes}"
