"""The finished file: every table and column says what it is."""

from __future__ import annotations

from desk import DAYS, Desk, rows
from pulltasks.warehouse.sql.models import load_models


def test_every_table_and_column_has_a_comment(desk: Desk, begin) -> None:
    begin(desk, DAYS[0])
    assert rows(desk, "select table_name from duckdb_tables() where coalesce(comment, '') = ''") == []
    assert (
        rows(
            desk,
            "select table_name, column_name from duckdb_columns() where not internal and coalesce(comment, '') = ''",
        )
        == []
    )
    described = {
        name
        for (name,) in rows(
            desk,
            "select table_name from duckdb_tables() where comment <> '' union all "
            "select view_name from duckdb_views() where comment <> '' union all "
            "select function_name from duckdb_functions() where comment <> '' and not internal",
        )
    }
    assert described == {m.name for m in load_models().in_order if m.is_published} | {
        "meta_build",
        "meta_inputs",
        "meta_runs",
    }
