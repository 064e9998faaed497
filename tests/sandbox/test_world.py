"""The sandbox's world is believable: what an operator sees there could be so."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta

import pytest

from pulltasks.errors import UsageError
from pulltasks.sandbox.cli import project_id_of, read_fault, serve
from pulltasks.sandbox.data import Place, tasks_on

PLACE = Place("0123456789abcdef0123456789abcdef", "cn-north-4", 1000)
DAYS = [date(2026, 11, 9) + timedelta(days=n) for n in range(14)]


def moment(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


@pytest.fixture(scope="module")
def days() -> dict[date, list[dict]]:
    return {day: tasks_on(1, PLACE, day) for day in DAYS}


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


def test_a_fault_for_a_project_that_is_not_served_is_refused() -> None:
    with pytest.raises(UsageError, match=f"--fault nobody: the sandbox has no such project; it has {project_id_of(1)}"):
        serve(0, 1, 2, 5, ["nobody=forbidden"])


@pytest.mark.parametrize("text", ["x", "x=nothing", "=forbidden", "x@soon=forbidden"])
def test_a_fault_that_cannot_be_read_is_no_mistake_in_a_configuration(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_fault(text)
    assert "configuration" not in str(caught.value)
