"""Every run ends, within its time and its memory, whatever a service does; the other targets are captured."""

from __future__ import annotations

import asyncio
import gzip
import json
import tracemalloc
import zlib
from pathlib import Path

import httpx
import pytest
from conftest import Desk
from hypothesis import given
from hypothesis import strategies as st
from plain_service import PlainService, listing, serving_plainly

from pipelines.errors import AlertNotSent
from pipelines.huawei.transport import AiohttpTransport, AnswerTooLarge, Bounds, _decompressed
from pipelines.redact import mask_text
from pipelines.runs import snapshot
from pipelines.sandbox.data import Place
from pipelines.webhook import post

GOOD, BAD = (Place(f"{n}" * 32, "cn-north-4", 3, name=name) for n, name in ((2, "good"), (1, "bad")))
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.fixture
def service():
    service = PlainService()
    service.answers[GOOD.project_id] = lambda _: (200, {}, listing(GOOD.project_id))
    return service


def captured(service: PlainService, folder: Path, **settings: float):
    """The results of the bad and the good target, in this order, after a real run."""
    settings = {"max_attempts": 1, "timeout_seconds": 1, "answer_seconds": 2} | settings
    extra = "\n".join(f"{name} = {value}" for name, value in settings.items())
    with serving_plainly(service) as url:
        desk = Desk(None, url, folder, (BAD, GOOD), extra=extra)
        clock = desk.clock
        result = snapshot(desk.settings, desk.settings.today(clock.now()), clock)
    bad, good = result.captures
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


@pytest.mark.parametrize(
    ("stream", "reason"),
    [
        (drip_a_body, "timed_out"),
        (drip_headers, "timed_out"),
        (drip_a_line, "timed_out"),
        (say_nothing, "timed_out"),
        (never_end, "answer_too_large"),
        (many_headers, "answer_too_large"),
        (promise_more, "answer_damaged"),
    ],
)
def test_an_answer_that_does_not_end_costs_its_target_alone(service, tmp_path: Path, stream, reason: str) -> None:
    service.streams[BAD.project_id] = stream
    bad = captured(service, tmp_path)
    assert (bad.verdict, bad.reason) == ("failed", reason)


def test_a_run_that_has_no_more_time_publishes_what_it_has(service, tmp_path: Path) -> None:
    service.streams[BAD.project_id] = drip_a_body
    bad = captured(service, tmp_path, max_run_minutes=0.03, answer_seconds=60, max_attempts=9, timeout_seconds=0.3)
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


def test_a_first_target_that_hangs_keeps_the_others_no_longer_than_one_timeout(service, tmp_path: Path) -> None:
    """The first request of a credential goes alone: its whole answer has one timeout, not the time of an answer."""
    service.streams[BAD.project_id] = drip_a_body
    bad = captured(service, tmp_path, answer_seconds=600, timeout_seconds=0.5, max_run_minutes=0.2)
    assert bad.reason == "timed_out"


@pytest.mark.parametrize(("total", "pages"), [(None, 20), (10_000, 20)])
def test_a_list_without_end_is_given_up(service, tmp_path: Path, total: int | None, pages: int) -> None:
    def page(number: int):
        tasks = [{"task_id": f"{number}-{n}"} for n in range(100)]
        body = {"request_id": "r", "task_infos": tasks} | ({} if total is None else {"total": total})
        return 200, {}, json.dumps(body).encode()

    service.answers[BAD.project_id] = page
    bad = captured(service, tmp_path, max_pages=pages, page_overlap=0, max_sweeps=2)
    assert (bad.verdict, bad.reason) == ("incomplete", "list_without_end")
    assert bad.requests <= 2 * pages + 5


def test_a_target_whose_answers_grow_beyond_all_measure_is_given_up(service, tmp_path: Path) -> None:
    def page(number: int):
        tasks = [{"task_id": f"{number}-{n}", "status": "x" * 4000} for n in range(100)]
        return 200, {}, json.dumps({"request_id": "r", "task_infos": tasks}).encode()

    service.answers[BAD.project_id] = page
    bad = captured(service, tmp_path, max_target_mb=2, page_overlap=0)
    assert (bad.verdict, bad.reason) == ("incomplete", "too_large")
    assert bad.requests <= 12


# -- decompression ------------------------------------------------------------------------------------------------------

REQUEST = httpx.Request("GET", "http://h/")
LIMIT = 100_000


def deflated(data: bytes, bits: int) -> bytes:
    packer = zlib.compressobj(wbits=bits)
    return packer.compress(data) + packer.flush()


@given(st.binary(max_size=2000), st.sampled_from(["gzip", "x-gzip", "deflate", "raw deflate", "identity", "br"]))
def test_a_body_comes_back_to_the_byte(data: bytes, encoding: str) -> None:
    packed = {"deflate": deflated(data, 15), "raw deflate": deflated(data, -15)}.get(encoding)
    if packed is None:
        packed = gzip.compress(data) if "gzip" in encoding else data
    assert _decompressed(packed, encoding.rpartition(" ")[2], LIMIT, REQUEST) == data


def test_several_members_are_one_body() -> None:
    assert _decompressed(gzip.compress(b"a") + gzip.compress(b"b"), "gzip", LIMIT, REQUEST) == b"ab"


@pytest.mark.parametrize("size", [LIMIT - 1, LIMIT, LIMIT + 1, 100 * LIMIT])
def test_a_bomb_is_not_unpacked_beyond_the_bound(size: int) -> None:
    bomb = gzip.compress(b"a" * size)
    if size <= LIMIT:
        assert len(_decompressed(bomb, "gzip", LIMIT, REQUEST)) == size
        return
    tracemalloc.start()
    with pytest.raises(AnswerTooLarge):
        _decompressed(bomb, "gzip", LIMIT, REQUEST)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * LIMIT
    with pytest.raises(AnswerTooLarge):
        _decompressed(gzip.compress(b"a" * (LIMIT - 10)) * 3, "gzip", LIMIT, REQUEST)


@pytest.mark.parametrize("body", [b"not gzip", gzip.compress(b"a" * 500)[:-9], gzip.compress(b"a") + b"tail"])
def test_a_body_that_cannot_be_decompressed_is_damaged(body: bytes) -> None:
    with pytest.raises(httpx.DecodingError):
        _decompressed(body, "gzip", LIMIT, REQUEST)


def test_large_answers_are_read_a_few_at_a_time(tmp_path: Path) -> None:
    """Of ten answers of 3 MB no more than two are held at once where there is room for two beside the ordinary ones."""
    held, most = [0], [0]

    class Counting(asyncio.Semaphore):
        async def acquire(self) -> bool:
            await super().acquire()
            held[0] += 1
            most[0] = max(most[0], held[0])
            return True

        def release(self) -> None:
            held[0] -= 1
            super().release()

    async def go(url: str) -> None:
        transport = AiohttpTransport(5, Bounds(answer_bytes=4_000_000, in_flight_bytes=12_000_000))
        assert transport._large_answers._value == 2
        transport._large_answers = Counting(2)
        try:
            requests = [
                transport.handle_async_request(httpx.Request("GET", f"{url}/v1/{BAD.project_id}/x")) for _ in range(10)
            ]
            answers = await asyncio.gather(*requests)
        finally:
            await transport.aclose()
        assert {len(answer.content) for answer in answers} == {3_000_000}

    service = PlainService()
    service.answers[BAD.project_id] = lambda _: (200, {}, b"x" * 3_000_000)
    with serving_plainly(service) as url:
        asyncio.run(go(url))
    assert most[0] == 2


# -- the rest -----------------------------------------------------------------------------------------------------------


def test_a_webhook_that_drips_has_one_deadline() -> None:
    service = PlainService()
    service.streams["x"] = drip_headers
    with serving_plainly(service) as url, pytest.raises(AlertNotSent, match="did not answer within 1 s"):
        post(f"{url}/v1/x/y", b"{}", "json", timeout_seconds=30, deadline_seconds=1)


@pytest.mark.parametrize(
    "text", ["a" * 200_000, "a=" * 100_000, "key:" * 50_000, '"' * 200_000, "@" * 200_000, "http://" * 30_000]
)
def test_masking_a_long_text_takes_no_longer_than_its_length(text: str) -> None:
    assert len(mask_text(text)) <= 2 * len(text)
