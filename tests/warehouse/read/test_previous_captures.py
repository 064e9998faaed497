"""What is known of a target from before today."""

from __future__ import annotations

from datetime import date, timedelta

from desk import BEIJING, Desk
from pulltasks.run.order import snapshot
from pulltasks.sandbox.data import tasks_on
from pulltasks.warehouse.read.previous_captures import previous_captures

DAYS = [date(2026, 11, 16) + timedelta(days=n) for n in range(5)]


def run(desk: Desk, day: date, **options: object):
    return snapshot(desk.settings, day, desk.clock, simulated=True, **options)


def test_what_is_known_is_what_the_last_complete_capture_listed(desk: Desk) -> None:
    with previous_captures(desk.lake, DAYS[1]) as known:
        assert known((BEIJING.project_id, BEIJING.region)).task_ids == frozenset()
    run(desk, DAYS[0])
    desk.sandbox.faults[BEIJING.project_id, DAYS[1]] = "forbidden"
    run(desk, DAYS[1])
    with previous_captures(desk.lake, DAYS[1]) as known:
        found = known((BEIJING.project_id, BEIJING.region))
    assert found.task_ids == {task["task_id"] for task in tasks_on(1, BEIJING, DAYS[0])}
    assert found.offset_unit == "rows"
