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
from pulltasks.lake.manifests import CHEAP_BYTES, read_manifest, stale_dates
from pulltasks.lake.raw import read_capture
from pulltasks.run.order import snapshot
from pulltasks.warehouse.build.plan import plan_build
from pulltasks.warehouse.sql.models import load_models
from raw_files import rewritten

DAYS = SMALL_DAYS[:3]
TARGETS = [(BEIJING.project_id, BEIJING.region), (SINGAPORE.project_id, SINGAPORE.region)]


@pytest.fixture
def desk(three_days: Desk, tmp_path: Path) -> Desk:
    return copied(three_days, tmp_path)


@pytest.fixture(params=[0, CHEAP_BYTES], ids=["by first line", "by hash"], autouse=True)
def _either_way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Raw files are compared by their first lines, or by their hashes where they are small: with the same result."""
    monkeypatch.setattr("pulltasks.lake.manifests.CHEAP_BYTES", request.param)


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


@pytest.mark.parametrize("damage", ["truncated", "unreadable"])
def test_a_raw_file_that_is_damaged_after_its_day_was_made_makes_no_day_stale(lake: Lake, damage: str) -> None:
    raw = lake.raw_file(DAYS[1], *TARGETS[0])
    content = raw.read_bytes()
    raw.unlink()
    if damage == "truncated":
        raw.write_bytes(content[:20])
    else:
        raw.mkdir()
    assert stale_dates(lake) == []


def test_small_raw_files_that_the_manifest_names_are_hashed_and_not_decompressed(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pulltasks.lake.manifests.CHEAP_BYTES", CHEAP_BYTES)
    monkeypatch.setattr("pulltasks.lake.strays.read_header", lambda path: pytest.fail(f"{path} was opened"))
    assert stale_dates(lake) == []


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
