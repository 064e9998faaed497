"""A table of the page has the rows of its model, the most important first, as many as the bounds allow."""

from __future__ import annotations

import pytest

from page_contents import DAYS, of
from pulltasks.dashboard.bounds import Bounds
from pulltasks.dashboard.tables import TABLES


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_table_has_all_rows_of_its_model_and_its_descriptions(lake, table) -> None:
    found, connection = of(lake)
    shown = found["tables"][table.name]
    ((rows,),) = connection.execute(f"select count(*) from ({table.query})").fetchall()
    assert shown["total"] == rows
    assert {len(values) for values in shown["values"]} == {rows}
    own = {"target"}
    for column in shown["columns"]:
        assert column["description"] or column["name"] in own, column["name"]


def test_the_changes_are_those_of_the_last_day(lake) -> None:
    shown = of(lake)[0]["tables"]["changes"]
    at = {column["name"]: i for i, column in enumerate(shown["columns"])}
    assert set(shown["values"][at["target"]]) == {0}
    assert set(shown["values"][at["previous_complete_date"]]) == {str(DAYS[1])}


def test_a_table_that_is_too_long_is_cut_and_says_how_long_it_is(lake) -> None:
    whole, cut = (of(lake, bounds)[0]["tables"]["changes"] for bounds in (None, Bounds(rows=5)))
    assert cut["total"] == whole["total"] > 5
    assert cut["values"] == [values[:5] for values in whole["values"]]
    short = of(lake, Bounds(text_bytes=300))[0]["tables"]["changes"]
    assert short["total"] == whole["total"]
    assert 0 < len(short["values"][0]) < 10
