"""Asking a service through the client as a capture does: a sandbox, or planned answers; no test by itself."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from datetime import UTC, datetime

from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from desk import BEIJING, write_config
from pulltasks import config
from pulltasks.huawei.client import LiveClient
from pulltasks.sandbox.server import Sandbox, serving


class Heard:
    """A recorder that remembers."""

    def __init__(self) -> None:
        self.tries: list[bool] = []
        self.statuses: list[int] = []

    def sent(self, *, is_retry: bool) -> None:
        self.tries.append(is_retry)

    def received(self, answer) -> None:
        self.statuses.append(answer.status)


def ask(settings, *, times: int = 1, targets=None, now=lambda: datetime.now(UTC), query=None):
    """Ask for the first page so many times at once; returns what each ended with, and what was heard."""
    heard = Heard()

    async def go():
        async with LiveClient(settings, now) as client:
            asked = [
                client.get_pull_tasks(target, query or {"offset": 0, "limit": 10, "region": target.region}, heard)
                for _ in range(times)
                for target in targets or settings.targets[:1]
            ]
            return await asyncio.gather(*asked, return_exceptions=True)

    return asyncio.run(go()), heard


@contextmanager
def service(sandbox: Sandbox, tmp_path, *, extra: str = ""):
    with serving(sandbox) as url:
        yield config.load(write_config(tmp_path, url, *sandbox.places, extra=extra))


class Scripted:
    """A server that gives planned answers, then 200."""

    def __init__(self, *answers: Response) -> None:
        self.answers = list(answers)

    def app(self) -> Starlette:
        return Starlette(routes=[Route("/{path:path}", self.answer)])

    async def answer(self, request) -> Response:
        ok = Response('{"request_id":"r","total":0,"task_infos":[]}', media_type="application/json")
        return self.answers.pop(0) if self.answers else ok


REQUEST_ID = "0123456789abcdef0123456789abcdef"


def error(status: int, code: str, headers: dict[str, str] | None = None) -> Response:
    body = f'{{"error_code":"{code}","error_msg":"some words","request_id":"{REQUEST_ID}"}}'
    return Response(body, status, {"X-Request-Id": REQUEST_ID, **(headers or {})}, media_type="application/json")


def scripted(tmp_path, *answers: Response):
    with serving(Scripted(*answers)) as url:
        settings = config.load(write_config(tmp_path, url, BEIJING))
        (result,), heard = ask(settings)
        return result, heard
