"""Whose answer is it? Proxies that answer twice, late and in the wrong order give no target another one's tasks."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import tracemalloc
import zlib
from datetime import date
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk import BEIJING, Desk, write_config
from live_client import ask
from plain_service import PlainService, serving_plainly
from pulltasks import config
from pulltasks.errors import ConfigError, TransientApiError
from pulltasks.huawei.client import HEADERS
from pulltasks.huawei.simulation import DATE_HEADER, SANDBOX_HEADER
from pulltasks.huawei.transport import NEW_CONNECTION, POOL, AiohttpTransport, AnswerTooLarge, Bounds, _decompressed
from pulltasks.lake.normalise import normalise_day
from pulltasks.lake.raw import read_capture
from pulltasks.lake.tidy import open_tidy
from pulltasks.sandbox.data import Place

DAY = date(2026, 11, 22)
PLACES = tuple(Place(f"{n:032x}", "cn-north-4", 0) for n in range(1, 7))
TASKS = 250
REGIONS = {"old": "cn-north-4", "other": "cn-east-3"}


class Proxy:
    """Stands before honest services; sends answers again, at once or late, on the connection that they came on."""

    def __init__(self, seed: int) -> None:
        self.dice = random.Random(seed)
        self.heads: list[bytes] = []
        self.connections = 0

    def answer(self, head: bytes) -> bytes:
        parts = urlsplit(head.split(b" ", 2)[1].decode())
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        project = [*parts.path.split("/"), "", ""][2]
        first = int(query.get("offset", 0))
        rows = [{"task_id": f"{project}-{n:03}"} for n in range(TASKS)][first : first + int(query.get("limit", 1))]
        body = json.dumps({"request_id": "r", "total": TASKS, "task_infos": rows}).encode() if project else b"{}"
        headers = f"{SANDBOX_HEADER}: 1\r\n{DATE_HEADER}: {DAY}\r\nContent-Length: {len(body)}\r\n"
        return f"HTTP/1.1 200 OK\r\n{headers}\r\n".encode() + body

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        late: list[asyncio.Task] = []

        async def again(content: bytes, seconds: float) -> None:
            await asyncio.sleep(seconds)
            writer.write(content)

        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                self.heads.append(head)
                content = self.answer(head)
                writer.write(content)
                manner = self.dice.choice(("once", "once", "twice", "late", "later"))
                if manner == "twice":
                    writer.write(content)
                elif manner in {"late", "later"}:
                    late.append(asyncio.create_task(again(content, 0.001 if manner == "late" else 0.02)))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            for task in late:
                task.cancel()
            writer.close()


@pytest.mark.parametrize("seed", range(8))
def test_no_target_gets_the_tasks_of_another_one(tmp_path: Path, seed: int) -> None:
    with serving_plainly(Proxy(seed)) as url:
        desk = Desk(None, url, tmp_path, PLACES, extra="max_attempts = 4\nmax_concurrency = 2")
        results = desk.capture(DAY)
    normalise_day(desk.lake, DAY)
    with open_tidy(desk.lake) as connection:
        rows = connection.sql("select project_id, task_id from pull_tasks where capture_complete").fetchall()
    assert all(task_id.startswith(project_id) for project_id, task_id in rows)
    for result in results:
        shown = {task_id for project_id, task_id in rows if project_id == result.target.project_id}
        assert result.verdict != "complete" or len(shown) == TASKS


def request(url: str, **extensions: object) -> httpx.Request:
    return httpx.Request("GET", f"{url}/v1/{PLACES[0].project_id}/x?offset=0&limit=1", extensions=extensions)


def connections_of(extensions: list[dict], seed: int = 0, wait_seconds: float = 0.0, manner: str = "once") -> int:
    """How many connections some requests take, one after the other."""
    proxy = Proxy(seed)
    proxy.dice.choice = lambda _: manner  # type: ignore[method-assign]

    async def go(url: str) -> None:
        transport = AiohttpTransport(5.0)
        for each in extensions:
            assert (await transport.handle_async_request(request(url, **each))).status_code == 200
            await asyncio.sleep(wait_seconds)
        await transport.aclose()

    with serving_plainly(proxy) as url:
        asyncio.run(go(url))
    return proxy.connections


def test_a_connection_is_kept_for_its_own_pool() -> None:
    assert connections_of([{POOL: "a"}, {POOL: "a"}, {POOL: "b"}, {POOL: "a"}, {POOL: "b"}]) == 2


def test_a_doubtful_answer_is_asked_for_over_a_connection_of_its_own() -> None:
    assert connections_of([{POOL: "a"}, {POOL: "a", NEW_CONNECTION: True}, {POOL: "a"}]) == 2


@pytest.mark.parametrize("manner", ["twice", "late"])
def test_a_connection_that_says_what_nobody_asked_for_is_not_used_again(manner: str) -> None:
    assert connections_of([{POOL: "a"}] * 3, wait_seconds=0.05, manner=manner) == 3


def test_caches_are_asked_to_stay_out(tmp_path: Path) -> None:
    proxy = Proxy(0)
    proxy.dice.choice = lambda _: "once"  # type: ignore[method-assign]
    with serving_plainly(proxy) as url:
        Desk(None, url, tmp_path, PLACES[:1]).capture(DAY)
    pages = [head for head in proxy.heads if b"offset=" in head]
    assert pages
    assert all(b"cache-control: no-cache" in head.lower() for head in pages)
    assert HEADERS["Cache-Control"] == "no-cache"


def page_of(region: str, *names: str) -> bytes:
    rows = [{"task_id": name, "region": region} for name in names]
    return json.dumps({"request_id": "r", "total": len(rows), "task_infos": rows}).encode()


@pytest.fixture
def service(tmp_path: Path):
    service = PlainService()
    with serving_plainly(service) as url:
        yield service, Desk(None, url, tmp_path, PLACES[:1], extra="max_attempts = 1")


def listed(desk: Desk, day: date) -> tuple[str, int, str | None]:
    verdict = read_capture(desk.lake.raw_file(day, PLACES[0].project_id, PLACES[0].region)).verdict
    return verdict.verdict, verdict.requests, verdict.evidence


def test_a_page_whose_tasks_name_another_region_is_read_again_and_what_repeats_is_noted(service) -> None:
    from pulltasks.run.order import snapshot

    service, desk = service
    days = [date(2026, 11, n) for n in (22, 23, 24)]
    own, foreign = page_of(REGIONS["old"], "a", "b"), page_of(REGIONS["other"], "a", "b")
    answers = {0: own, 1: foreign, 2: own, 3: foreign, 4: foreign}
    service.answers[PLACES[0].project_id] = lambda n: (200, {}, answers[n])
    for day in days:
        snapshot(desk.settings, day, desk.clock, simulated=True)
    assert listed(desk, days[0]) == ("complete", 1, "one page holds all; every total is 2")  # nothing is known yet
    assert listed(desk, days[1]) == ("complete", 2, "one page holds all; every total is 2")
    verdict, requests, evidence = listed(desk, days[2])
    assert (verdict, requests) == ("complete", 2)
    assert evidence is not None
    assert evidence.endswith("tasks of a region not seen before (cn-east-3), read twice")


def test_nobody_at_the_address_is_said_so(tmp_path) -> None:
    settings = config.load(write_config(tmp_path, "http://127.0.0.1:9", BEIJING))
    (result,), heard = ask(settings)
    assert isinstance(result, TransientApiError)
    assert result.reason == "unreachable"
    assert len(heard.tries) == settings.api.max_attempts


GOOD, BAD = (Place(f"{n}" * 32, "cn-north-4", 3, name=name) for n, name in ((2, "good"), (1, "bad")))

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

    large = PlainService()
    large.answers[BAD.project_id] = lambda _: (200, {}, b"x" * 3_000_000)
    with serving_plainly(large) as url:
        asyncio.run(go(url))
    assert most[0] == 2


def proxy_for(monkeypatch: pytest.MonkeyPatch, value: str, address: str) -> str | None:
    monkeypatch.setenv("HTTPS_PROXY", value)

    async def go() -> str | None:
        transport = AiohttpTransport(1)
        try:
            transport.check_proxy(address)
            import httpx

            return transport._proxy(httpx.URL(address))
        finally:
            await transport.aclose()

    return asyncio.run(go())


@pytest.mark.parametrize(
    ("value", "proxy"),
    [
        ("http://h:1", "http://h:1"),
        ("h:1", "http://h:1"),
        ("localhost:1", "http://localhost:1"),
        ("https://u:p@h", "https://u:p@h"),
        ("", None),
    ],
)
def test_a_proxy_is_taken_as_curl_takes_it(monkeypatch: pytest.MonkeyPatch, value: str, proxy: str | None) -> None:
    assert proxy_for(monkeypatch, value, "https://live.example.com") == proxy
    assert proxy_for(monkeypatch, value, "https://127.0.0.1:9") is None


@pytest.mark.parametrize("value", ["socks5://h", "socks5h://h:1", "SOCKS4://h", "ftp://h"])
def test_a_proxy_of_another_kind_is_named_before_anything_is_asked(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    with pytest.raises(ConfigError, match="only HTTP proxies are supported"):
        proxy_for(monkeypatch, value, "https://live.example.com")
    assert proxy_for(monkeypatch, value, "https://127.0.0.1:9") is None
