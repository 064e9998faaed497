"""How files get into a lake: whole or not at all, and never under a path that is a pattern."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from desk import Desk
from pulltasks.errors import ConfigError
from pulltasks.lake.lake import Lake
from pulltasks.run.order import snapshot

DAYS = (date(2026, 10, 31), date(2026, 11, 1))

REFUSED = ["lake[1]", "a*b", "a?b", "back\\slash", "]"]


def run(desk: Desk, day: date):
    return snapshot(desk.settings, day, desk.clock, simulated=True)


@pytest.mark.parametrize("name", REFUSED)
def test_a_path_that_would_be_read_as_a_pattern_is_refused_before_anything_is_written(desk: Desk, name: str) -> None:
    folder = desk.folder / name
    folder.mkdir()
    with pytest.raises(ConfigError, match="which the database reads as a pattern"):
        run(replace(desk, folder=folder), DAYS[0])
    assert [path.name for path in folder.iterdir()] == ["pulltasks.toml"]


def test_so_is_one_behind_a_link(desk: Desk) -> None:
    (desk.folder / "lake*").mkdir()
    (desk.folder / "lake").symlink_to("lake*")
    with pytest.raises(ConfigError, match="pattern"):
        run(desk, DAYS[0])


def test_a_lake_that_is_only_read_is_never_judged_by_its_name(tmp_path: Path) -> None:
    assert Lake(tmp_path / "a*b").raw_dates() == []


def test_modes_keep_the_private_private(three_days: Desk) -> None:
    lake = three_days.lake
    for path in lake.root.rglob("*"):
        is_public = path.is_relative_to(lake.warehouse)
        expected = (0o755 if is_public else 0o700) if path.is_dir() else (0o644 if is_public else 0o600)
        assert path.is_symlink() or path.stat().st_mode & 0o777 == expected, path
