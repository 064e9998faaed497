"""Made-up tasks: reproducible, and in every shape that the API's document shows."""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import UTC, date, datetime, time, timedelta

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


CROWDED = Place("0123456789abcdef0123456789abcdef", "cn-north-4", 1000)

DAYS = [date(2026, 11, 9) + timedelta(days=n) for n in range(14)]


def moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


@pytest.fixture(scope="module")
def days() -> dict[date, list[dict]]:
    return {day: tasks_on(1, CROWDED, day) for day in DAYS}


def test_most_tasks_lie_in_the_present_and_some_end_soon(days) -> None:
    for day, tasks in days.items():
        noon = datetime.combine(day, time(12), UTC)
        ends = [end for task in tasks if (end := moment(task.get("end_time")))]
        now = [task for task in tasks if moment(task["start_time"]) <= noon < (moment(task.get("end_time")) or datetime.max.replace(tzinfo=UTC))]  # fmt: skip
        assert len(now) > 0.7 * len(tasks)
        assert 0 < sum(end <= noon for end in ends) < 0.03 * len(tasks)
        assert 3 < sum(noon < end <= noon + timedelta(days=1) for end in ends) < 0.05 * len(tasks)


def test_statuses_follow_from_times_and_some_are_suspended(days) -> None:
    for day, tasks in days.items():
        noon = datetime.combine(day, time(12), UTC)
        words = Counter(task["status"] for task in tasks)
        assert set(words) == {"enable", "wait", "finish", "suspend"}
        assert 0.03 < words["suspend"] / len(tasks) < 0.15
        for task in tasks:
            if task["status"] == "wait":
                assert noon < moment(task["start_time"])
            elif task["status"] == "finish":
                assert moment(task["end_time"]) <= noon


def test_a_handful_of_streams_is_shared(days) -> None:
    for tasks in days.values():
        streams = Counter(
            (task["domain"], task["app_name"], task["stream_name"]) for task in tasks if task.get("stream_name")
        )
        shared = [count for count in streams.values() if count > 1]
        assert len(shared) <= 3
    assert any(
        count > 1
        for tasks in days.values()
        for count in Counter(task.get("stream_name") for task in tasks if task.get("stream_name")).values()
    )


def test_three_applications_differ_in_size_and_weekends_are_busier(days) -> None:
    apps = Counter(task["app_name"] for tasks in days.values() for task in tasks if task.get("app_name"))
    assert apps["live"] > 2 * apps["event"] > 4 * apps["radio"] > 0
    starts = Counter(moment(task["start_time"]).weekday() for task in days[DAYS[-1]])
    assert sum(starts[day] for day in (4, 5, 6)) > sum(starts[day] for day in (0, 1, 2, 3))
