"""Made-up tasks: reproducible, and in every shape that the API's document shows."""

from __future__ import annotations

import itertools
from datetime import date, timedelta

import pytest

from pulltasks.sandbox.data import Place, tasks_on
from pulltasks.tables import API_FIELDS

PLACE = Place("0123456789abcdef0123456789abcdef", "cn-north-4", 300)
DAY = date(2026, 11, 22)
ABSENT = "absent"


@pytest.fixture(scope="module")
def tasks():
    return tasks_on(1, PLACE, DAY)


def test_the_same_seed_and_day_give_the_same_tasks(tasks) -> None:
    assert tasks == tasks_on(1, PLACE, DAY)
    assert tasks != tasks_on(2, PLACE, DAY)
    assert tasks != tasks_on(1, PLACE, DAY + timedelta(days=1))


def test_ids_are_unique_and_fields_are_those_of_the_document(tasks) -> None:
    assert len({task["task_id"] for task in tasks}) == len(tasks)
    assert {name for task in tasks for name in task} == {field.name for field in API_FIELDS}


@pytest.mark.parametrize(
    ("name", "shapes"),
    [
        ("callback_events", [ABSENT, None, []]),
        ("backup_source_urls", [ABSENT, None, []]),
        ("destination_url", [""]),
        ("domain", [ABSENT, ""]),
        ("end_time", [""]),
        ("vod_loop_time", [ABSENT, "", "-1", "3"]),
        ("push_args", [ABSENT, ""]),
        ("callback_url", [ABSENT, "callback.example.com"]),
    ],
)
def test_empty_null_and_absent_all_occur(tasks, name: str, shapes: list) -> None:
    for shape in shapes:
        assert any(task.get(name, ABSENT) == shape for task in tasks), shape


def test_lists_of_no_url_and_of_thirty_occur(tasks) -> None:
    lengths = {len(task["source_urls"]) for task in tasks}
    assert {0, 1, 30} <= lengths


def test_names_beyond_ascii_occur(tasks) -> None:
    assert any(not task.get("stream_name", "").isascii() for task in tasks)


def test_from_day_to_day_tasks_appear_change_end_and_return() -> None:
    days = [{task["task_id"]: task for task in tasks_on(1, PLACE, DAY + timedelta(days=n))} for n in range(12)]
    assert any(set(after) - set(before) for before, after in itertools.pairwise(days))
    assert any(set(before) - set(after) for before, after in itertools.pairwise(days))
    assert any(before[key] != after[key] for before, after in itertools.pairwise(days) for key in {*before} & {*after})
    assert any(
        key in a and key not in b and key in c for a, b, c in zip(days, days[1:], days[2:], strict=False) for key in a
    )
