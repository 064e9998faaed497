"""Every run ends, within its time and its memory, whatever a service does; the other targets are captured."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from pathlib import Path

import pytest

from desk import Desk
from plain_service import PlainService, listing, serving_plainly
from pulltasks.alerts.webhook import post
from pulltasks.errors import AlertNotSent
from pulltasks.huawei.transport import AiohttpTransport, Bounds
from pulltasks.proof.pages import Rules
from pulltasks.run.order import snapshot
from pulltasks.sandbox.data import Place

GOOD, BAD = (Place(f"{n}" * 32, "cn-north-4", 3, name=name) for n, name in ((2, "good"), (1, "bad")))
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.fixture
def service(monkeypatch):
    """Answers as a test says; of a whole answer 2 s are waited for."""
    give_an_answer(monkeypatch, seconds=2)
    service = PlainService()
    service.answers[GOOD.project_id] = lambda _: (200, {}, listing(GOOD.project_id))
    return service


def give_an_answer(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    transport = partial(AiohttpTransport, bounds=Bounds(answer_seconds=seconds))
    monkeypatch.setattr("pulltasks.huawei.client.AiohttpTransport", transport)


def captured(service: PlainService, folder: Path, **settings: float):
    """The result of the bad target after a real run, in which the good one is captured."""
    (bad,) = captured_all(service, folder, (BAD,), **settings)
    return bad


def captured_all(service: PlainService, folder: Path, places: tuple[Place, ...], **settings: float):
    """The results of bad targets after a real run, in which the good one is captured."""
    settings = {"max_attempts": 1, "timeout_seconds": 1} | settings
    extra = "\n".join(f"{name} = {value}" for name, value in settings.items())
    with serving_plainly(service) as url:
        desk = Desk(None, url, folder, (*places, GOOD), extra=extra)
        clock = desk.clock
        result = snapshot(desk.settings, desk.settings.today(clock.now()), clock)
    *bad, good = result.captures
    assert (good.target.project_id, good.verdict) == (GOOD.project_id, "complete")
    return bad


async def drip_a_body(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    await drip(writer, b"1\r\n \r\n")


async def drip_headers(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD)
    await drip(writer, b"X-A: a\r\n")


async def drip_a_line(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 ")
    await drip(writer, b"a")


async def say_nothing(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(60)


async def drip(writer: asyncio.StreamWriter, piece: bytes) -> None:
    for _ in range(300):
        writer.write(piece)
        await writer.drain()
        await asyncio.sleep(0.1)


async def never_end(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
    piece = b"100000\r\n" + b"a" * 0x100000 + b"\r\n"
    for _ in range(200):
        writer.write(piece)
        await writer.drain()


async def many_headers(writer: asyncio.StreamWriter) -> None:
    writer.write(
        HEAD + b"".join(b"X-%d: %s\r\n" % (n, b"a" * 2000) for n in range(60)) + b"Content-Length: 2\r\n\r\n{}"
    )


async def promise_more(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + b"Content-Length: 1000\r\n\r\n{}")
    writer.close()


ENDLESS = {
    drip_a_body: "timed_out",
    drip_headers: "timed_out",
    drip_a_line: "timed_out",
    say_nothing: "timed_out",
    never_end: "answer_too_large",
    many_headers: "answer_too_large",
    promise_more: "answer_damaged",
}


def some_bad(count: int) -> tuple[Place, ...]:
    return tuple(Place(f"1{n:031x}", "cn-north-4", 3, name=f"bad{n}") for n in range(count))


def test_an_answer_that_does_not_end_costs_its_target_alone(service, tmp_path: Path) -> None:
    places = some_bad(len(ENDLESS))
    for place, stream in zip(places, ENDLESS, strict=True):
        service.streams[place.project_id] = stream
    results = captured_all(service, tmp_path, places)
    found = {stream: (each.verdict, each.reason) for stream, each in zip(ENDLESS, results, strict=True)}
    assert found == {stream: ("failed", reason) for stream, reason in ENDLESS.items()}


def test_a_run_that_has_no_more_time_publishes_what_it_has(service, tmp_path: Path, monkeypatch) -> None:
    give_an_answer(monkeypatch, seconds=60)
    service.streams[BAD.project_id] = drip_a_body
    bad = captured(service, tmp_path, max_run_minutes=0.03, max_attempts=9, timeout_seconds=0.3)
    assert (bad.verdict, bad.reason) == ("failed", "out_of_time")
    assert "api.max_run_minutes = 0.03" in bad.message


def test_a_service_that_asks_to_wait_a_day_is_waited_for_no_longer_than_the_run(service, tmp_path: Path) -> None:
    others = tuple(Place(BAD.project_id, f"cn-east-{n}", 3, name=f"r{n}") for n in range(1, 5))
    service.answers[BAD.project_id] = lambda _: (429, {"Retry-After": "86400"}, b"{}")
    with serving_plainly(service) as url:
        desk = Desk(None, url, tmp_path, (*others, GOOD), extra="max_attempts = 3\nmax_run_minutes = 0.03")
        clock = desk.clock
        result = snapshot(desk.settings, desk.settings.today(clock.now()), clock)
    *bad, good = result.captures
    assert good.verdict == "complete"
    assert {each.reason for each in bad} <= {"throttled", "out_of_time"}


def test_a_first_target_that_hangs_keeps_the_others_no_longer_than_one_timeout(
    service, tmp_path: Path, monkeypatch
) -> None:
    """The first request of a credential goes alone: its whole answer has one timeout, not the time of an answer."""
    give_an_answer(monkeypatch, seconds=600)
    service.streams[BAD.project_id] = drip_a_body
    bad = captured(service, tmp_path, timeout_seconds=0.5, max_run_minutes=0.2)
    assert bad.reason == "timed_out"


def test_a_list_without_end_is_given_up(service, tmp_path: Path, monkeypatch) -> None:
    """Whether it says no total or one that is never reached."""
    pages = 20
    monkeypatch.setattr("pulltasks.capture.attempt.Rules", partial(Rules, max_pages=pages, max_sweeps=2))

    def page(total: dict[str, int], number: int):
        tasks = [{"task_id": f"{number}-{n}"} for n in range(100)]
        return 200, {}, json.dumps({"request_id": "r", "task_infos": tasks} | total).encode()

    places = some_bad(2)
    for place, total in zip(places, ({}, {"total": 10_000}), strict=True):
        service.answers[place.project_id] = partial(page, total)
    for bad in captured_all(service, tmp_path, places, page_overlap=0):
        assert (bad.verdict, bad.reason) == ("incomplete", "list_without_end")
        assert bad.requests <= 2 * pages + 5


def test_a_target_whose_answers_grow_beyond_all_measure_is_given_up(service, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("pulltasks.capture.attempt.MAX_TARGET_BYTES", 2_000_000)

    def page(number: int):
        tasks = [{"task_id": f"{number}-{n}", "status": "x" * 4000} for n in range(100)]
        return 200, {}, json.dumps({"request_id": "r", "task_infos": tasks}).encode()

    service.answers[BAD.project_id] = page
    bad = captured(service, tmp_path, page_overlap=0)
    assert (bad.verdict, bad.reason) == ("incomplete", "too_large")
    assert bad.requests <= 12


@pytest.mark.real_time
def test_a_webhook_that_drips_has_one_deadline() -> None:
    service = PlainService()
    service.streams["x"] = drip_headers
    with serving_plainly(service) as url, pytest.raises(AlertNotSent, match="did not answer within 1 s"):
        post(f"{url}/v1/x/y", b"{}", "json", timeout_seconds=30, deadline_seconds=1)
