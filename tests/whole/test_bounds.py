"""Every run ends, within its time and its memory, whatever a service does; the other targets are captured."""

from __future__ import annotations

import asyncio
import gzip
import json
import tracemalloc
import zlib
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk import Desk
from plain_service import PlainService, listing, serving_plainly
from pulltasks.alerts.webhook import post
from pulltasks.capture.target_list import target_line
from pulltasks.errors import AlertNotSent, ModelError
from pulltasks.huawei.transport import AiohttpTransport, AnswerTooLarge, Bounds, _decompressed
from pulltasks.lake.normalise import normalise_day
from pulltasks.lake.raw import AnswerLine, CaptureLine, RawWriter, TargetList, VerdictLine
from pulltasks.masking import mask_words
from pulltasks.proof.pages import Rules
from pulltasks.run.order import snapshot
from pulltasks.sandbox.data import Place
from pulltasks.settings import WarehouseSettings
from pulltasks.warehouse.build.publish import build_and_publish
from pulltasks.warehouse.build.working_copy import room_of
from pulltasks.warehouse.read.published import open_published
from pulltasks.warehouse.sql.models import load_models

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


@pytest.mark.parametrize(
    "body", [b"not gzip", gzip.compress(b"a" * 500, mtime=0)[:-9], gzip.compress(b"a", mtime=0) + b"tail"]
)
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


@pytest.mark.real_time
def test_a_webhook_that_drips_has_one_deadline() -> None:
    service = PlainService()
    service.streams["x"] = drip_headers
    with serving_plainly(service) as url, pytest.raises(AlertNotSent, match="did not answer within 1 s"):
        post(f"{url}/v1/x/y", b"{}", "json", timeout_seconds=30, deadline_seconds=1)


@pytest.mark.parametrize(
    "text", ["a" * 200_000, "a=" * 100_000, "key:" * 50_000, '"' * 200_000, "@" * 200_000, "http://" * 30_000]
)
def test_masking_a_long_text_takes_no_longer_than_its_length(text: str) -> None:
    assert len(mask_words(text)) <= 2 * len(text)


@pytest.mark.parametrize(
    ("cores", "settings", "threads", "memory"),
    [
        (1, {}, 1, "400MB"),
        (2, {}, 2, "400MB"),
        (96, {}, 8, "400MB"),
        (2, {"threads": 96}, 96, "3840MB"),
        (96, {"threads": 4, "memory": "2GB"}, 4, "2GB"),
    ],
)
def test_threads_and_memory_are_set_together(cores: int, settings: dict, threads: int, memory: str) -> None:
    assert room_of(WarehouseSettings(**settings), cores, 100_001) == (threads, memory)


@pytest.mark.parametrize(("tasks", "memory"), [(500_000, "400MB"), (500_010, "400MB"), (1_000_000, "700MB")])
def test_many_tasks_get_more_memory(tasks: int, memory: str) -> None:
    assert room_of(WarehouseSettings(), 2, tasks) == (2, memory)


def test_few_tasks_are_built_by_one_thread_unless_the_settings_say_otherwise() -> None:
    assert room_of(WarehouseSettings(), 8, 20_000)[0] == 1
    assert room_of(WarehouseSettings(threads=4), 8, 10)[0] == 4


def many_addresses(folder: Path, tasks: int) -> Desk:
    """A day of tasks with 30 addresses each, without a request."""
    desk = Desk(None, "http://127.0.0.1:1", folder, (GOOD,))
    desk.lake.prepare()
    target = target_line(desk.settings, desk.settings.targets[0])
    day = date(2026, 11, 20)
    with desk.lake.lock():
        listed = TargetList(snapshot_date=day, timezone="UTC", software_version="0", targets=[target])
        with desk.lake.writing(desk.lake.targets_file(day)) as unfinished:
            unfinished.write_bytes(msgspec.json.encode(listed))
        noon = datetime(2026, 11, 20, 12, tzinfo=UTC)
        raw = desk.lake.raw_file(day, *target.key)
        raw.parent.mkdir(parents=True)
        head = CaptureLine(
            target=target, snapshot_date=day, timezone="UTC", capture_id="c", software_version="0", started_at=noon
        )
        writer = RawWriter(raw, head)
        for offset in range(0, tasks, 100):
            rows = [
                {"task_id": f"{n:06}", "source_urls": [f"rtmp://h{a}.example.com/live/{n}-{a}?k=v" for a in range(30)]}
                for n in range(offset, min(offset + 100, tasks))
            ]
            body = json.dumps({"request_id": "r", "total": tasks, "task_infos": rows})
            writer.answer(
                AnswerLine(
                    sequence=offset,
                    sweep=1,
                    offset=offset,
                    limit=100,
                    sent_at=noon,
                    received_at=noon,
                    status=200,
                    body=body,
                )
            )
        end = VerdictLine(verdict="complete", proof="by_chain", counted_sweep=1, task_count=tasks, finished_at=noon)
        writer.close(end)
        normalise_day(desk.lake, day)
    return desk


def publish_with(desk: Desk, settings: str) -> None:
    desk.extra = f"[warehouse]\n{settings}\n"
    for build in desk.lake.builds():
        build.unlink()
    with desk.lake.lock():
        build_and_publish(desk.lake, load_models(), desk.settings.warehouse, datetime.now(UTC))


@pytest.mark.parametrize("threads", [64, *(pytest.param(count, marks=pytest.mark.slow) for count in (1, 96))])
def test_many_threads_build_what_one_does(tmp_path: Path, threads: int) -> None:
    desk = many_addresses(tmp_path, 1000)
    publish_with(desk, f"threads = {threads}")
    with open_published(desk.lake) as connection:
        assert connection.sql("select count(*), sum(len(source_urls)) from dim_pull_tasks").fetchall() == [
            (1000, 30_000)
        ]


def test_a_build_that_runs_out_of_memory_names_the_setting(tmp_path: Path) -> None:
    desk = many_addresses(tmp_path, 1000)
    with pytest.raises(ModelError, match=r"raise warehouse.memory, or lower warehouse.threads"):
        publish_with(desk, 'threads = 2\nmemory = "6MB"')


@pytest.mark.slow
@pytest.mark.parametrize("threads", [64, 96])
def test_24_000_tasks_of_30_addresses_publish_every_time(tmp_path: Path, threads: int) -> None:
    desk = many_addresses(tmp_path, 24_000)
    for _ in range(20):
        publish_with(desk, f"threads = {threads}")
