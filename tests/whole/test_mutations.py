"""Whatever bytes a service answers: no traceback, no task lost or invented, and the other target published."""

from __future__ import annotations

import random
from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import msgspec
import pytest

import mutations
from desk import Desk
from history import differences
from plain_service import PlainService, serving_plainly
from pulltasks.json_reading import cleaned, parse
from pulltasks.lake.raw import read_capture
from pulltasks.lake.tidy import open_tidy
from pulltasks.run.order import snapshot
from pulltasks.sandbox.data import Place
from pulltasks.warehouse.read.published import open_published

DAYS = [date(2026, 11, 16) + timedelta(days=n) for n in range(4)]
GOOD = Place("f" * 32, "cn-north-4", 0, name="good")


def answering(body: bytes):
    return lambda _: (200, {}, body)


def shown(body: bytes) -> dict[str, str]:
    """The tasks that a body shows, by id, as one text each; empty where it shows no tasks.

    A value that a later one of the same name replaced is part of its task: the object that was received has changed.
    """
    try:
        read = parse(body, look_for_repeats=True)
        return {
            task["task_id"]: msgspec.json.encode(cleaned([task, read.repeated_in(task)]), order="sorted").decode()
            for task in read.value["task_infos"]
        }
    except Exception:  # noqa: BLE001 - then there is nothing to hold the tables against
        return {}


def check(folder: Path, count: int, seed: int, days: list[date] = DAYS) -> Counter[str]:
    """A clean day, a day of mutated answers, the same again, a clean day; returns how often each rule was recorded."""
    dice = random.Random(seed)
    places = (GOOD, *(Place(f"{seed:08x}{n:024x}", "cn-north-4", 0, name=f"p{n}") for n in range(count)))
    service = PlainService()
    honest = {place.project_id: mutations.answer(place.project_id) for place in places}
    odd = honest | {place.project_id: mutations.mutated(place.project_id, dice) for place in places[1:]}
    with serving_plainly(service) as url:
        desk = Desk(None, url, folder, places)
        for day, bodies in zip(days, (honest, odd, odd, honest), strict=False):
            service.answers = {project_id: answering(body) for project_id, body in bodies.items()}
            result = snapshot(desk.settings, day, desk.clock, simulated=True)
            assert result.damaged_days == ()
            assert not desk.lake.errors.exists(), next(desk.lake.errors.iterdir()).read_text()
            good = next(target for target in result.status.targets if target.project_id == GOOD.project_id)
            assert (good.coverage, good.task_count) == ("complete", mutations.TASKS)
        assert days is not DAYS or {capture.verdict for capture in result.captures} == {"complete"}
    for day in days:
        assert set(differences(desk.lake, day).values()) == {(0, 0)}
    with open_tidy(desk.lake) as tidy:
        rows = Counter(tidy.sql("select snapshot_date, project_id from pull_tasks").fetchall())
        rules = Counter(dict(tidy.sql("select rule, count(*) from data_quality group by all").fetchall()))
        ids = set(tidy.sql("select snapshot_date, project_id, task_id from pull_tasks").fetchall())
    with open_published(desk.lake) as published:
        changes = published.sql(
            "select snapshot_date, project_id, task_id, change from fct_pull_task_changes"
        ).fetchall()
    changed = {(day, project_id, task_id): change for day, project_id, task_id, change in changes}
    for place in places:
        for day in DAYS[1:3]:
            verdict = read_capture(desk.lake.raw_file(day, place.project_id, place.region)).verdict
            if verdict.verdict == "complete":
                assert rows[day, place.project_id] == verdict.task_count, odd[place.project_id]
        before, after = shown(honest[place.project_id]), shown(odd[place.project_id])
        for task_id in before:
            key = (place.project_id, task_id)
            assert (DAYS[2], *key) not in changed, "the same bytes are no change"
            if changed.get((DAYS[1], *key)) == "removed":
                assert (DAYS[1], *key) not in ids
                assert task_id not in after, odd[place.project_id]
            if before[task_id] == after.get(task_id):
                assert (DAYS[1], *key) not in changed, odd[place.project_id]
    return rules


def test_100_mutated_answers(tmp_path: Path) -> None:
    rules = check(tmp_path, 100, 2, DAYS[:3])
    assert rules.keys() >= {
        "unreadable_number", "not_unicode", "name_not_unicode", "wrong_type", "unreadable_time", "unknown_field",
        "byte_order_mark", "task_without_id", "task_id_not_unicode",
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 42))
def test_20_000_mutated_answers(tmp_path: Path, seed: int) -> None:
    assert check(tmp_path, 500, seed)
