"""Which answers slow a credential down, and what the next run knows of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from desk import BEIJING, Desk, write_config
from live_client import Heard, error
from plain_service import PlainService, listing, serving_plainly
from pulltasks import config
from pulltasks.huawei.client import LiveClient
from pulltasks.huawei.pace import Reached
from pulltasks.lake.run_log import read_runs
from pulltasks.run.order import snapshot
from pulltasks.sandbox.server import serving

DAY = date(2026, 11, 22)
GOOD = "good"
LATE = "late"


class Planned:
    """Answers one after the other as planned; a late answer comes after the client's time-out."""

    def __init__(self, *plan: str | Response) -> None:
        self.plan = list(plan)

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/{path:path}", self.answer)])

    async def answer(self, _: object) -> Response:
        planned = self.plan.pop(0) if self.plan else GOOD
        if planned == LATE:
            await asyncio.sleep(1)
        if isinstance(planned, Response):
            return planned
        return Response('{"request_id":"r","total":0,"task_infos":[]}', media_type="application/json")


def reached_after(tmp_path: Path, *plan: str | Response) -> Reached:
    """Ask once for each planned answer, one after the other, and return the pace that was reached."""

    async def go(settings: config.Settings) -> Reached:
        target = settings.targets[0]
        query: dict[str, str | int] = {"offset": 0, "limit": 10, "region": target.region}
        async with LiveClient(settings, lambda: datetime.now(UTC)) as client:
            for _ in plan:
                await asyncio.gather(client.get_pull_tasks(target, query, Heard()), return_exceptions=True)
            await client.get_pull_tasks(target, query, Heard())
            return client.reached()["default"]

    extra = "max_attempts = 1\ntimeout_seconds = 0.3\n"
    with serving(Planned(*plan)) as url:
        return asyncio.run(go(config.load(write_config(tmp_path, url, BEIJING, extra=extra))))


def throttled() -> Response:
    return error(429, "APIGW.0308", {"Retry-After": "0"})


def unavailable() -> Response:
    return error(503, "APIGW.0501", {"Retry-After": "0"})


@pytest.mark.parametrize(
    ("plan", "refused"),
    [
        ([GOOD, throttled()], 1),
        ([GOOD, unavailable()], 1),
        ([GOOD, LATE], 1),
        ([GOOD, error(403, "APIGW.0302")], 0),
        ([GOOD, error(500, "APIGW.0501")], 0),
        ([GOOD, GOOD], 0),
    ],
    ids=["429", "503", "time-out", "403", "500", "200"],
)
def test_a_429_a_503_and_a_time_out_halve_the_pace_and_nothing_else_does(
    tmp_path: Path, plan: list[str | Response], refused: int
) -> None:
    reached = reached_after(tmp_path, *plan)
    assert (reached.refused, reached.allowed_per_second is not None) == (refused, bool(refused))


@pytest.mark.parametrize(
    ("plan", "refused"), [([throttled()], 1), ([unavailable()], 0), ([LATE], 0)], ids=["429", "503", "time-out"]
)
def test_an_endpoint_that_has_not_answered_yet_slows_nothing_down_but_by_a_429(
    tmp_path: Path, plan: list[str | Response], refused: int
) -> None:
    assert reached_after(tmp_path, *plan).refused == refused


def test_a_pause_of_hours_holds_up_its_project_alone(tmp_path: Path) -> None:
    async def go(settings: config.Settings) -> tuple[float, float]:
        loop, target = asyncio.get_running_loop(), settings.targets[0]
        query: dict[str, str | int] = {"offset": 0, "limit": 10, "region": target.region}
        async with LiveClient(settings, lambda: datetime.now(UTC)) as client:
            await asyncio.gather(client.get_pull_tasks(target, query, Heard()), return_exceptions=True)
            now = loop.time()
            return client._turns[target.project_id].pace.wait_s(now), client._gate(target).pace.wait_s(now)

    with serving(Planned(error(429, "APIGW.0308", {"Retry-After": "7200"}))) as url:
        waits = asyncio.run(go(config.load(write_config(tmp_path, url, BEIJING, extra="max_attempts = 1\n"))))
    assert waits == (pytest.approx(7200, abs=5), 0)


def test_the_next_run_begins_with_the_pace_that_the_last_one_reached(tmp_path: Path) -> None:
    service = PlainService()
    answers = [(429, {"Retry-After": "0"}, b"{}")]
    service.answers[BEIJING.project_id] = lambda _: answers.pop() if answers else (200, {}, listing(BEIJING.project_id))
    with serving_plainly(service) as url:
        desk = Desk(None, url, tmp_path, (replace(BEIJING, task_count=3),))
        for day in range(2):
            assert snapshot(desk.settings, DAY + timedelta(days=day), desk.clock, simulated=True).is_complete
        # a run that asks nothing keeps what is known
        snapshot(desk.settings, DAY + timedelta(days=1), desk.clock, simulated=True)
        snapshot(desk.settings, DAY + timedelta(days=2), desk.clock, simulated=True)
    first, second, idle, third = (run.paces for run in read_runs(desk.lake))
    assert (first["default"].refused, second["default"].refused, third["default"].refused, idle) == (1, 0, 0, {})
    assert first["default"].allowed_per_second
    assert third["default"].allowed_per_second == first["default"].allowed_per_second


def test_while_a_pause_lasts_nothing_leaves_whatever_waited_for_room(tmp_path: Path) -> None:
    """Of many requests that wait, those behind a 429 without `Retry-After` leave after a second, not one by one."""
    seen: list[tuple[float, int]] = []

    class Limited(Planned):
        async def answer(self, request: object) -> Response:
            now = asyncio.get_running_loop().time()
            is_refused = not any(status == 429 for _, status in seen) and len(seen) >= 12
            is_refused = is_refused or any(status == 429 and now - at < 0.5 for at, status in seen)
            seen.append((now, 429 if is_refused else 200))
            await asyncio.sleep(0.3)
            return error(429, "APIGW.0308") if is_refused else await super().answer(request)

    async def go(settings: config.Settings) -> list[object]:
        target = settings.targets[0]
        query: dict[str, str | int] = {"offset": 0, "limit": 10, "region": target.region}
        async with LiveClient(settings, lambda: datetime.now(UTC)) as client:
            calls = [client.get_pull_tasks(target, query, Heard()) for _ in range(60)]
            return await asyncio.gather(*calls, return_exceptions=True)

    with serving(Limited()) as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PULLTASKS_AUTH__TOKEN", "t" * 40)
        extra = 'max_attempts = 5\n[auth]\nmethod = "token"\n'
        answers = asyncio.run(go(config.load(write_config(tmp_path, url, BEIJING, extra=extra))))
    assert not [answer for answer in answers if isinstance(answer, Exception)]
    refused = [at for at, status in seen if status == 429]
    assert [at for at, _ in seen if refused[0] + 0.5 < at < refused[0] + 1.2] == []
