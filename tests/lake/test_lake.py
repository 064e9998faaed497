"""What is in a lake; what somebody else put there is left alone."""

from __future__ import annotations

from datetime import date

import pytest

from desk import BEIJING, Desk
from pulltasks.run.order import snapshot

DAYS = (date(2026, 10, 31), date(2026, 11, 1))


@pytest.fixture
def desk(small_desk: Desk) -> Desk:
    return small_desk


def run(desk: Desk, day: date):
    return snapshot(desk.settings, day, desk.clock, simulated=True)


NO_DAYS = ["snapshot_date=20261119", "snapshot_date=2026-11-19", "snapshot_date=2026-W47-4", "snapshot_date=", "x"]

STRAYS = ["._{file}", "copy of {file}", "cn-north-4 (1).ndjson.zst", "cn-north-4.old.ndjson.zst"]


def test_strays_beside_raw_files_and_folders_that_hold_no_day_are_left_alone(desk: Desk) -> None:
    run(desk, DAYS[0])
    raw = desk.lake.raw_file(DAYS[0], BEIJING.project_id, BEIJING.region)
    strays = [*(raw.with_name(name.format(file=raw.name)) for name in STRAYS), raw.parent.with_name("._x") / raw.name]
    for number, stray in enumerate(strays):
        stray.parent.mkdir(exist_ok=True)
        stray.write_bytes(b"oops" if number % 2 else raw.read_bytes())
    for name in NO_DAYS:
        (desk.lake.raw / name).mkdir()
    before = [stray.read_bytes() for stray in strays]
    result = run(desk, DAYS[1])
    assert (result.damaged_days, result.is_complete) == ((), True)
    assert [stray.read_bytes() for stray in strays] == before
    assert len(desk.lake.raw_files(DAYS[0])) == 2
    assert desk.lake.raw_dates() == list(DAYS)
