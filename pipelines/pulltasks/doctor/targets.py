"""`pulltasks doctor` and `init`: asking the account what it allows and how its service behaves.

Lives here: the questions, what an answer means, one line of advice for each trouble, the first configuration.
Does not live here: sending (huawei), printing (cli.main); nothing here writes to a lake.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from pulltasks.errors import ApiError, CredentialRefused
from pulltasks.huawei.client import LiveClient
from pulltasks.huawei.pull_tasks import is_of_the_service, read_page
from pulltasks.huawei.reading import read_object, read_time
from pulltasks.names import REGION_PATTERN
from pulltasks.proof.order import Order
from pulltasks.reasons import advice_on

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime

    from pulltasks.huawei.refusals import Answer
    from pulltasks.lake.manners import Probed
    from pulltasks.settings import Settings, Target

MAX_LIMIT = 100
# No task has this id.
UNKNOWN_ID = "00000000-0000-0000-0000-000000000000"
# What a report to the maintainers leaves out: it says something of the account, not of the service.
PRIVATE_QUESTIONS = frozenset({"credential"})
# Beyond this the signature is refused; well before it a clock is worth a word.
WORTH_SAYING_SECONDS = 60
_PROJECT_ID = re.compile(r"[0-9a-f]{32}")
_REGION = re.compile(REGION_PATTERN)


@dataclass(frozen=True)
class Finding:
    """One question and its answer; `advice` is set where something should be done."""

    question: str
    answer: str
    advice: str | None = None


@dataclass(frozen=True)
class Report:
    """What was found about one target; no secret is in it, and no address of a stream."""

    target: str
    findings: tuple[Finding, ...]

    @property
    def is_healthy(self) -> bool:
        """Whether nothing has to be done."""
        return not any(finding.advice for finding in self.findings)


@dataclass
class _Heard:
    """Keeps every answer, good or bad."""

    answers: list[Answer] = field(default_factory=list)

    def sent(self, *, is_retry: bool) -> None:
        """Count nothing."""

    def received(self, answer: Answer) -> None:
        self.answers.append(answer)


async def examine(settings: Settings, now: Callable[[], datetime]) -> list[Report]:
    """Ask each target a few questions, at most eight requests; nothing is changed anywhere.

    Raises:
        ConfigError: when a credential is not to be found.
    """
    async with LiveClient(settings, now) as client:
        return list(await asyncio.gather(*(_examine(client, target) for target in settings.targets)))


async def _examine(client: LiveClient, target: Target) -> Report:
    heard = _Heard()
    findings = [Finding("credential", client.credential_source(target))]

    async def ask(**query: str | int) -> Answer | ApiError:
        try:
            return await client.get_pull_tasks(target, query, heard)
        except ApiError as error:
            return error

    region = target.query_region or target.region
    first = await ask(offset=0, limit=MAX_LIMIT, region=region)
    findings += _clock(heard.answers[:1])
    if isinstance(first, ApiError):
        return Report(target.label, (*findings, *_refusal(first)))
    findings += _permission(first, heard.answers)
    page = read_page(first.content)
    findings.append(Finding(f"limit {MAX_LIMIT}", "accepted"))
    findings += _total(page.total, page.flaw, len(page.ids))
    if page.flaw is not None:
        return Report(target.label, tuple(findings))
    findings += await _paging(ask, page.ids, page.total, region)
    findings.append(_rows_or_refusal(f"limit {MAX_LIMIT + 1}", await ask(offset=0, limit=MAX_LIMIT + 1, region=region)))
    beyond = (page.total or 0) + MAX_LIMIT
    findings.append(_rows_or_refusal("offset past the end", await ask(offset=beyond, limit=MAX_LIMIT, region=region)))
    findings.append(_without_region(await ask(offset=0, limit=MAX_LIMIT), page.total))
    findings.append(_unknown_id(await ask(task_id=UNKNOWN_ID, offset=0, limit=1, region=region)))
    if page.ids:
        known = page.ids[0]
        findings.append(_known_id(known, await ask(task_id=known, offset=0, limit=1, region=region)))
    findings += _order_and_words(first.content)
    return Report(target.label, tuple(findings))


def _clock(answers: Sequence[Answer]) -> list[Finding]:
    for answer in answers:
        said = read_time(answer.date)
        if said is None:
            continue
        skew = (said - answer.received_at).total_seconds()
        if abs(skew) < WORTH_SAYING_SECONDS:
            return [Finding("clock", "agrees with the service's")]
        return [Finding("clock", f"{skew:+.0f} s from the service's", "set this machine's clock (NTP)")]
    return [Finding("clock", "the service said no time")]


def _refusal(error: ApiError) -> list[Finding]:
    code = error.said.error_code or "no code"
    is_signature = isinstance(error, CredentialRefused)
    known = f"HTTP {error.said.status} {code}" if error.said.status else "no answer"
    if is_signature:
        return [Finding("signature", f"refused: {known}", advice_on(error.reason))]
    accepted = [Finding("signature", "accepted")] if error.said.status in {400, 403, 404} else []
    return [*accepted, Finding("listing", f"refused: {known} ({error.reason})", advice_on(error.reason))]


def _permission(first: Answer, answers: Sequence[Answer]) -> list[Finding]:
    milliseconds = (first.received_at - first.sent_at).total_seconds() * 1000
    throttled = sum(answer.status == 429 for answer in answers)  # noqa: PLR2004 - Too Many Requests
    found = [
        Finding("signature", "accepted"),
        Finding("permission live:stream:listPullTask", "granted"),
        Finding("latency", f"{milliseconds:.0f} ms"),
    ]
    if throttled:
        found.append(Finding("throttling", f"{throttled} answers 429", advice_on("throttled")))
    return found


def _total(total: int | None, flaw: str | None, rows: int) -> list[Finding]:
    """What the first page says of itself; more is not asked where it is not understood."""
    if flaw is not None:
        return [Finding("first page", f"not understood ({flaw})", advice_on("unexpected_status"))]
    if total is None:
        return [Finding("total", "not said: listings are proved without it, and silent caps cannot be seen then")]
    return [Finding("total", str(total)), *_as_many_as("first page", rows, min(MAX_LIMIT, total))]


def _as_many_as(question: str, rows: int, expected: int) -> list[Finding]:
    """A page must have the rows that its total lets expect: else no listing can be proved."""
    if rows == expected:
        return []
    answer = f"{rows} rows, where total lets expect {expected}"
    return [Finding(question, answer, "listings will be called incomplete; ask the vendor about paging")]


async def _paging(ask: Callable[..., object], ids: tuple[str, ...], total: int | None, region: str) -> list[Finding]:
    """What `offset` counts: only a list longer than a page can tell."""
    if (len(ids) + 1 if total is None else total) <= MAX_LIMIT:
        return [Finding("offset counts", "unknown (the list fits on one page)")]
    answer = await ask(offset=1, limit=MAX_LIMIT, region=region)  # type: ignore[misc]  # a coroutine of ours
    if isinstance(answer, ApiError):
        return [Finding("offset counts", f"unknown ({answer.reason})")]
    page = read_page(answer.content)
    if set(page.ids) & set(ids):
        expected = len(page.ids) if page.total is None else min(MAX_LIMIT, page.total - 1)
        return [Finding("offset counts", "rows"), *_as_many_as("page at offset 1", len(page.ids), expected)]
    if page.ids:
        return [Finding("offset counts", "pages: listings are then proved by two sweeps that agree")]
    return [Finding("offset counts", "unknown (the second page is empty)", "tell the vendor: total says there is more")]


def _rows_or_refusal(question: str, answer: Answer | ApiError) -> Finding:
    if isinstance(answer, ApiError):
        return Finding(question, f"refused ({answer.said.status} {answer.said.error_code or 'no code'})")
    return Finding(question, f"accepted, {len(read_page(answer.content).ids)} rows came")


def _without_region(answer: Answer | ApiError, total: int | None) -> Finding:
    if isinstance(answer, ApiError):
        return Finding("without region", f"refused ({answer.reason})")
    other = read_page(answer.content).total
    if other == total:
        return Finding("without region", "the same total")
    advice = "tasks may run in other regions: list them with query_region, or add a target"
    return Finding(
        "without region", f"total {other} in place of {total}", advice if (other or 0) > (total or 0) else None
    )


def _unknown_id(answer: Answer | ApiError) -> Finding:
    """Only a 404 with the service's own code lets a task be called gone."""
    question = "answer to an unknown id"
    if isinstance(answer, ApiError):
        code = answer.said.error_code or "no code"
        tells = is_of_the_service(answer)
        return Finding(question, f"{answer.said.status} {code}" + ("" if tells else "; ends of tasks read unchecked"))
    rows = len(read_page(answer.content).ids)
    return Finding(question, f"a list of {rows} rows; ends of tasks read unchecked")


def _known_id(task_id: str, answer: Answer | ApiError) -> Finding:
    question = "answer to a known id"
    if isinstance(answer, ApiError):
        return Finding(question, f"refused ({answer.said.status} {answer.said.error_code or 'no code'})")
    ids = read_page(answer.content).ids
    return Finding(question, "that task" if ids == (task_id,) else f"{len(ids)} rows" + ", not that task alone")


def report_for_maintainers(reports: Sequence[Report], software_version: str, manners: Collection[Probed] = ()) -> bytes:
    """What the account's service answers, without ids, names and addresses, as JSON to be sent to the maintainers.

    Args:
        reports: what was found about each target.
        software_version: of pulltasks.
        manners: what the lake keeps of the service's manners; which target showed them is left out.
    """
    targets = [
        {finding.question: finding.answer for finding in report.findings if finding.question not in PRIVATE_QUESTIONS}
        for report in reports
    ]
    report = {"pulltasks": software_version, "targets": targets, "manners": list(manners)}
    return msgspec.json.format(msgspec.json.encode(report), indent=2)


def _order_and_words(content: bytes) -> list[Finding]:
    infos = (read_object(content) or {}).get("task_infos")
    tasks = [task for task in infos if isinstance(task, dict)] if isinstance(infos, list) else []
    order = Order()
    page = read_page(content)
    order.add(page.ids, page.create_times)
    # words only: what stands behind a separator may be anything
    statuses = Counter(re.split(r"\W", str(task.get("status")))[0] for task in tasks)
    shapes = Counter(
        _shape(task, name) for task in tasks for name in ("callback_events", "end_time", "destination_url")
    )
    zones = {str(task.get("create_time"))[19:] or "none" for task in tasks if task.get("create_time")}
    return [
        Finding("sorted by (first page)", order.witness if len(page.ids) > 1 else "unknown (fewer than two tasks)"),
        Finding("status seen", ", ".join(f"{word} {count}" for word, count in sorted(statuses.items())) or "none"),
        Finding("not set is sent as", ", ".join(f"{k} {n}" for k, n in sorted(shapes.items()) if k) or "no case seen"),
        Finding("zone of create_time", ", ".join(sorted(zones)) or "no case seen"),
    ]


def _shape(task: Mapping[str, object], name: str) -> str:
    """How a field that is not set was sent; empty when it is set."""
    if name not in task:
        return "absent"
    return {"None": "null", "": '""', "[]": "[]"}.get(str(task[name]), "")


def projects_of_regions(projects: Sequence[Mapping[str, object]]) -> list[tuple[str, str, str]]:
    """`(project_id, region, name)` of the projects that belong to a region; pseudo-projects such as MOS are left out.

    A region's own project is named after it; a sub-project is named `region_something`.
    """
    found = []
    for project in projects:
        name = str(project.get("name", ""))
        region = name.partition("_")[0]
        project_id = str(project.get("id", ""))
        if _REGION.fullmatch(region) and _PROJECT_ID.fullmatch(project_id) and project.get("enabled", True):
            found.append((project_id, region, name))
    return sorted(found, key=lambda entry: (entry[1], entry[2], entry[0]))


def _toml_text(text: str) -> str:
    """A basic string of TOML: that of JSON, which lets one control character pass that TOML does not."""
    return msgspec.json.encode(text).decode().replace("\x7f", "\\u007f")


def first_configuration(projects: Sequence[tuple[str, str, str]], zone: str = "UTC") -> str:
    """A commented `pulltasks.toml` that names the projects, with times shown in `zone`."""
    targets = "\n".join(
        f'[[targets]]\nproject_id = "{project_id}"\nregion = "{region}"\nname = {_toml_text(name)}\n'
        for project_id, region, name in projects
    )
    return f"""# Written by `pulltasks init`: the projects that the credential may see. Take out what is not wanted.
# All keys: pulltasks.example.toml. Secrets never stand here: see .env.example.

timezone = "UTC"                  # the calendar that snapshot dates are counted in

[lake]
root = "lake"                     # relative to this file

[auth]
method = "chain"                  # chain (HUAWEICLOUD_SDK_AK/_SK, profile, cloud metadata) | token | password

[warehouse]
display_timezone = "{zone}"  # of the columns that end in _local: this machine's zone

[dashboard]
enabled = true                    # each publish also writes lake/warehouse/dashboard.html

[publish]
tables = true                     # each publish also writes lake/published/: Parquet for Spark, Trino, Polars, pandas

[alerts]
resolved = true                   # also tell what is over; where to: PULLTASKS_ALERTS__URLS, see docs/alerts.md

{targets}"""
