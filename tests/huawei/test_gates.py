"""A refusal is believed of what was refused: of one target, or of the credential once nothing else accepts it either."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from desk import BEIJING, Desk, write_config
from live_client import ask, service
from plain_service import PlainService, serving_plainly
from pulltasks import config
from pulltasks.errors import ApiError, CredentialRefused
from pulltasks.huawei.client import LiveClient
from pulltasks.huawei.gates import MAX_FAILED_SIGNATURES, Turns
from pulltasks.huawei.pace import Pace
from pulltasks.run.order import snapshot
from pulltasks.sandbox.data import Place
from pulltasks.sandbox.server import Sandbox

UNAUTHORISED = (401, {}, b'{"error_code":"APIGW.0301","error_msg":"Incorrect IAM authentication information: x"}')


def project(number: int) -> str:
    return f"{number:032x}"


class Nobody:
    def sent(self, *, is_retry: bool) -> None: ...

    def received(self, answer) -> None: ...


class Keyed(PlainService):
    """Answers slowly, counts what it refuses; some projects refuse always, and all from a moment on."""

    def __init__(self, refusing: set[str] = frozenset(), revoked_after: int | None = None, seed: int = 0) -> None:
        super().__init__()
        self.refusing, self.revoked_after = refusing, revoked_after
        self.asked: list[str] = []
        self.refused = 0
        self.dice = random.Random(seed)

    async def serve(self, reader, writer) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                path = head.split(b" ", 2)[1].decode()
                self.asked.append(path.split("/")[2] if path.count("/") > 1 else "")
                is_revoked = self.revoked_after is not None and len(self.asked) > self.revoked_after
                refuses = is_revoked or self.asked[-1] in self.refusing
                self.refused += refuses
                await asyncio.sleep(self.dice.random() * 0.02)
                rows = [{"task_id": f"{self.asked[-1][-3:]}-{n}"} for n in range(300)]
                query = dict(pair.split("=") for pair in path.partition("?")[2].split("&"))
                page = rows[int(query["offset"]) :][: int(query["limit"])]
                body = json.dumps({"request_id": "r", "total": 300, "task_infos": page}).encode()
                writer.write(self._reply(UNAUTHORISED if refuses else (200, {}, body)))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    @staticmethod
    def _reply(answer) -> bytes:
        status, _, body = answer
        return f"HTTP/1.1 {status} x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def ask_all(
    tmp_path: Path, service: Keyed, count: int, *, times: int = 1, extra: str = "max_concurrency = 5\n"
) -> list:
    """Ask for the first page of so many projects, so many times each, all at once."""
    places = [Place(project(n), "cn-north-4", 1) for n in range(1, count + 1)]

    async def go(settings) -> list:
        async with LiveClient(settings, lambda: datetime.now(UTC)) as client:
            calls = [
                client.get_pull_tasks(target, {"offset": 0, "limit": 100, "region": target.region}, Nobody())
                for _ in range(times)
                for target in settings.targets
            ]
            return await asyncio.gather(*calls, return_exceptions=True)

    with serving_plainly(service) as url:
        return asyncio.run(go(config.load(write_config(tmp_path, url, *places, extra=extra))))


@pytest.mark.parametrize("revoked_after", [0, 1, 2, 3, 7, 20, 40])
@pytest.mark.parametrize("extra", ["max_concurrency = 5\n", "max_concurrency = 50\n"])
def test_a_key_that_is_revoked_is_refused_five_times_at_most_whatever_is_in_flight(
    tmp_path: Path, revoked_after: int, extra: str
) -> None:
    service = Keyed(revoked_after=revoked_after, seed=revoked_after)
    results = ask_all(tmp_path, service, 6, times=10, extra=extra)
    assert service.refused <= (2 if revoked_after == 0 else MAX_FAILED_SIGNATURES)
    refused = [result for result in results if isinstance(result, Exception)]
    assert len(refused) >= 60 - revoked_after
    assert any(isinstance(result, CredentialRefused) for result in refused)


@pytest.mark.parametrize("place", [1, 2, 4, 6])
def test_a_401_of_one_target_fails_that_target_alone(tmp_path: Path, place: int) -> None:
    service = Keyed({project(place)})
    results = ask_all(tmp_path, service, 6)
    (bad,) = [result for result in results if isinstance(result, Exception)]
    assert (bad.reason, project(place) in str(bad), isinstance(bad, CredentialRefused)) == (
        "target_unauthorised",
        True,
        False,
    )
    assert service.refused == 1


def test_several_refused_targets_cost_the_others_nothing(tmp_path: Path) -> None:
    service = Keyed({project(2), project(3), project(5)})
    results = ask_all(tmp_path, service, 8)
    assert [result.reason for result in results if isinstance(result, ApiError)] == ["target_unauthorised"] * 3
    assert len([result for result in results if not isinstance(result, Exception)]) == 5
    assert service.refused == 3


def test_a_key_that_has_proven_nothing_is_tried_once_more_for_another_project(tmp_path: Path) -> None:
    everybody = {project(n) for n in range(1, 7)}
    service = Keyed(everybody)
    results = ask_all(tmp_path, service, 6)
    assert all(isinstance(result, CredentialRefused) for result in results)
    assert len(service.asked) == len(set(service.asked)) == 2


def test_where_there_is_no_other_project_one_refusal_is_enough(tmp_path: Path) -> None:
    service = Keyed({project(1)})
    (result,) = ask_all(tmp_path, service, 1)
    assert (isinstance(result, CredentialRefused), service.refused) == (True, 1)


def test_after_two_refusals_in_a_row_a_target_that_had_been_good_is_asked(tmp_path: Path) -> None:
    """The good one is asked alone; as it is accepted, two refused targets are what is refused."""
    service = Keyed({project(2), project(3)})
    ask_all(tmp_path, service, 3, extra="max_concurrency = 1\n")
    assert service.asked == [project(n) for n in (1, 2, 3, 1)]


def test_a_run_publishes_the_others_and_names_the_refused_one(tmp_path: Path) -> None:
    service = PlainService()
    places = [Place(project(n), "cn-north-4", 3) for n in range(1, 5)]
    for place in places:
        rows = json.dumps({"request_id": "r", "total": 1, "task_infos": [{"task_id": "t"}]}).encode()
        service.answers[place.project_id] = lambda _, rows=rows: (200, {}, rows)
    service.answers[project(3)] = lambda _: UNAUTHORISED
    with serving_plainly(service) as url:
        desk = Desk(None, url, tmp_path, tuple(places))
        result = snapshot(desk.settings, datetime(2026, 11, 22, tzinfo=UTC).date(), desk.clock, simulated=True)
    found = {target.project_id: (target.coverage, target.reason) for target in result.status.targets}
    assert found.pop(project(3)) == ("failed", "target_unauthorised")
    assert set(found.values()) == {("complete", None)}


def test_all_results_are_read_before_one_error_ends_a_listing(tmp_path: Path, capfd) -> None:
    """Page 0 is whole, the others are refused together: no error goes unheard, and none is printed."""
    service = PlainService()
    places = [Place(project(n), "cn-north-4", 3) for n in range(1, 4)]
    rows = [{"task_id": f"t{n:04}"} for n in range(900)]
    first = json.dumps({"request_id": "r", "total": 900, "task_infos": rows[:100]}).encode()
    for place in places:
        service.answers[place.project_id] = lambda number: (200, {}, first) if number == 0 else (403, {}, b"{}")
    with serving_plainly(service) as url:
        desk = Desk(None, url, tmp_path, tuple(places), extra="max_attempts = 1")
        result = snapshot(desk.settings, datetime(2026, 11, 22, tzinfo=UTC).date(), desk.clock, simulated=True)
    assert {target.reason for target in result.status.targets} == {"forbidden"}
    assert "Traceback" not in capfd.readouterr().err


def test_no_more_than_the_allowed_number_is_in_flight(tmp_path) -> None:
    sandbox, depth, deepest = Sandbox((BEIJING,), latency_seconds=0.01), 0, 0

    async def counted(request):
        nonlocal depth, deepest
        depth += 1
        deepest = max(deepest, depth)
        response = await original(request)
        depth -= 1
        return response

    original, sandbox._list_pull_tasks = sandbox._list_pull_tasks, counted
    with service(sandbox, tmp_path, extra="max_concurrency = 3\n") as settings:
        ask(settings, times=30)
    assert deepest == 3


@contextmanager
def clock_without_waiting(begin: float) -> Iterator[list[float]]:
    """Let the event loop's clock show a list's only number, which each sleep moves forwards."""
    moment = [begin]

    async def sleep(seconds: float) -> None:
        moment[0] += seconds

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio.get_running_loop(), "time", lambda: moment[0])
        patch.setattr(asyncio, "sleep", sleep)
        yield moment


def test_requests_of_a_project_are_spread_over_time() -> None:
    async def go() -> list[float]:
        starts = []
        with clock_without_waiting(100.0) as moment:
            turns = Turns(Pace(moment[0], 5, per_second=4, saved_s=1.0))
            for _ in range(12):
                await turns.take()
                starts.append(moment[0] - 100)
        return starts

    starts = asyncio.run(go())
    assert starts[:4] == [0, 0, 0, 0]  # what was saved up
    assert starts[4:] == pytest.approx([0.25 * n for n in range(1, 9)])


def test_while_the_service_wants_a_pause_nothing_of_the_project_leaves() -> None:
    async def go() -> float:
        with clock_without_waiting(50.0) as moment:
            turns = Turns(Pace(moment[0], 5, per_second=1000, saved_s=1.0))
            await turns.take()
            turns.pace.pause(moment[0], 30)
            await turns.take()
            return moment[0]

    assert asyncio.run(go()) == pytest.approx(80)
