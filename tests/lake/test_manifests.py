"""What decides is what stands in files, never when they were written."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from desk import BEIJING, SINGAPORE, SMALL_DAYS, Desk, copied
from history import contents
from pulltasks.lake.compaction import compact_month
from pulltasks.lake.files import sha256_of
from pulltasks.lake.lake import Lake
from pulltasks.lake.manifests import read_manifest, stale_dates
from pulltasks.lake.raw import read_capture
from pulltasks.run.order import snapshot
from pulltasks.warehouse.build.plan import plan_build
from pulltasks.warehouse.sql.models import load_models
from raw_files import rewritten

DAYS = SMALL_DAYS[:3]
TARGETS = [(BEIJING.project_id, BEIJING.region), (SINGAPORE.project_id, SINGAPORE.region)]


@pytest.fixture(scope="module")
def prepared(made_once):
    with made_once(*DAYS) as desk:
        yield desk


@pytest.fixture
def desk(prepared: Desk, tmp_path: Path) -> Desk:
    return copied(prepared, tmp_path)


@pytest.fixture
def lake(desk: Desk) -> Lake:
    return desk.lake


def scramble_times(root: Path, dice: random.Random) -> None:
    for path in [root, *root.rglob("*")]:
        moment = dice.randrange(1_000_000_000)
        os.utime(path, (moment, moment), follow_symlinks=False)


def test_a_manifest_names_the_captures_and_the_target_list_it_was_made_of(lake: Lake) -> None:
    sources = read_manifest(lake.manifest_file(DAYS[0])).sources
    assert sources.targets_sha256 == sha256_of(lake.targets_file(DAYS[0]))
    assert [source.key for source in sources.captures] == TARGETS
    for source in sources.captures:
        raw = lake.raw_file(DAYS[0], *source.key)
        assert (source.capture_id, source.sha256) == (read_capture(raw).capture.capture_id, sha256_of(raw))


@pytest.mark.parametrize("seed", range(3))
def test_copied_or_restored_with_any_times_a_lake_is_as_it_was(
    desk: Desk, lake: Lake, tmp_path: Path, seed: int
) -> None:
    before = contents(lake.published.resolve())
    with lake.lock():
        compact_month(lake, DAYS[0].replace(day=1))
    copied = tmp_path / "copied" / "lake"
    shutil.copytree(lake.root, copied, symlinks=True)
    scramble_times(copied, random.Random(seed))
    there = Lake(copied)
    assert stale_dates(there) == []
    assert [path.name for path in there.builds()] == [path.name for path in lake.builds()]
    plan = plan_build(there, load_models(), desk.settings.warehouse)
    assert (plan.is_up_to_date, plan.base) == (True, there.published.resolve())
    desk.folder = tmp_path / "copied"
    result = snapshot(desk.settings, DAYS[2], desk.clock, simulated=True)
    assert (result.built_days, result.damaged_days, result.is_complete) == ((), (), True)
    assert contents(there.published.resolve()) == before
    assert there.compacted_months() == [DAYS[0].replace(day=1)]


def test_another_capture_makes_its_day_stale_whatever_its_time(lake: Lake) -> None:
    raw, other = (lake.raw_file(day, *TARGETS[0]) for day in DAYS[1:])
    rewritten(other, raw, day=DAYS[1])
    os.utime(raw, (0, 0))
    assert stale_dates(lake) == [DAYS[1]]


def test_a_capture_that_was_added_or_a_target_list_that_changed_makes_a_day_stale(lake: Lake) -> None:
    added = lake.raw_file(DAYS[1], "0" * 32, "cn-north-4")
    rewritten(lake.raw_file(DAYS[1], *TARGETS[0]), added, project_id="0" * 32)
    lake.targets_file(DAYS[2]).write_bytes(lake.targets_file(DAYS[2]).read_bytes() + b"\n")
    assert stale_dates(lake) == DAYS[1:]


def test_raw_files_that_are_gone_make_no_day_stale(lake: Lake) -> None:
    lake.raw_file(DAYS[1], *TARGETS[0]).unlink()
    lake.targets_file(DAYS[2]).unlink()
    assert stale_dates(lake) == []


@pytest.mark.parametrize("content", [b"", b"oops", b"\xff\xfe", b"[" * 5000, b'{"snapshot_date": "2026-11-01"}'])
def test_a_manifest_that_cannot_be_read_is_as_good_as_a_missing_one(desk: Desk, lake: Lake, content: bytes) -> None:
    before, manifest = contents(lake.published.resolve()), lake.manifest_file(DAYS[1]).read_bytes()
    lake.manifest_file(DAYS[1]).write_bytes(content)
    assert stale_dates(lake) == [DAYS[1]]
    result = snapshot(desk.settings, DAYS[2], desk.clock, simulated=True)
    assert (result.built_days, result.damaged_days, result.is_complete) == ((DAYS[1],), (), True)
    assert lake.manifest_file(DAYS[1]).read_bytes() == manifest
    assert contents(lake.published.resolve()) == before


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
