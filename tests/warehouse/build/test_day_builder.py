"""Rows of the same content are taken over from the day before, and nothing differs from making them again."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import pytest

from desk import BEIJING, NAMES, SINGAPORE, Desk
from history import contents
from pulltasks.lake.manifests import read_manifest
from pulltasks.sandbox.server import FAULTS, Sandbox, serving
from pulltasks.warehouse.build import day_builder
from pulltasks.warehouse.build.day_builder import DayBuilder

if TYPE_CHECKING:
    from pathlib import Path

FIRST = date(2026, 9, 1)
# What a target's day may be beside good.
TROUBLES = [fault for fault in FAULTS if fault in {"forbidden", "short_page", "churn", "page_index", "lost"}]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(NAMES, BEIJING.project_id, NAMES[BEIJING.project_id])
    sandbox = Sandbox((replace(BEIJING, task_count=40), replace(SINGAPORE, task_count=20, pace=3)))
    with serving(sandbox) as url:
        yield Desk(sandbox, url, tmp_path, sandbox.places)


def made(desk: Desk, counted: list[int] | None = None, *, takes_over: bool) -> dict[str, list[tuple]]:
    """All that a build of every day from nothing holds; `counted` gets the rows that were masked, day by day."""
    for path in (*desk.lake.warehouse.glob("*.duckdb"), *desk.lake.bases().values()):
        path.unlink()
    with pytest.MonkeyPatch.context() as patch:
        if not takes_over:
            patch.setattr(DayBuilder, "_same_schema_since", lambda *_: None)
        make = DayBuilder.make

        def counting(builder, model, place):
            rows = make(builder, model, place)
            if counted is not None and model.name == "stg_pull_tasks":
                counted.append(rows)
            return rows

        patch.setattr(DayBuilder, "make", counting)
        return contents(desk.build())


def days_with_troubles(desk: Desk, first: int, last: int) -> None:
    for n in range(first, last):
        dice = random.Random(n)
        day = FIRST + timedelta(days=n)
        if dice.random() < 0.1:
            continue  # a day without a run
        first, *others = desk.sandbox.places
        desk.places = (first, *(place for place in others if dice.random() < 0.9))
        NAMES[first.project_id] = dice.choice(["a name", "a name", "another"])
        for place in desk.places:
            if dice.random() < 0.2:
                desk.sandbox.faults[place.project_id, day] = dice.choice(TROUBLES)
        desk.capture(day)


@pytest.mark.parametrize("count", [4, pytest.param(60, marks=pytest.mark.slow)])
def test_the_fast_way_and_the_slow_way_hold_the_same(desk: Desk, count: int) -> None:
    days_with_troubles(desk, 0, count)
    fast_masked: list[int] = []
    slow_masked: list[int] = []
    assert made(desk, fast_masked, takes_over=True) == made(desk, slow_masked, takes_over=False)
    assert sum(fast_masked) < sum(slow_masked) / 2


@pytest.mark.parametrize("count", [4, pytest.param(60, marks=pytest.mark.slow)])
def test_built_day_by_day_it_holds_what_a_build_from_nothing_holds(desk: Desk, count: int) -> None:
    for n in range(count):
        days_with_troubles(desk, n, n + 1)
        daily = contents(desk.build())
    assert daily == made(desk, takes_over=False)


def test_a_day_writes_the_rows_that_changed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(3):
        desk.run(FIRST + timedelta(days=n))
    desk.capture(FIRST + timedelta(days=3))
    written: dict[str, int] = {}
    make = DayBuilder.make

    def counting(builder, model, place):
        written[model.name] = make(builder, model, place)
        return written[model.name]

    monkeypatch.setattr(DayBuilder, "make", counting)
    desk.build()
    assert 0 < written["dim_pull_tasks"] < 30  # of sixty
    assert written["stg_moved_tasks"] > 30


def test_a_day_masks_what_changed(desk: Desk) -> None:
    for n in range(3):
        desk.capture(FIRST + timedelta(days=n))
    masked: list[int] = []
    made(desk, masked, takes_over=True)
    assert masked[0] > 50
    assert all(0 < rows < 30 for rows in masked[1:])  # of sixty


@pytest.mark.parametrize(("bound", "most"), [("TASKS_PER_PART", 30), ("TEXT_PER_PART", 5_000)])
def test_in_parts_it_holds_the_same(desk: Desk, monkeypatch: pytest.MonkeyPatch, bound: str, most: int) -> None:
    for n in range(3):
        desk.capture(FIRST + timedelta(days=n))
    whole = made(desk, takes_over=True)
    shown: list[object] = []
    for name in ("_show", "_show_part"):
        show = getattr(DayBuilder, name)
        monkeypatch.setattr(DayBuilder, name, lambda self, *given, show=show: (shown.extend(given), show(self, *given)))
    monkeypatch.setattr(day_builder, bound, most)
    assert made(desk, takes_over=True) == whole
    assert len({*shown} - {"true"}) > 1


def test_nothing_is_taken_over_from_a_day_of_another_schema(desk: Desk) -> None:
    for n in range(4):
        desk.capture(FIRST + timedelta(days=n))
    desk.build()
    for n in range(2):
        path = desk.lake.manifest_file(FIRST + timedelta(days=n))
        earlier = msgspec.structs.replace(read_manifest(path), schema_version=3)
        path.write_bytes(msgspec.json.encode(earlier))
    masked: list[int] = []
    fast = made(desk, masked, takes_over=True)
    assert [rows < 30 for rows in masked] == [False, True, False, True]
    assert fast == made(desk, takes_over=False)
