"""Manifests and tables that cannot be used are written again of what is left, else their day is left out and named."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from desk import SMALL_DAYS, Desk, copied
from history import contents, coverage
from pulltasks.lake.audit import repair_manifests
from pulltasks.lake.compaction import compact_month, open_month
from pulltasks.lake.lake import Lake
from pulltasks.lake.manifests import read_manifest
from pulltasks.run.order import snapshot
from raw_files import copy

DAYS = SMALL_DAYS[:3]


@pytest.fixture
def desk(three_days: Desk, tmp_path: Path) -> Desk:
    """Three days with files of their own, also those of the closed month."""
    desk = replace(copied(three_days, tmp_path), extra="[lake]\nkeep_daily_months = 1\n")
    with desk.lake.lock():
        open_month(desk.lake, DAYS[0].replace(day=1))
    return desk


@pytest.mark.parametrize("is_closed", [False, True])
def test_without_raw_files_it_is_written_again_from_the_files_it_named(desk: Desk, lake: Lake, is_closed: bool) -> None:
    before = contents(lake.published.resolve())
    if is_closed:
        with lake.lock():
            compact_month(lake, DAYS[0].replace(day=1))
    lake.manifest_file(DAYS[1]).write_bytes(b"oops")
    shutil.rmtree(lake.targets_file(DAYS[1]).parent)
    result = snapshot(desk.settings, DAYS[2], desk.clock, simulated=True)
    assert (result.damaged_days, result.is_complete) == ((), True)
    assert any("it was written again from the day's files" in text for text in result.surprises)
    after = contents(lake.published.resolve())
    assert {name for name in after if after[name] != before[name]} <= {"meta_inputs"}


def test_a_months_manifest_is_written_again_from_the_months_files(desk: Desk, lake: Lake) -> None:
    before, month = contents(lake.published.resolve()), DAYS[0].replace(day=1)
    with lake.lock():
        compact_month(lake, month)
    for _ in range(2):
        snapshot(desk.settings, DAYS[2], desk.clock, simulated=True)  # now the days' own files are gone
    content = lake.month_manifest_file(month).read_bytes()
    lake.month_manifest_file(month).write_bytes(content[:100])
    result = snapshot(desk.settings, DAYS[2], desk.clock, simulated=True)
    assert any("it was written again from the month's files" in text for text in result.surprises)
    assert lake.month_manifest_file(month).read_bytes() == content
    assert contents(lake.published.resolve()) == before


def test_a_day_that_cannot_be_used_is_left_out_and_named_and_the_others_are_published(desk: Desk, lake: Lake) -> None:
    lake.tidy_file("pull_tasks", DAYS[1]).write_bytes(b"oops")
    shutil.rmtree(lake.targets_file(DAYS[1]).parent)
    for build in lake.builds():
        build.unlink()
    for base in lake.bases().values():
        base.unlink()
    result = snapshot(desk.settings, DAYS[2], desk.clock, simulated=True)
    assert not result.is_complete
    (trouble,) = result.damaged_days
    assert trouble.startswith(f"{DAYS[1]}: left out, its tables cannot be used")
    found = contents(lake.published.resolve())["fct_target_days"]
    assert {row[0] for row in found if "missing" in row} == {DAYS[1]}
    assert {row[0] for row in found if "complete" in row} == {*DAYS} - {DAYS[1]}


def test_a_damaged_table_is_made_again_from_its_raw_files(desk: Desk, lake: Lake) -> None:
    before = contents(lake.published.resolve())
    for table in ("pull_tasks", "captures"):
        lake.tidy_file(table, DAYS[1]).write_bytes(b"oops")
    for build in (*lake.builds(), *lake.bases().values()):
        build.unlink()
    result = snapshot(desk.settings, DAYS[2], desk.clock, simulated=True)
    assert (result.built_days, result.damaged_days) == ((DAYS[1],), ())
    assert contents(lake.published.resolve()) == before


EMPTY = date(2026, 10, 15)  # a day without any file of its own


def test_tables_of_another_day_are_not_taken_for_those_of_a_day_whose_manifest_is_gone(desk: Desk, lake: Lake) -> None:
    """A restore that brings a day's tables and manifest to the place of another one brings no day."""
    for table in read_manifest(lake.manifest_file(DAYS[0])).tables:
        copy(lake.tidy_file(table, DAYS[0]), lake.tidy_file(table, EMPTY))
    copy(lake.manifest_file(DAYS[0]), lake.manifest_file(EMPTY))
    with lake.lock():
        assert repair_manifests(lake) == []
    result = snapshot(desk.settings, DAYS[2], desk.clock, simulated=True)
    assert any(str(EMPTY) in text and "another day or month" in text for text in result.damaged_days)
    assert coverage(lake, EMPTY) == {}
