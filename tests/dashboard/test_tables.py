"""A table of the page has the rows of its model, the most important first, as many as the bounds allow."""

from __future__ import annotations

from datetime import date, timedelta

import duckdb
import pytest

from desk import BEIJING, SINGAPORE, Desk
from pulltasks.dashboard.bounds import Bounds
from pulltasks.dashboard.contents import read_contents
from pulltasks.dashboard.tables import TABLES
from pulltasks.sandbox.accounts import AccessKey
from pulltasks.sandbox.server import Sandbox, serving
from pulltasks.settings import Limits
from pulltasks.warehouse.read.published import open_published

DAY = date(2026, 11, 22)
LIMITS = Limits(lake=timedelta(hours=26), target=timedelta(hours=50))
DAYS = [DAY - timedelta(days=n) for n in (2, 1, 0)]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory):
    """Three days, only to be read; Singapore is refused on the last, and not read to the end on the one before."""
    sandbox = Sandbox((BEIJING, SINGAPORE))
    sandbox.faults |= {(SINGAPORE.project_id, DAYS[1]): "short_page", (SINGAPORE.project_id, DAY): "forbidden"}
    with serving(sandbox) as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HUAWEICLOUD_SDK_AK", AccessKey().ak)
        patch.setenv("HUAWEICLOUD_SDK_SK", AccessKey().sk)
        desk = Desk(sandbox, url, tmp_path_factory.mktemp("lake"), sandbox.places)
        for day in DAYS:
            desk.run(day)
        yield desk.lake


def of(lake, bounds: Bounds | None = None) -> tuple[dict, duckdb.DuckDBPyConnection]:
    connection = open_published(lake)
    return read_contents(connection, "UTC", LIMITS, bounds=bounds), connection


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
