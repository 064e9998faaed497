"""What analysts call."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from desk import BEIJING, DAYS, SMALL_DAYS, Desk
from pulltasks import open_warehouse
from pulltasks.errors import NoWarehouse, UsageError
from pulltasks.sandbox.data import tasks_on
from pulltasks.warehouse.sql.models import load_models


def test_analysts_get_a_data_frame(desk: Desk, begin) -> None:
    begin(desk, DAYS[0])
    with open_warehouse(desk.lake.published) as warehouse:
        frame = warehouse.df("select coverage, count(*) as days from rpt_snapshot_coverage group by all")
    assert frame.to_dict("records") == [{"coverage": "complete", "days": 2}]


def test_analysts_ask_for_tables_days_and_changes(desk: Desk, begin) -> None:
    begin(desk, *DAYS[:2])
    with open_warehouse(desk.lake.published) as warehouse:
        tables = warehouse.tables()
        assert {"dim_pull_tasks", "rpt_expiring_tasks", "meta_build"} <= set(tables["name"])
        assert tables["description"].notna().all()
        yesterday = warehouse.as_of(DAYS[0])
        assert set(yesterday["task_id"]) == {
            task["task_id"] for place in desk.places for task in tasks_on(1, place, DAYS[0])
        }
        assert len(warehouse.as_of(str(DAYS[0]))) == len(yesterday)
        changes = warehouse.changes(DAYS[1])
        assert set(changes["snapshot_date"].dt.date) == {DAYS[1]}
        assert len(warehouse.changes(DAYS[1] + timedelta(days=1))) == 0
        assert warehouse.arrow("select * from dim_targets").num_rows == len(desk.places)


def test_without_pandas_all_but_data_frames_works(one_day: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("pandas", "numpy"):
        monkeypatch.setitem(sys.modules, name, None)  # as where neither is installed
    with open_warehouse(one_day.lake.published) as warehouse:
        assert warehouse.arrow("select 1 as one").to_pylist() == [{"one": 1}]
        assert warehouse.sql("select 1").fetchall() == [(1,)]
        for asked in (
            lambda: warehouse.df("select 1"),
            lambda: warehouse.as_of(SMALL_DAYS[0]),
            lambda: warehouse.changes(SMALL_DAYS[0]),
        ):
            with pytest.raises(UsageError, match=r"needs pandas: pip install 'pulltasks\[pandas\]'"):
                asked()


@pytest.mark.parametrize("name", ["none.duckdb", "."])
def test_a_path_without_a_file_says_so_and_what_to_give(tmp_path: Path, name: str) -> None:
    with pytest.raises(NoWarehouse, match="there is no such file; give the published file of a lake"):
        open_warehouse(tmp_path / name)


def test_a_lake_without_a_warehouse_says_what_to_do(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(desk.config_file.parent)
    with pytest.raises(NoWarehouse, match="run `pulltasks snapshot` first"):
        open_warehouse()


def test_macros_are_listed_with_their_argument_and_every_example_runs(three_days: Desk) -> None:
    with open_warehouse(three_days.lake.published) as warehouse:
        listed = warehouse.tables().set_index("name")
        macros = {model.name for model in load_models().in_order if model.arguments}
        assert set(listed.index[listed["arguments"].notna()]) == macros
        assert listed["arguments"]["tasks_scheduled_at"] == "at_time"
        assert set(listed.index[listed["example"].isna()]) == {"meta_build", "meta_inputs", "meta_runs"}
        for example in listed["example"].dropna():
            assert warehouse.sql(example).columns


def test_an_open_warehouse_shows_its_days_and_how_to_go_on(three_days: Desk) -> None:
    with open_warehouse(three_days.lake.published) as warehouse:
        running = warehouse.connection.execute("select range from range(3)")
        assert repr(warehouse) == (
            f"<Warehouse of {SMALL_DAYS[0]} to {SMALL_DAYS[2]}: tables() lists what there is; sql(), df() and arrow() "
            "query it>"
        )
        assert running.fetchall() == [(0,), (1,), (2,)]
    assert repr(warehouse) == "<Warehouse, closed>"


def test_a_relation_can_be_asked_further(three_days: Desk) -> None:
    with open_warehouse(three_days.lake.published) as warehouse:
        tasks = warehouse.sql("from pull_tasks where region = $region", {"region": BEIJING.region})
        ((count,),) = tasks.filter("not has_backup").aggregate("count(*)").fetchall()
        assert count == len(warehouse.df(f"from pull_tasks where region = '{BEIJING.region}' and not has_backup")) > 0


def test_sums_come_as_whole_numbers_whatever_their_columns_are_called(three_days: Desk) -> None:
    sums = (
        'select target_name, sum(task_count), sum(task_count) as n, sum(0) as n, sum(1) as "a ""b""" '
        "from fct_daily_task_counts group by all order by target_name desc"
    )
    with open_warehouse(three_days.lake.published) as warehouse:
        frame, table = warehouse.df(sums), warehouse.arrow(sums)
        expected = warehouse.connection.execute(sums).fetchall()
    assert [str(kind) for kind in frame.dtypes[1:]] == ["int64"] * 4
    assert [str(kind) for kind in table.schema.types[1:]] == ["int64"] * 4
    assert [tuple(row) for row in frame.itertuples(index=False, name=None)] == expected
    assert frame.columns[-1] == 'a "b"'


def test_a_sum_that_no_whole_number_of_pandas_holds_is_an_error_and_not_a_wrong_number(three_days: Desk) -> None:
    with open_warehouse(three_days.lake.published) as warehouse, pytest.raises(duckdb.ConversionException):
        warehouse.df("select sum(9223372036854775807) from range(2)")
