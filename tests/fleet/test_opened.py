"""An open fleet shows the version that it was opened on, whatever is published meanwhile."""

from __future__ import annotations

import shutil
from datetime import date, timedelta
from pathlib import Path

import pytest

from pulltasks import open_fleet
from pulltasks.lake.lake import Lake
from three_lakes import EAST, archived, days_from

DAYS = days_from(date(2026, 11, 2), 3)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return archived(tmp_path_factory.mktemp("made") / "east" / "lake", EAST, DAYS)


@pytest.fixture
def lake(made: Lake, tmp_path: Path) -> Lake:
    shutil.copytree(made.root, tmp_path / "east" / "lake", symlinks=True)
    return type(made)(tmp_path / "east" / "lake")


def test_an_open_fleet_shows_the_version_that_it_was_opened_on(lake: Lake) -> None:
    with open_fleet(lake.root) as fleet:
        before = fleet.df("from rpt_snapshot_coverage order by all")
        archived(lake.root, EAST, [DAYS[-1] + timedelta(days=1)])
        assert fleet.df("from rpt_snapshot_coverage order by all").equals(before)
