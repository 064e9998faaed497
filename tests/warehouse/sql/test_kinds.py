"""Kinds of models: what becomes of the rows of a day, on days that are passed and on the last one."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import duckdb
import pytest

from pulltasks.lake.lake import Lake
from pulltasks.warehouse.build.checks import check_rows
from pulltasks.warehouse.build.day_builder import DayBuilder
from pulltasks.warehouse.build.plan import Plan
from pulltasks.warehouse.sql.kinds import KINDS, Model, ModelColumn, Moves

DAY = date(2026, 11, 16)
COLUMNS = (ModelColumn("k", "INTEGER", "A key."), ModelColumn("v", "VARCHAR", "A value."))


def model(kind: str, layer: str = "marts", sql: str = "select k, v from today", moves: Moves | None = None) -> Model:
    return Model(
        name="some", layer=layer, kind=KINDS[kind], description="", grain="", key=("k",), replace=("k",),
        arguments=(), columns=COLUMNS, checks=(), example=None, parts=None,
        moves=moves, sql=sql,
        depends_on=frozenset(), reads_before=frozenset(), sources=frozenset(),
    )  # fmt: skip


@pytest.fixture
def connection():
    with duckdb.connect() as connection:
        for catalog in ("staging", "before", "warehouse"):
            connection.execute(f"attach ':memory:' as {catalog}")
        connection.execute("create table before.main.some as select 1 as k, 'old' as v union all select null, 'old'")
        connection.execute("set search_path = 'warehouse.main,staging.main,before.main,memory.main'")
        connection.execute(
            "create table memory.main.today as select null::integer as k, 'new' as v union all select 2, 'new'"
        )
        yield connection


def builder(connection: duckdb.DuckDBPyConnection, *, adds_one_day: bool = False, starts_empty=False) -> DayBuilder:
    data = "" if adds_one_day else "with no data"  # the file is a copy of what was there before, or an empty one
    connection.execute(f"create table warehouse.main.some as from before.main.some {data}")
    if starts_empty:
        connection.execute("truncate before.main.some")
    days = (DAY,) if adds_one_day or starts_empty else (DAY, DAY)
    return DayBuilder(connection, Lake(Path("nowhere")), Plan(None if starts_empty else Path("base"), days, {}))


def rows(connection: duckdb.DuckDBPyConnection, place: str) -> list[tuple]:
    return sorted(connection.sql(f"from {place}").fetchall(), key=str)


BOTH = [(1, "old"), (2, "new"), (None, "new"), (None, "old")]
MERGED = [(1, "old"), (2, "new"), (None, "new")]


@pytest.mark.parametrize(("kind", "expected"), [("append", BOTH), ("merge", MERGED)])
def test_a_day_that_is_passed_goes_into_what_the_next_one_finds_before_it(connection, kind, expected) -> None:
    KINDS[kind].build_day(builder(connection), model(kind))
    assert rows(connection, "before.main.some") == expected


@pytest.mark.parametrize("adds_one_day", [False, True])
@pytest.mark.parametrize(("kind", "expected"), [("append", BOTH), ("merge", MERGED)])
def test_the_last_day_goes_into_the_file_whether_that_is_a_copy_or_new(
    connection, kind, expected, adds_one_day
) -> None:
    before = rows(connection, "before.main.some")
    built = KINDS[kind].build_last_day(builder(connection, adds_one_day=adds_one_day), model(kind))
    assert rows(connection, "warehouse.main.some") == expected
    assert built == (len(expected), 2)
    assert rows(connection, "before.main.some") == before


@pytest.mark.parametrize("kind", ["append", "merge"])
def test_a_first_day_goes_straight_into_the_file(connection, kind) -> None:
    assert KINDS[kind].build_last_day(builder(connection, starts_empty=True), model(kind)) == (2, 2)
    assert rows(connection, "warehouse.main.some") == [(2, "new"), (None, "new")]


@pytest.mark.parametrize("adds_one_day", [False, True])
def test_a_merge_moves_columns_of_rows_that_the_day_does_not_write(connection, adds_one_day) -> None:
    connection.execute("create table staging.main.stg_moved as select 1 as k, 'moved' as v union all select 7, 'no'")
    some = model("merge", moves=Moves(("v",), "stg_moved"))
    some.kind.build_last_day(builder(connection, adds_one_day=adds_one_day), some)
    assert rows(connection, "warehouse.main.some") == [(1, "moved"), (2, "new"), (None, "new")]


@pytest.mark.parametrize("adds_one_day", [False, True])
@pytest.mark.parametrize(("kind", "broken"), [("append", 1), ("merge", 0)])
def test_a_row_of_an_earlier_key_is_an_error_where_rows_are_only_added(connection, kind, broken, adds_one_day) -> None:
    some = model(kind)
    some.kind.build_last_day(builder(connection, adds_one_day=adds_one_day), some)
    place, held = some.kind.unchecked(some, adds_one_day=adds_one_day)
    assert [result.failed_rows for result in check_rows(connection, some, place, held)] == [broken]


@pytest.mark.parametrize("kind", ["table", "view", "macro"])
def test_what_is_made_at_the_end_leaves_no_trace_of_a_day_that_is_passed(connection, kind) -> None:
    KINDS[kind].build_day(builder(connection), model(kind))
    assert rows(connection, "warehouse.main.some") == []


def test_staging_is_made_afresh_for_each_day(connection) -> None:
    day_builder = builder(connection)
    for _ in range(2):
        assert KINDS["staging"].build_day(day_builder, model("staging")) is None
        assert rows(connection, "staging.main.some") == [(2, "new"), (None, "new")]


def test_a_view_is_looked_at_in_reports_only(connection) -> None:
    there = builder(connection, adds_one_day=True)
    assert KINDS["view"].build_last_day(there, model("view", "reports")) == (2, 2)
    assert KINDS["view"].build_last_day(there, model("view", "marts")) == (0, 0)
    assert (model("view", "reports").is_checked, model("view", "marts").is_checked) == (True, False)


def test_only_staging_is_not_published_and_only_macros_are_called() -> None:
    assert [name for name, kind in KINDS.items() if not kind.is_published] == ["staging"]
    assert [name for name, kind in KINDS.items() if kind.takes_arguments] == ["macro"]
