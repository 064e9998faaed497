"""The zone that a day was captured under is found in what is left of the day, and the day begins by it."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from desk import SMALL_DAYS, Desk, copied
from pulltasks.lake.lake import Lake
from pulltasks.lake.zones import has_begun, zone_of

DAY = SMALL_DAYS[0]
MIDNIGHT = datetime(DAY.year, DAY.month, DAY.day, tzinfo=UTC)


@pytest.fixture
def lake(one_day: Desk, tmp_path: Path) -> Lake:
    return copied(one_day, tmp_path).lake


@pytest.mark.parametrize("lost", ["nothing", "the list", "a damaged list", "all raw files", "the list and all tables"])
def test_it_is_found_in_what_is_left(lake: Lake, lost: str) -> None:
    if lost.startswith("the list"):
        lake.targets_file(DAY).unlink()
    if lost.endswith("all tables"):
        shutil.rmtree(lake.tidy)
    if lost == "a damaged list":
        lake.targets_file(DAY).write_bytes(b"oops")
    if lost == "all raw files":
        shutil.rmtree(lake.targets_file(DAY).parent)
    assert str(zone_of(lake, DAY)) == "UTC"
    assert not has_begun(lake, DAY, MIDNIGHT - timedelta(seconds=1))
    assert has_begun(lake, DAY, MIDNIGHT)


def test_where_nothing_known_is_left_nothing_is_said(lake: Lake) -> None:
    path = lake.targets_file(DAY)
    path.write_bytes(path.read_bytes().replace(b'"timezone":"UTC"', b'"timezone":"Mars/Base"'))
    assert (zone_of(lake, DAY), has_begun(lake, DAY, MIDNIGHT)) == (None, False)
    assert zone_of(lake, SMALL_DAYS[1]) is None
