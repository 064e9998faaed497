"""A path is a path, never a pattern; what somebody else put into the lake is left alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from desk import Desk
from history import contents
from pulltasks.lake.tidy import open_tidy
from pulltasks.run.order import compact, rebuild, snapshot

DAYS = (date(2026, 10, 31), date(2026, 11, 1))
WORKING = "it's {x} ~x 50% of a#b" + '频道 é\u0301;b"c&d=e,f$HOME-x(y)!:z'


@pytest.fixture
def desk(small_desk: Desk) -> Desk:
    return small_desk


def run(desk: Desk, day: date):
    return snapshot(desk.settings, day, desk.clock, simulated=True)


def test_a_lake_works_wherever_it_lies(desk: Desk) -> None:
    folder = desk.folder / WORKING
    folder.mkdir()
    there = replace(desk, folder=folder)
    for day in DAYS:
        assert run(there, day).is_complete
    compact(there.settings, date.max)
    assert rebuild(there.settings, *DAYS, there.clock).is_complete
    with open_tidy(there.lake) as connection:
        assert connection.sql("select count(distinct snapshot_date) from pull_tasks").fetchall() == [(2,)]
    assert contents(there.lake.published.resolve())["dim_pull_tasks"]
