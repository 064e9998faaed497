"""What analysts call."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from desk import DAYS, Desk
from pulltasks import open_warehouse
from pulltasks.errors import NoWarehouse
from pulltasks.sandbox.data import tasks_on


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


def test_a_lake_without_a_warehouse_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NoWarehouse, match="run `pulltasks snapshot` first"):
        open_warehouse(tmp_path / "none.duckdb")
