"""Surprises are reported with their dates and without their texts."""

from __future__ import annotations

from pathlib import Path

import msgspec

from desk import BEIJING, DAYS, Desk, rows
from history import contents
from pulltasks.sandbox.data import tasks_on
from pulltasks.sandbox.server import Sandbox, serving


class Surprising(Sandbox):
    """A service that sends a field nobody knows, and one of the wrong type with a secret in it."""

    def _rendered_rows(self, place, day):
        odd = {"new_field": "s3cr3t-new", "status": {"s3cr3t": "s3cr3t-type"}, "end_time": "s3cr3t-time"}
        rows = [*tasks_on(self.seed, place, day)]
        if day >= DAYS[1]:
            rows = [{**task, **odd} for task in rows]
        return [(task["task_id"], msgspec.json.encode(task)) for task in rows]


def test_surprises_are_reported_with_their_dates_and_without_their_texts(tmp_path: Path) -> None:
    sandbox = Surprising((BEIJING,))
    with serving(sandbox) as url:
        desk = Desk(sandbox, url, tmp_path, sandbox.places)
        for day in DAYS[:3]:
            desk.capture(day)
        desk.build()
    count = len(tasks_on(1, BEIJING, DAYS[2]))
    assert rows(
        desk, "select field, rule, first_date, last_date, last_occurrences from rpt_data_quality order by all"
    ) == [
        ("end_time", "unreadable_time", DAYS[1], DAYS[2], count),
        ("new_field", "unknown_field", DAYS[1], DAYS[2], count),
        ("status", "wrong_type", DAYS[1], DAYS[2], count),
    ]
    assert rows(desk, "select distinct extra, end_time_raw, status from dim_pull_tasks where is_current") == [
        ('{"new_field":"***"}', "***", None)
    ]
    assert "s3cr3t" not in str(contents(desk.lake.published.resolve()))
