"""The sandbox's HTTP server: ListPullTasks and two IAM calls, on loopback only.

Lives here: routes, throttling, planned faults.
Does not live here: the tasks (data), keys and tokens (accounts), the documented refusals (replies).
"""

from __future__ import annotations

import random
import socket
import threading
import time as clock_time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from email.utils import format_datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, get_args
from urllib.parse import parse_qsl

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from pulltasks.huawei.simulation import DATE_HEADER, SANDBOX_HEADER
from pulltasks.sandbox.accounts import Accounts
from pulltasks.sandbox.data import Place, tasks_on
from pulltasks.sandbox.replies import REFUSALS, Reply, refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from starlette.requests import Request

# The documented ones: https://support.huaweicloud.com/intl/en-us/api-live/ListPullTasks.html
DEFAULT_LIMIT, MAX_LIMIT = 10, 100

Fault = Literal[
    "forbidden",  # 403: the permission is missing
    "project_unavailable",  # 403: the gateway does not serve the project
    "region_not_allowed",  # 403: the service is not offered to this user in the region
    "unavailable",  # 503
    "maintenance",  # 400 with one of the service's temporary codes
    "throttled",  # 429
    "empty_object",  # 200 with {}
    "html",  # 200 with a page of a portal
    "torn_json",  # 200 with half an answer
    "null_tasks",  # 200 with task_infos: null beside a total
    "short_page",  # pages after the first lack a row
    "capped",  # no rows after the 110th, although total counts them
    "page_index",  # offset counts pages
    "no_total",  # answers without total
    "churn",  # one task appears or ends before each answer
    "shuffled",  # another order in each answer
    "lost",  # one task is missing from lists, but found by its id
]
FAULTS: tuple[Fault, ...] = get_args(Fault)
_CAP = 110


_Row = tuple[str, bytes]  # a task's id, and the task as JSON


@dataclass
class Sandbox:
    """The state of one server.

    `faults` maps `(project_id, day)`, or `(project_id, None)` for every day, to a planned fault.
    """

    places: tuple[Place, ...]
    seed: int = 1
    accounts: Accounts = field(default_factory=Accounts)
    faults: dict[tuple[str, date | None], Fault] = field(default_factory=dict)
    requests_per_second: float | None = None
    retry_after_seconds: int | None = 1
    latency_seconds: float = 0.0
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def __post_init__(self) -> None:
        """Start without any requests."""
        self.log: list[tuple[str, str, str, int]] = []  # method, path, query, status
        self._window: tuple[int, int] = (0, 0)
        self._lock = threading.Lock()
        self._dice = random.Random(self.seed)  # noqa: S311 - made-up disturbances
        self._churned: dict[tuple[str, date], list[_Row]] = {}
        self._rows = lru_cache(maxsize=max(64, 2 * len(self.places)))(self._rendered_rows)  # of two days

    def app(self) -> Starlette:
        """Return the ASGI application."""
        return Starlette(
            routes=[
                Route("/v1/{project_id}/pull/stream/task", self._list_pull_tasks, methods=["GET"]),
                Route("/v3/auth/tokens", self._create_token, methods=["POST"]),
                Route("/v3/auth/projects", self._list_projects, methods=["GET"]),
                Route("/{path:path}", self._no_such_api, methods=["GET", "POST", "PUT", "DELETE"]),
            ]
        )

    async def _list_pull_tasks(self, request: Request) -> Response:
        if self.latency_seconds:
            import asyncio

            await asyncio.sleep(self.latency_seconds)
        project_id = request.path_params["project_id"]
        refused = self._throttled() or await self.accounts.refusal_of(request, project_id, self.now())
        return self._answer(request, refused or self._page(request, project_id))

    def _page(self, request: Request, project_id: str) -> Reply:
        query = dict(parse_qsl(request.url.query, keep_blank_values=True))
        day = self._day(request)
        fault = self.faults.get((project_id, day)) or self.faults.get((project_id, None))
        if fault in REFUSALS:
            return REFUSALS[fault]
        region = query.get("region")
        places = [p for p in self.places if p.project_id == project_id and region in {None, p.region}]
        if not places:
            return refusal(403, "APIGW.0310", "The project is unavailable")
        try:
            offset, limit = int(query.get("offset", 0)), int(query.get("limit", DEFAULT_LIMIT))
        except ValueError:
            offset, limit = -1, -1
        if not (0 <= offset < 1 << 31 and 1 <= limit <= MAX_LIMIT):
            return refusal(400, "LIVE.100011001", "Request Illegal")
        rows = [row for place in places for row in self._rows(place, day)]
        if "task_id" in query:
            rows = [row for row in rows if row[0] == query["task_id"]]
            return _listing(rows, rows, fault) if rows else refusal(404, "LIVE.100011001", "Request Illegal")
        rows = self._disturbed(rows, fault, (project_id, day))
        start = offset * limit if fault == "page_index" else offset
        page = rows[: _CAP if fault == "capped" else None][start : start + limit]
        if fault == "short_page" and offset > 0:
            page = page[:-1]
        return _listing(page, rows, fault)

    def _disturbed(self, rows: list[_Row], fault: Fault | None, list_key: tuple[str, date]) -> list[_Row]:
        """Return the rows of the list as this answer shows them, after a fault that changes lists."""
        if fault == "lost":
            return rows[:3] + rows[4:]
        if fault == "shuffled":
            return self._dice.sample(rows, len(rows))
        if fault == "churn":
            rows = self._churned.setdefault(list_key, list(rows))
            at = self._dice.randrange(len(rows) + 1)
            if self._dice.random() < 0.5 or at == len(rows):  # noqa: PLR2004 - both equally often
                task = msgspec.json.decode(rows[at - 1][1]) | {
                    "task_id": str(uuid.UUID(int=self._dice.getrandbits(128)))
                }
                rows.insert(at, (task["task_id"], msgspec.json.encode(task)))
            else:
                rows.pop(at)
        return rows

    def render(self, day: date) -> None:
        """Create the tasks of `day` now, so that no answer waits for them."""
        for place in self.places:
            self._rows(place, day)

    def _rendered_rows(self, place: Place, day: date) -> list[_Row]:
        return [(task["task_id"], msgspec.json.encode(task)) for task in tasks_on(self.seed, place, day)]

    def _day(self, request: Request) -> date:
        """Return the day that the client names, else today; made-up data exists for any day."""
        named = request.headers.get(DATE_HEADER)
        return date.fromisoformat(named) if named else self.now().date()

    def _throttled(self) -> Reply | None:
        if self.requests_per_second is None:
            return None
        with self._lock:
            second = int(self.now().timestamp())
            count = self._window[1] + 1 if self._window[0] == second else 1
            self._window = (second, count)
        if count <= self.requests_per_second:
            return None
        text = f"The throttling threshold has been reached: limit:{self.requests_per_second:g},time:1 second"
        wait = {} if self.retry_after_seconds is None else {"Retry-After": str(self.retry_after_seconds)}
        return refusal(429, "APIGW.0308", text, wait)

    async def _create_token(self, request: Request) -> Response:
        return self._answer(request, self.accounts.create_token(await request.body(), self.now()))

    async def _list_projects(self, request: Request) -> Response:
        refused = await self.accounts.refusal_of(request, None, self.now())
        # Every account has pseudo-projects such as MOS beside those of its regions.
        names = [(p.project_id, p.name or p.region) for p in self.places] + [("0" * 32, "MOS")]
        projects = [{"id": key, "name": name, "enabled": True} for key, name in names]
        return self._answer(request, refused or Reply(200, msgspec.json.encode({"projects": projects})))

    async def _no_such_api(self, request: Request) -> Response:
        return self._answer(request, refusal(404, "APIGW.0101", "The API does not exist or has not been published"))

    def _answer(self, request: Request, reply: Reply) -> Response:
        self.log.append((request.method, request.url.path, request.url.query, reply.status))
        request_id = str(uuid.uuid4())
        headers = {
            "Date": format_datetime(self.now(), usegmt=True),
            "X-Request-Id": request_id,
            SANDBOX_HEADER: "made-up data",
            DATE_HEADER: self._day(request).isoformat(),
            **reply.headers,
        }
        body = reply.body.replace(b"%s", request_id.encode(), 1)
        return Response(body, reply.status, headers, media_type="application/json")


def _listing(page: list[_Row], rows: list[_Row], fault: Fault | None) -> Reply:
    total = b"" if fault == "no_total" else b'"total":%d,' % len(rows)
    tasks = b"null" if fault == "null_tasks" else b"[" + b",".join(row[1] for row in page) + b"]"
    body = b'{"request_id":"%s",' + total + b'"task_infos":' + tasks + b"}"
    return Reply(200, body[: len(body) // 2] if fault == "torn_json" else body)


def loopback_socket(port: int = 0) -> socket.socket:
    """Return a listening socket on this machine only; port 0 takes a free one."""
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(128)
    return listener


def server_for(sandbox: Sandbox, certificate: tuple[str, str] | None = None) -> uvicorn.Server:
    """Return a uvicorn server without an access log; `certificate` has the paths of a certificate and its key."""
    cert, key = certificate or (None, None)
    config = uvicorn.Config(
        sandbox.app(),
        log_level="warning",
        access_log=False,
        lifespan="off",
        date_header=False,  # the sandbox sends its own clock
        ssl_certfile=cert,
        ssl_keyfile=key,
    )
    return uvicorn.Server(config)


@contextmanager
def serving(sandbox: Sandbox, certificate: tuple[str, str] | None = None) -> Iterator[str]:
    """Serve in a thread on a free port while the context lasts, and yield `http://127.0.0.1:PORT`."""
    listener = loopback_socket()
    server = server_for(sandbox, certificate)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        while not server.started:
            clock_time.sleep(0.005)
        yield f"{'https' if certificate else 'http'}://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        listener.close()
