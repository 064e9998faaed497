"""The first rows of a model, as short texts."""

from __future__ import annotations

import duckdb

from pulltasks.warehouse.build.preview import CHARACTERS, ROWS, first_rows
from pulltasks.warehouse.sql.models import load_models


def test_rows_are_few_and_short_and_null_is_empty() -> None:
    model = load_models()["dim_dates"]
    with duckdb.connect() as connection:
        connection.execute("create table t as select repeat('x', range * 50) as a, null as b from range(20)")
        shown = first_rows(connection, model, "t")
        assert first_rows(connection, model, None).rows == ()
    assert shown.columns == tuple(column.name for column in model.columns)
    assert (len(shown.rows), shown.rows[0]) == (ROWS, ("", ""))
    assert shown.rows[2][0] == "x" * (CHARACTERS - 1) + "…"
