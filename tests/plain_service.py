"""A service of whole answers on loopback, one function a project; no test by itself."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from pulltasks.huawei.simulation import DATE_HEADER, SANDBOX_HEADER

Answer = tuple[int, dict[str, str], bytes]


def listing(project_id: str, count: int = 3) -> bytes:
    """An honest answer of one page."""
    tasks = [{"task_id": f"{project_id[-6:]}-{n}", "status": "running"} for n in range(count)]
    return json.dumps({"request_id": "r", "total": count, "task_infos": tasks}).encode()


def date_header(offset: timedelta = timedelta()) -> dict[str, str]:
    """The service's clock, which may be off."""
    return {"Date": format_datetime(datetime.now(UTC) + offset, usegmt=True)}


class PlainService:
    """Answers each project by a function that is told how many requests came before; a task by its id with a 404."""

    def __init__(self) -> None:
        self.answers: dict[str, Callable[[int], Answer]] = {}
        self.by_id: Callable[[int], Answer] = lambda _: (404, {}, b'{"error_code":"LIVE.1"}')
        self.by_id_in: dict[str, Callable[[int], Answer]] = {}  # of projects where it is another one
        self.requests: dict[str, int] = {}
        self.streams: dict[str, Callable[[asyncio.StreamWriter], Awaitable[None]]] = {}  # who writes by itself

    def reply(self, head: bytes) -> bytes:
        path = head.split(b" ", 2)[1].decode()
        project = path.split("/")[2] if path.count("/") > 1 else ""
        if project not in self.answers:
            status, headers, body = (200 if not project else 404), {}, b"{}"
        elif "task_id=" in path:
            status, headers, body = self.by_id_in.get(project, self.by_id)(0)
        else:
            number = self.requests[project] = self.requests.get(project, -1) + 1
            status, headers, body = self.answers[project](number)
        simulated = [line for line in head.split(b"\r\n") if line.lower().startswith(DATE_HEADER.lower().encode())]
        headers = {SANDBOX_HEADER: "1", "Content-Length": str(len(body))} | headers
        lines = [f"HTTP/1.1 {status} x".encode(), *(f"{k}: {v}".encode() for k, v in headers.items()), *simulated]
        return b"\r\n".join(lines) + b"\r\n\r\n" + body

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                project = (head.split(b" ", 2)[1].decode().split("/") + [""] * 3)[2]
                if project in self.streams:
                    self.requests[project] = self.requests.get(project, -1) + 1
                    await self.streams[project](writer)
                else:
                    writer.write(self.reply(head))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()


@contextmanager
def serving_plainly(service: PlainService):
    """Serve until the context ends; gives the address."""
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(asyncio.start_server(service.serve, "127.0.0.1", 0))
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        asyncio.run_coroutine_threadsafe(_shut(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _shut(server: asyncio.Server) -> None:
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
