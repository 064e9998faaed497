"""Made-up days in a raw archive read like captured ones, and are the same for the same seed."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from desk import BEIJING, SINGAPORE
from pulltasks.lake.lake import Lake
from pulltasks.lake.raw import read_capture
from pulltasks.sandbox.archive import write_archive
from pulltasks.sandbox.data import tasks_on

DAYS = [date(2026, 1, 1) + timedelta(days=n) for n in range(60)]


def archive(folder: Path, seed: int) -> Lake:
    lake = Lake(folder)
    lake.prepare()
    with lake.lock():
        assert write_archive(lake, (BEIJING, SINGAPORE), DAYS, seed) == lake.raw_dates()
    return lake


def test_it_holds_what_the_sandbox_lists_with_gaps_and_failures(tmp_path: Path) -> None:
    lake, same = (archive(tmp_path / name, 1) for name in ("one", "same"))
    assert 0 < len(lake.raw_dates()) < len(DAYS)
    verdicts = set()
    for day in lake.raw_dates():
        for place in (BEIJING, SINGAPORE):
            path = lake.raw_file(day, place.project_id, place.region)
            assert path.read_bytes() == same.raw_file(day, place.project_id, place.region).read_bytes()
            verdict = read_capture(path).verdict
            verdicts.add(verdict.verdict)
            assert verdict.task_count == len(tasks_on(1, place, day)) or verdict.verdict != "complete"
    assert verdicts == {"complete", "incomplete", "failed"}
