"""An error is no list: an answer 200 that says one ends nothing, and only the service's own word makes a task gone."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from conftest import Desk
from plain_service import PlainService, serving_plainly
from pulltasks.huawei.reading import read_answer, says_error
from pulltasks.lake.raw import read_capture
from pulltasks.run.order import snapshot
from pulltasks.sandbox.data import Place
from pulltasks.warehouse.published import open_published
from sampling import sampled

PLACE = Place("1" * 32, "cn-north-4", 0)
DAYS = [date(2026, 11, 22), date(2026, 11, 23)]
EMPTY = {"request_id": "r", "total": 0, "task_infos": []}
FULL = {"request_id": "r", "total": 2, "task_infos": [{"task_id": "a"}, {"task_id": "b"}]}
ERRORS = (
    {"error_code": "LIVE.1", "error_msg": "boom"},
    {"errorCode": "LIVE.1"},
    {"error_code": 17},
    {"error": {"code": "LIVE.1", "message": "boom"}},
    {"error_code": ["LIVE.1"]},
    {"error_code": True},
)
NO_ERRORS = (
    {"error_code": None},
    {"error_code": ""},
    {"error_code": "0"},
    {"error_code": 0},
    {"errorCode": "0"},
    {"error": None},
    {"error": {}},
    {"code": 200, "message": "ok"},
    {"error_msg": "ok"},
)


def of(body: dict, more: dict) -> bytes:
    return json.dumps(body | more).encode()


@pytest.mark.parametrize("error", ERRORS)
def test_an_answer_that_says_an_error_is_a_refusal_and_beside_rows_a_flaw(error: dict) -> None:
    for body in (EMPTY, {"request_id": "r"}, {}):
        assert says_error(of(body, error))
        assert read_answer(of(body, error)).flaw == "error_in_answer"
    assert not says_error(of(FULL, error))
    assert read_answer(of(FULL, error)).flaw == "error_code_beside_rows"


@pytest.mark.parametrize("error", NO_ERRORS)
def test_what_gateways_add_is_none(error: dict) -> None:
    for body in (EMPTY, FULL):
        assert not says_error(of(body, error))
        assert read_answer(of(body, error)).flaw is None


@pytest.fixture
def service(tmp_path: Path):
    service = PlainService()
    with serving_plainly(service) as url:
        yield service, Desk(None, url, tmp_path, (PLACE,), extra="max_attempts = 1")


def run(desk: Desk, day: date):
    snapshot(desk.settings, day, desk.clock, simulated=True)
    return read_capture(desk.lake.raw_file(day, PLACE.project_id, PLACE.region)).verdict


def current(desk: Desk) -> int:
    with open_published(desk.lake) as connection:
        return connection.sql("select count(*) from dim_pull_tasks where is_current").fetchall()[0][0]


@pytest.mark.parametrize(
    ("answer", "verdict", "reason"),
    [
        (of(EMPTY, ERRORS[0]), "failed", "error_in_answer"),
        (of(FULL, ERRORS[0]), "incomplete", "error_code_beside_rows"),
        (of(EMPTY, {"error_code": "LIVE.100011006"}), "failed", "service_unavailable"),
    ],
)
def test_no_task_ends_by_an_answer_that_says_an_error(service, answer: bytes, verdict: str, reason: str) -> None:
    service, desk = service
    project = PLACE.project_id
    service.answers[project] = lambda _: (200, {}, json.dumps(FULL).encode())
    assert run(desk, DAYS[0]).verdict == "complete"
    service.answers[project] = lambda _: (200, {}, answer)
    found = run(desk, DAYS[1])
    assert (found.verdict, found.verdict_reason) == (verdict, reason)
    assert found.error_code in {None, "LIVE.1", "LIVE.100011006"}
    assert current(desk) == 2


@pytest.mark.parametrize(
    ("status", "answer", "end", "is_held"),
    sampled(
        [
            (404, {"error_code": "LIVE.100011001"}, "gone", False),
            (404, {"error_code": "APIGW.0106"}, "unchecked", True),
            (404, {}, "unchecked", True),
            (200, EMPTY, "unchecked", True),
            (400, {"error_code": "LIVE.100011001"}, "unchecked", True),
            (200, EMPTY | {"error_code": "LIVE.1"}, "unchecked", True),
        ],
        0,
        3,
    ),
)
def test_only_the_services_own_404_makes_a_task_gone(
    service, status: int, answer: dict, end: str, is_held: bool
) -> None:
    service, desk = service
    service.answers[PLACE.project_id] = lambda _: (200, {}, json.dumps(FULL).encode())
    run(desk, DAYS[0])
    service.answers[PLACE.project_id] = lambda _: (200, {}, json.dumps(EMPTY).encode())
    service.by_id = lambda _: (status, {}, json.dumps(answer).encode())
    verdict = run(desk, DAYS[1])
    assert (verdict.verdict, getattr(verdict, end)) == ("complete", ["a", "b"])
    assert current(desk) == (2 if is_held else 0)


def test_what_an_answer_showed_and_the_listing_lacks_is_asked_for_by_its_id(service) -> None:
    """The first read of the first page shows a task that the later ones lack; the service knows it all the same."""
    service, desk = service
    rows = [{"task_id": name} for name in ("a", "b", "c")]
    short = {"request_id": "r", "total": 4, "task_infos": rows}  # contradicts itself: it is read again
    answers = [short, {"request_id": "r", "total": 2, "task_infos": rows[:2]}]
    whole = {"request_id": "r", "total": 3, "task_infos": rows}
    service.answers[PLACE.project_id] = lambda n: (200, {}, json.dumps(answers[n] if n < 2 else whole).encode())
    service.by_id = lambda _: (200, {}, json.dumps({"request_id": "r", "total": 1, "task_infos": rows[2:]}).encode())
    verdict = run(desk, DAYS[0])
    assert (verdict.verdict, verdict.task_count, verdict.sweeps) == ("complete", 3, 2)
    assert (verdict.gone, verdict.unlisted, verdict.unchecked) == ([], [], [])  # none was known before
