"""A service whose manners are chosen one by one, as a function and on loopback; no test by itself."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from desk import BEIJING
from pulltasks.doctor.manners import Question, first_query, judge, later_queries
from pulltasks.errors import ApiError
from pulltasks.huawei.reading import says_error
from pulltasks.huawei.refusals import Answer, api_error
from pulltasks.sandbox.replies import Reply
from pulltasks.sandbox.server import Sandbox
from pulltasks.settings import Target

if TYPE_CHECKING:
    from pulltasks.doctor.manners import BodyOrError
    from pulltasks.lake.manners import Manners

TARGET = Target(project_id=BEIJING.project_id, region=BEIJING.region)
UNKNOWN_ID = "7f3c1d2e-0000-4000-8000-000000000001"
Body = tuple[int, bytes]


def refused(status: int, code: str = "LIVE.100011001", message: str = "Request Illegal") -> Body:
    return status, json.dumps({"error_code": code, "error_msg": message, "request_id": "r"}).encode()


def listed(tasks: list[dict[str, Any]], total: int | None, **beside: object) -> Body:
    said = {} if total is None else {"total": total}
    return 200, json.dumps({"request_id": "r", **said, "task_infos": tasks, **beside}).encode()


@dataclass
class Service:
    """Answers a query; a manner that is a `Body` is the answer itself."""

    tasks: int = 20
    unknown_id: str | Body = field(default_factory=lambda: refused(404))
    past_the_end: str | Body = "empty"
    offset: str | Body = "rows"
    region: str | Body = "filters"
    known_id: str | Body = "filters"
    total: str = "follows"
    largest_page: int = 100
    beside: dict[str, object] = field(default_factory=dict)
    in_a_task: dict[str, object] = field(default_factory=dict)

    def list(self, region: str = BEIJING.region) -> list[dict[str, Any]]:
        mark = "" if region == BEIJING.region else region
        return [{"task_id": f"{mark}t{n}", "region": region, **self.in_a_task} for n in range(self.tasks)]

    def answer(self, query: dict[str, Any]) -> Body:
        """Return status and body."""
        if "task_id" in query:
            return self._by_id(query["task_id"], int(query["limit"]))
        if query["region"] != BEIJING.region and self.region != "ignored":
            lists = {"filters": ([], 0), "others": (self.list(query["region"]), self.tasks)}
            return self.region if isinstance(self.region, tuple) else self._listed(*lists[self.region])
        return self._page(int(query["offset"]), min(int(query["limit"]), self.largest_page))

    def _by_id(self, task_id: str, limit: int) -> Body:
        found = [row for row in self.list() if row["task_id"] == task_id]
        kind = self.known_id if found else self.unknown_id
        if isinstance(kind, tuple):
            return kind
        return self._listed(self.list()[:limit], self.tasks) if kind == "all" else self._listed(found, len(found))

    def _page(self, offset: int, limit: int) -> Body:
        rows = self.list()
        if offset > len(rows):
            kind = self.past_the_end
            last = {"empty": [], "repeats": rows[-limit:], "begins again": rows[:limit]}
            return kind if isinstance(kind, tuple) else self._listed(last[kind], len(rows))
        if offset and isinstance(self.offset, tuple):
            return self.offset
        begin = {"rows": offset, "pages": offset * limit, "ignored": 0}[str(self.offset)] if offset else 0
        return self._listed(rows[begin : begin + limit], len(rows))

    def _listed(self, rows: list[dict[str, Any]], total: int) -> Body:
        of_answer = {"follows": total, "stays": self.tasks, "absent": None, "odd": total + 7 if total == 1 else total}
        return listed(rows, of_answer[self.total], **self.beside)


def said(body: Body) -> BodyOrError:
    """Return an answer as the client gives it."""
    status, content = body
    if status == 200 and not says_error(content):
        return content
    now = datetime.now(UTC)
    return api_error(TARGET, Answer(status, content, None, None, None, None, now, now))


def asked(service: Service) -> Manners:
    """Return what a probe without a network learns of a service."""
    answers = {Question.FIRST_PAGE: said(service.answer(first_query(BEIJING.region)))}
    first = answers[Question.FIRST_PAGE]
    if not isinstance(first, ApiError):
        queries = later_queries(first, BEIJING.region, UNKNOWN_ID)
        answers |= {question: said(service.answer(query)) for question, query in queries.items()}
    return judge(answers)


@dataclass
class MannerlySandbox(Sandbox):
    """The sandbox with its signatures and its log, and lists of another service."""

    service: Service = field(default_factory=Service)

    def _page(self, request: Any, project_id: str) -> Reply:
        return Reply(*self.service.answer(dict(parse_qsl(request.url.query))))
