"""Killed at any moment: the warehouse opens and shows the state before or after, and the next run repairs."""

from __future__ import annotations

import random
import shutil
import signal
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pytest

import crash
from children import PROCESSES, in_child
from desk import BEIJING, SINGAPORE, Desk, write_config
from pulltasks.lake.lake import Lake
from pulltasks.lake.manifests import stale_dates
from pulltasks.sandbox.server import Sandbox, serving

BEFORE, AFTER = date(2026, 11, 21), date(2026, 11, 22)
PARTS = 6  # so that two workers share the work


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A server, and a lake on which one day is published."""
    folder = tmp_path_factory.mktemp("prepared")
    sandbox = Sandbox((replace(BEIJING, task_count=6), replace(SINGAPORE, task_count=3)))
    with serving(sandbox) as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HUAWEICLOUD_SDK_AK", sandbox.accounts.access_keys[0].ak)
        patch.setenv("HUAWEICLOUD_SDK_SK", sandbox.accounts.access_keys[0].sk)
        desk = Desk(sandbox, url, folder, sandbox.places)
        desk.run(BEFORE)
        yield desk


def copy_of(prepared: Desk, folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(prepared.folder / "lake", folder / "lake", symlinks=True)
    return write_config(folder, prepared.url, *prepared.places)


def seen(lake: Lake) -> tuple[date, frozenset[tuple]]:
    with duckdb.connect(str(lake.published.resolve()), read_only=True) as connection:
        ((through,),) = connection.sql("select through_date from meta_build").fetchall()
        tasks = connection.sql("select task_id, content_hash, is_current, state_date from dim_pull_tasks").fetchall()
    return through, frozenset(tasks)


@pytest.fixture(scope="module")
def states(prepared, tmp_path_factory):
    """What the lake shows before and after an undisturbed run, and how many events that run has."""
    folder = tmp_path_factory.mktemp("undisturbed")
    config_file = copy_of(prepared, folder / "work")
    before = seen(Lake(folder / "work" / "lake"))
    assert in_child(crash.run_and_die, config_file, AFTER, None, folder / "events") == 0
    after = seen(Lake(folder / "work" / "lake"))
    assert (before[0], after[0]) == (BEFORE, AFTER)
    events, *in_place = (folder / "events").read_text().splitlines()
    assert in_place == []  # every file is finished elsewhere and moved into its place
    return before, after, int(events)


def check_killed_at(nth: int, prepared: Desk, states, folder: Path, *, run_again: bool) -> None:
    before, after, _ = states
    config_file = copy_of(prepared, folder)
    assert in_child(crash.run_and_die, config_file, AFTER, nth) == -signal.SIGKILL, nth
    lake = Lake(folder / "lake")
    assert seen(lake) in (before, after), nth
    if run_again:
        assert in_child(crash.run_for, config_file, AFTER) == 0, nth
        assert seen(lake) == after, nth
        assert stale_dates(lake) == []
        assert list((lake.root / ".unfinished").iterdir()) == []


@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.slow) for part in range(1, PARTS))])
def test_killed_before_each_write_rename_and_sync(prepared, states, tmp_path: Path, part: int) -> None:
    """Every event is tried; the run after it, which costs as much again, at every fourth."""
    events = states[2]
    assert events > 60
    for nth in range(1 + part, events + 1, PARTS):
        check_killed_at(nth, prepared, states, tmp_path / "work", run_again=nth % 4 == 0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(20))
def test_killed_at_a_random_moment(prepared, states, tmp_path: Path, seed: int) -> None:
    before, after, _ = states
    config_file = copy_of(prepared, tmp_path / "work")
    process = PROCESSES.Process(target=crash.run_for, args=(config_file, AFTER))
    process.start()
    process.join(timeout=random.Random(seed).uniform(0, 1.5))
    process.kill()
    process.join()
    lake = Lake(tmp_path / "work" / "lake")
    assert seen(lake) in (before, after)
    assert in_child(crash.run_for, config_file, AFTER) == 0
    assert seen(lake) == after
