"""What leaves the lake: raw files that are old enough, if nothing needs them, and a day that is forgotten."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pytest

from desk import SMALL_DAYS, Desk, copied
from history import contents
from pulltasks.errors import LakeError
from pulltasks.lake.compaction import compact_month
from pulltasks.run.order import compact, forget, rebuild, snapshot
from pulltasks.warehouse.read.published import open_published

DAYS = SMALL_DAYS[:3]
OCTOBER = DAYS[0].replace(day=1)


@pytest.fixture
def desk(three_days: Desk, tmp_path: Path) -> Desk:
    return copied(three_days, tmp_path)


def test_old_raw_files_go_when_asked_for_and_their_days_stay(desk: Desk) -> None:
    desk.extra = "[lake]\nkeep_raw_days = 1"
    _, gone, troubles = compact(desk.settings, date.max)
    assert (gone, troubles) == (DAYS[:2], [])
    assert desk.lake.raw_dates() == DAYS[2:]
    assert desk.lake.tidy_dates() == DAYS
    with pytest.raises(LakeError, match="existing ones are unchanged"):
        rebuild(desk.settings, DAYS[0], DAYS[1], desk.clock)
    result = rebuild(desk.settings, *DAYS[::2], desk.clock)
    assert (result.built_days, result.days_without_raw) == (tuple(DAYS[2:]), tuple(DAYS[:2]))


def test_raw_files_that_a_damaged_table_needs_are_kept(desk: Desk) -> None:
    for _ in range(2):
        compact(desk.settings, date.max)  # now the days' own files are gone
    desk.extra = "[lake]\nkeep_raw_days = 1"
    desk.lake.month_file("captures", OCTOBER).write_bytes(b"oops")
    _, gone, (trouble,) = compact(desk.settings, date.max)
    assert gone == []
    assert trouble.startswith(f"retained the raw archive of {DAYS[0]} to {DAYS[1]}: tables of these days are damaged")
    assert rebuild(desk.settings, *DAYS[:2], desk.clock).damaged_days == ()
    assert desk.lake.raw_dates() == DAYS[2:]  # the rebuild was the first run that did not need them any more
    desk.lake.month_file("captures", OCTOBER).write_bytes(b"oops")
    with pytest.raises(LakeError, match="no raw archive"):
        rebuild(desk.settings, *DAYS[:2], desk.clock)


@pytest.mark.parametrize("is_closed", [False, True])
def test_a_forgotten_day_has_never_been(desk: Desk, two_days: Desk, is_closed: bool) -> None:
    lake, day = desk.lake, DAYS[2]
    if is_closed:
        with lake.lock():
            compact_month(lake, day.replace(day=1))
    raw = [path.relative_to(lake.root) for path in lake.raw_files(day)]
    found = forget(desk.settings, day, desk.clock)
    assert (found.newest, found.folder) == (DAYS[1], lake.forgotten / f"{day}-1")
    assert all((found.folder / path).is_file() for path in raw)
    assert found.folder.stat().st_mode & 0o777 == 0o700
    assert lake.raw_dates() == lake.tidy_dates() == DAYS[:2]
    assert contents(lake.published.resolve()) == contents(two_days.lake.published.resolve())
    assert snapshot(desk.settings, SMALL_DAYS[3], desk.clock, simulated=True).is_complete


def test_a_day_in_between_is_missing_once_it_is_forgotten(desk: Desk) -> None:
    forget(desk.settings, DAYS[1], desk.clock)
    with open_published(desk.lake) as connection:
        found = connection.execute(
            "select distinct coverage, verdict_reason from rpt_snapshot_coverage where snapshot_date = $1", [DAYS[1]]
        ).fetchall()
    assert found == [("missing", "no_run")]


def test_the_last_day_can_be_forgotten_as_well(desk: Desk) -> None:
    for day in DAYS:
        found = forget(desk.settings, day, desk.clock)
    assert (found.published, list(desk.lake.builds()), desk.lake.published.exists()) == (None, [], False)


def test_a_day_without_raw_files_is_forgotten_only_for_good(desk: Desk) -> None:
    day = DAYS[2]
    shutil.rmtree(desk.lake.targets_file(day).parent)
    with pytest.raises(LakeError, match="could never be rebuilt; add --for-good"):
        forget(desk.settings, day, desk.clock)
    assert day in desk.lake.tidy_dates()
    assert forget(desk.settings, day, desk.clock, for_good=True).newest == DAYS[1]
    with pytest.raises(LakeError, match="has nothing of this day"):
        forget(desk.settings, day, desk.clock)
