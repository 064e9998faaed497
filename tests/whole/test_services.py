"""Services made up at random, over HTTP: none is called complete while it hides a task, unless no answer betrays it."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from desk import Desk
from plain_service import PlainService, serving_plainly
from pulltasks.huawei.simulation import DATE_HEADER, SANDBOX_HEADER
from pulltasks.lake.tidy import open_tidy
from pulltasks.proof.pages import Rules
from pulltasks.sandbox.data import Place

DAY = date(2026, 11, 22)


@dataclass
class Odd:
    """How one service behaves; each trait is drawn by itself.

    Attributes:
        size: tasks in the list.
        total: what it says: the truth, nothing, at most 10,000, the rows it shows, text, a number that is too small.
        rows_a_page: it shows no more, whatever is asked for.
        cap: rows behind this are never shown.
        unit: what offset counts.
        hidden: every so-manieth task is left out of all pages.
        twice: every so-manieth row stands twice.
        error: said beside every answer.
        torn: one answer in so many is no answer at all.
        empty_at: the answer of this number is an empty list.
        stale_page: pages beyond the first are those of a list that was shorter by so many.
    """

    seed: int
    dice: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self.dice = dice = random.Random(self.seed)
        rarely = dice.random
        self.size = dice.choice((0, 1, 40, 99, 100, 101, 195, 230, 300, 470))
        self.total = dice.choice(("true", "true", "true", "none", "none", "shown", "text", "small"))
        self.rows_a_page = dice.choice((1, 2, 50, 99)) if rarely() < 0.25 else 100
        self.cap = dice.choice((50, 100, 200, 250)) if rarely() < 0.2 else None
        self.unit = dice.choice(("rows", "rows", "rows", "pages", "pages_from_1", "ignored"))
        self.hidden = dice.choice((7, 50)) if rarely() < 0.15 else 0
        self.twice = dice.choice((7, 50)) if rarely() < 0.15 else 0
        self.error = dice.choice(({"error_code": "LIVE.1"}, {"code": 200}, {"error": {}})) if rarely() < 0.2 else {}
        self.torn = 4 if rarely() < 0.15 else 0
        self.empty_at = dice.randrange(4) if rarely() < 0.15 else None
        self.stale_by = dice.choice((30, 120)) if rarely() < 0.15 else 0
        self.answers = 0

    @property
    def truth(self) -> set[str]:
        return {f"task-{n:03}" for n in range(self.size)}

    @property
    def leaves_no_trace(self) -> bool:
        """Rows that it always leaves out and does not count, or a list of half the tasks that counts as many."""
        is_uncounted = self.total in {"none", "shown"}
        is_half = self.total == "small" and self.size // 2 in {self.rows_a_page, self.cap, self.empty_at}
        return (bool(self.hidden or self.cap or self.stale_by) and is_uncounted) or is_half

    def answer(self, query: dict[str, str]) -> tuple[int, bytes]:
        number, self.answers = self.answers, self.answers + 1
        if self.torn and self.dice.randrange(self.torn) == 0:
            return 200, b'{"request_id":"r","task_infos":[{"task_'
        rows = sorted(self.truth)
        if "task_id" in query:
            found = [{"task_id": query["task_id"]}] if query["task_id"] in rows else []
            return (200, self.body(found, 1)) if found else (404, b'{"error_code":"LIVE.1"}')
        offset, limit = int(query["offset"]), int(query["limit"])
        if self.stale_by and offset:
            rows = rows[: max(0, self.size - self.stale_by)]
        if self.hidden:
            rows = [row for n, row in enumerate(rows) if n % self.hidden != 1]
        if self.twice:
            rows = [row for n, row in enumerate(rows) for _ in range(2 if n % self.twice == 1 else 1)]
        shown = rows[: self.cap]
        first = {"rows": offset, "pages": offset * limit, "pages_from_1": max(offset - 1, 0) * limit, "ignored": 0}[
            self.unit
        ]
        page = [] if number == self.empty_at else shown[first : first + min(limit, self.rows_a_page)]
        listed = self.size - (self.stale_by if offset else 0)
        total: object = {"true": listed, "none": None, "shown": len(shown), "text": str(listed), "small": listed // 2}[
            self.total
        ]
        return 200, self.body([{"task_id": row} for row in page], total)

    def body(self, rows: list[dict], total: object) -> bytes:
        said = {} if total is None else {"total": total}
        return json.dumps({"request_id": "r", "task_infos": rows} | said | self.error).encode()


class OddServices(PlainService):
    """One of them for each project."""

    def __init__(self, odd: dict[str, Odd]) -> None:
        super().__init__()
        self.odd = odd

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                parts = urlsplit(head.split(b" ", 2)[1].decode())
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                odd = self.odd.get([*parts.path.split("/"), "", ""][2])
                status, body = odd.answer(query) if odd else (200, b"{}")
                headers = f"{SANDBOX_HEADER}: 1\r\n{DATE_HEADER}: {DAY}\r\nContent-Length: {len(body)}\r\n"
                writer.write(f"HTTP/1.1 {status} x\r\n{headers}\r\n".encode() + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()


def check(folder: Path, seeds: range) -> tuple[int, int]:
    """How many of some services are complete, and how many of these lack a task that no answer betrays."""
    odd = {f"{seed:032x}": Odd(seed) for seed in seeds}
    places = tuple(Place(project, "cn-north-4", 0) for project in odd)
    with serving_plainly(OddServices(odd)) as url:
        desk = Desk(None, url, folder, places, extra="max_attempts = 2")
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("pulltasks.capture.attempt.Rules", partial(Rules, max_pages=400))
            results = desk.run(DAY)
    with open_tidy(desk.lake) as connection:
        rows = connection.sql("select project_id, task_id from pull_tasks where capture_complete").fetchall()
    complete = hidden = 0
    for result in results:
        service = odd[result.target.project_id]
        shown = {task_id for project_id, task_id in rows if project_id == result.target.project_id}
        if result.verdict == "complete":
            complete += 1
            hidden += not shown >= service.truth
            assert shown <= service.truth
            assert shown >= service.truth or service.leaves_no_trace, vars(service)
    return complete, hidden


def test_services_made_up_at_random_are_complete_only_if_they_are(tmp_path: Path) -> None:
    complete, _ = check(tmp_path, range(25))
    assert complete >= 3


@pytest.mark.slow
def test_a_hundred_and_more_of_them(tmp_path: Path) -> None:
    complete, hidden = check(tmp_path, range(100, 400))
    print(f"{complete} of 300 complete, {hidden} of these without a task that no answer betrays")
    assert complete > 30
