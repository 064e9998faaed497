"""A task is gone by the service's own word alone; what an answer showed and the listing lacks is asked for by its id."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from desk import Desk
from plain_service import PlainService, serving_plainly
from pulltasks.lake.raw import read_capture
from pulltasks.run.order import snapshot
from pulltasks.sandbox.data import Place
from pulltasks.warehouse.read.published import open_published

PLACE = Place("1" * 32, "cn-north-4", 0)

DAYS = [date(2026, 11, 22), date(2026, 11, 23)]

EMPTY = {"request_id": "r", "total": 0, "task_infos": []}

FULL = {"request_id": "r", "total": 2, "task_infos": [{"task_id": "a"}, {"task_id": "b"}]}


def of(body: dict, more: dict) -> bytes:
    return json.dumps(body | more).encode()


@pytest.fixture
def service(tmp_path: Path):
    service = PlainService()
    with serving_plainly(service) as url:
        yield service, Desk(None, url, tmp_path, (PLACE,), extra="max_attempts = 1")


def verdict_of(desk: Desk, day: date, place: Place):
    return read_capture(desk.lake.raw_file(day, place.project_id, place.region)).verdict


def current(desk: Desk) -> dict[str, int]:
    with open_published(desk.lake) as connection:
        return dict(
            connection.sql(
                "select project_id, count(*) filter (is_current) from dim_pull_tasks group by project_id"
            ).fetchall()
        )


LISTED = (
    (of(EMPTY, {"error_code": "LIVE.1"}), "failed", "error_in_answer"),
    (of(FULL, {"error_code": "LIVE.1"}), "incomplete", "error_code_beside_rows"),
    (of(EMPTY, {"error_code": "LIVE.100011006"}), "failed", "service_unavailable"),
)

BY_ID = (
    (404, {"error_code": "LIVE.100011001"}, "gone", False),
    (404, {"error_code": "APIGW.0106"}, "unchecked", True),
    (404, {}, "unchecked", True),
    (200, EMPTY, "unchecked", True),
    (400, {"error_code": "LIVE.100011001"}, "unchecked", True),
    (200, EMPTY | {"error_code": "LIVE.1"}, "unchecked", True),
)


def test_no_task_ends_by_an_answer_that_says_an_error_and_only_the_services_own_404_makes_it_gone(service) -> None:
    """A project for each answer to the list, and one for each answer to the ids of a list that is empty."""
    service, desk = service
    listed = {Place(f"{n:032x}", "cn-north-4", 0): case for n, case in enumerate(LISTED, 1)}
    by_id = {Place(f"{n:032x}", "cn-north-4", 0): case for n, case in enumerate(BY_ID, 101)}
    desk.places = (*listed, *by_id)
    for place in desk.places:
        service.answers[place.project_id] = lambda _: (200, {}, json.dumps(FULL).encode())
    snapshot(desk.settings, DAYS[0], desk.clock, simulated=True)
    assert {verdict_of(desk, DAYS[0], place).verdict for place in desk.places} == {"complete"}
    for place, (answer, *_) in listed.items():
        service.answers[place.project_id] = lambda _, answer=answer: (200, {}, answer)
    for place, (status, answer, *_) in by_id.items():
        service.answers[place.project_id] = lambda _: (200, {}, json.dumps(EMPTY).encode())
        told = (status, {}, json.dumps(answer).encode())
        service.by_id_in[place.project_id] = lambda _, told=told: told
    snapshot(desk.settings, DAYS[1], desk.clock, simulated=True)
    left = current(desk)
    for place, (answer, verdict, reason) in listed.items():
        found = verdict_of(desk, DAYS[1], place)
        assert (found.verdict, found.verdict_reason) == (verdict, reason), answer
        assert found.error_code in {None, "LIVE.1", "LIVE.100011006"}
        assert left[place.project_id] == 2, answer
    for place, (status, answer, end, is_held) in by_id.items():
        found = verdict_of(desk, DAYS[1], place)
        assert (found.verdict, getattr(found, end)) == ("complete", ["a", "b"]), (status, answer)
        assert left[place.project_id] == (2 if is_held else 0), (status, answer)


def test_what_an_answer_showed_and_the_listing_lacks_is_asked_for_by_its_id(service) -> None:
    """The first read of the first page shows a task that the later ones lack; the service knows it all the same."""
    service, desk = service
    rows = [{"task_id": name} for name in ("a", "b", "c")]
    short = {"request_id": "r", "total": 4, "task_infos": rows}  # contradicts itself: it is read again
    answers = [short, {"request_id": "r", "total": 2, "task_infos": rows[:2]}]
    whole = {"request_id": "r", "total": 3, "task_infos": rows}
    service.answers[PLACE.project_id] = lambda n: (200, {}, json.dumps(answers[n] if n < 2 else whole).encode())
    service.by_id = lambda _: (200, {}, json.dumps({"request_id": "r", "total": 1, "task_infos": rows[2:]}).encode())
    desk.capture(DAYS[0])
    verdict = verdict_of(desk, DAYS[0], PLACE)
    assert (verdict.verdict, verdict.task_count, verdict.sweeps) == ("complete", 3, 2)
    assert (verdict.gone, verdict.unlisted, verdict.unchecked) == ([], [], [])  # none was known before
