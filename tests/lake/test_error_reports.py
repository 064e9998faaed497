"""An unexpected error is one line for the user and a private report for whoever fixes it."""

from __future__ import annotations

import stat
from pathlib import Path

from pulltasks.lake import error_reports
from pulltasks.lake.error_reports import KEPT_REPORTS, reporter
from pulltasks.lake.lake import Lake


def test_reports_are_private_and_the_newest_are_kept(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    lake.prepare()
    for n in range(KEPT_REPORTS + 5):
        try:
            raise ValueError(n)
        except ValueError as error:
            reporter(lake)(error, f"step {n}")
    names = sorted(path.name for path in lake.errors.iterdir())
    assert names == [f"{n:06d}.txt" for n in range(6, KEPT_REPORTS + 6)]
    assert stat.S_IMODE(lake.errors.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in lake.errors.iterdir()} == {0o600}
    assert "at step 24" in (lake.errors / names[-1]).read_text()


def test_a_report_tells_causes_and_groups_and_ends_whatever_refers_to_itself(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    lake.prepare()
    cause, inner = ValueError("one"), KeyError("two")
    error = ExceptionGroup("three", [inner])
    error.__cause__, cause.__cause__ = cause, error
    line = reporter(lake)(error, "it")
    text = (lake.errors / "000001.txt").read_text()
    assert "unexpected ExceptionGroup" in line
    assert all(word in text for word in ("ValueError: one", "KeyError", "ExceptionGroup: three"))
    assert len(error_reports.masked_message(ValueError("x " * 10_000))) < 400
