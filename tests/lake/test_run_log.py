"""The log of runs: every run stands in it for 90 days, and what became of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from desk import SMALL_DAYS, Desk, copied
from pulltasks.errors import LakeBusy
from pulltasks.lake.lake import Lake
from pulltasks.lake.run_log import RunLine, add_run, read_runs
from pulltasks.run.order import rebuild, snapshot
from pulltasks.run.steps import opened
from pulltasks.warehouse.read.published import open_published

if TYPE_CHECKING:
    from pathlib import Path

DAYS = SMALL_DAYS[:2]


def line(ended_at: datetime, **fields) -> RunLine:
    return RunLine(
        run_id="1",
        verb="snapshot",
        outcome="complete",
        began_at=ended_at,
        ended_at=ended_at,
        software_version="0",
        **fields,
    )


def test_every_run_is_logged_and_the_next_build_shows_it(one_day: Desk, tmp_path: Path) -> None:
    desk = copied(one_day, tmp_path)
    desk.sandbox.faults[desk.places[1].project_id, DAYS[1]] = "forbidden"
    snapshot(desk.settings, DAYS[1], desk.clock, simulated=True)
    rebuild(desk.settings, DAYS[0], DAYS[0], desk.clock)
    runs = read_runs(desk.lake)
    assert [(run.verb, run.outcome, run.snapshot_date) for run in runs] == [
        ("snapshot", "complete", DAYS[0]),
        ("snapshot", "not_complete", DAYS[1]),
        ("rebuild", "not_complete", DAYS[1]),
    ]
    assert [(run.targets_complete, run.targets_expected, run.targets_asked) for run in runs] == [
        (2, 2, 2), (1, 2, 2), (1, 2, 0),
    ]  # fmt: skip
    assert runs[0].requests > 0
    with open_published(desk.lake) as published:
        shown = published.sql("select run_id, outcome, requests, began_at, ended_at from meta_runs").fetchall()
    assert shown[0][:3] == (runs[0].run_id, "complete", runs[0].requests)
    assert shown[0][3] <= shown[0][4]


def test_a_run_that_ends_in_an_error_is_logged_as_failed(one_day: Desk, tmp_path: Path) -> None:
    desk = copied(one_day, tmp_path)
    with pytest.raises(OSError, match="broken"), opened(desk.settings, desk.clock, "snapshot"):
        raise OSError("broken")
    assert [(run.outcome, run.error) for run in read_runs(desk.lake)] == [("complete", None), ("failed", "OSError")]


def test_a_run_that_is_kept_out_by_another_writes_nothing(one_day: Desk, tmp_path: Path) -> None:
    desk = copied(one_day, tmp_path)
    with desk.lake.lock(), pytest.raises(LakeBusy), opened(desk.settings, desk.clock, "snapshot"):
        pass
    assert len(read_runs(desk.lake)) == 1


def test_a_run_stands_for_90_days(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    lake.prepare()
    now = datetime(2026, 11, 20, tzinfo=UTC)
    for age in (91, 90, 0):
        add_run(lake, line(now - timedelta(days=age)))
    assert [(now - run.ended_at).days for run in read_runs(lake)] == [90, 0]


def test_a_damaged_line_takes_no_other_with_it(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    lake.prepare()
    now = datetime(2026, 11, 20, tzinfo=UTC)
    add_run(lake, line(now))
    lake.run_log.write_bytes(b"\xff{\n" + lake.run_log.read_bytes() + b'{"run_id": 1}\n')
    add_run(lake, line(now + timedelta(hours=1)))
    assert [run.ended_at for run in read_runs(lake)] == [now, now + timedelta(hours=1)]


def test_a_log_that_cannot_be_written_is_a_warning(one_day: Desk, tmp_path: Path) -> None:
    desk = copied(one_day, tmp_path)
    desk.lake.run_log.unlink()
    desk.lake.run_log.mkdir()
    with pytest.warns(UserWarning, match="runs.ndjson: cannot be written"):
        snapshot(desk.settings, DAYS[1], desk.clock, simulated=True)
    with open_published(desk.lake) as published:
        assert published.sql("select through_date from meta_build").fetchall() == [(DAYS[1],)]
