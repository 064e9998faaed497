"""`pulltasks doctor` and `init`: the permissions of the account, and the behaviour of its service.

Lives here: the questions, the meaning of answers, one line of advice per trouble, the first configuration.
Does not live here: requests (huawei), printing (cli.main); nothing here writes to a lake.
"""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec

from pulltasks.errors import ApiError, CredentialRefused, NotAsked
from pulltasks.huawei.client import LiveClient
from pulltasks.huawei.pull_tasks import is_of_the_service, read_page
from pulltasks.huawei.reading import read_object, read_time
from pulltasks.names import REGION_PATTERN
from pulltasks.proof.order import Order
from pulltasks.reasons import advice_on
from pulltasks.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from datetime import datetime

    from pulltasks.huawei.refusals import Answer
    from pulltasks.lake.manners import Probed
    from pulltasks.settings import Settings, Target

MAX_LIMIT = 100
# No task has this id.
UNKNOWN_ID = "00000000-0000-0000-0000-000000000000"
# Questions about the account, not about the service: a report to the maintainers leaves them out.
PRIVATE_QUESTIONS = frozenset({"credential"})
# Signatures allow 15 minutes; a clock that is off by a minute may soon be off by more.
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
    """The findings about one target, or one part such as the lake; they have no secrets and no stream addresses."""

    target: str
    findings: tuple[Finding, ...]

    @property
    def is_healthy(self) -> bool:
        """Tell whether no finding has advice."""
        return not any(finding.advice for finding in self.findings)


@dataclass
class _Received:
    """Records every answer, good or bad."""

    answers: list[Answer] = field(default_factory=list)

    def sent(self, *, is_retry: bool) -> None:
        """Ignore the request."""

    def received(self, answer: Answer) -> None:
        self.answers.append(answer)


async def examine(settings: Settings, now: Callable[[], datetime]) -> list[Report]:
    """Ask each target a few questions, in at most eight requests, and return one report per target.

    Raises:
        ConfigError: when a credential is not found.
    """
    async with LiveClient(settings, now) as client:
        return list(await asyncio.gather(*(_examine(client, target) for target in settings.targets)))


async def _examine(client: LiveClient, target: Target) -> Report:
    received = _Received()
    findings = [Finding("credential", client.credential_source(target))]

    async def ask(**query: str | int) -> Answer | ApiError:
        try:
            return await client.get_pull_tasks(target, query, received)
        except ApiError as error:
            return error

    region = target.query_region or target.region
    first = await ask(offset=0, limit=MAX_LIMIT, region=region)
    if isinstance(first, NotAsked) and not received.answers:
        advice = "see the target whose credential was refused, then run doctor again"
        findings.append(Finding("answers", "not asked: its credential was refused before", advice))
        return Report(target.label, tuple(findings))
    findings += _clock(received.answers[:1])
    if isinstance(first, ApiError):
        return Report(target.label, (*findings, *_refusal(first)))
    findings += _permission(first, received.answers)
    page = read_page(first.content)
    findings.append(Finding(f"limit {MAX_LIMIT}", "accepted"))
    findings += _total(page.total, page.flaw, len(page.ids))
    if page.flaw is not None:
        return Report(target.label, tuple(findings))
    findings += await _paging(ask, page.ids, page.total, region)
    findings.append(_rows_or_refusal(f"limit {MAX_LIMIT + 1}", await ask(offset=0, limit=MAX_LIMIT + 1, region=region)))
    # A whole page after the end, so that tasks that appear meanwhile do not reach it.
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
        service_time = read_time(answer.date)
        if service_time is None:
            continue
        skew = (service_time - answer.received_at).total_seconds()
        if abs(skew) < WORTH_SAYING_SECONDS:
            return [Finding("clock", "agrees with the service's")]
        return [Finding("clock", f"{skew:+.0f} s from the service's", "set this machine's clock (NTP)")]
    return [Finding("clock", "not checked: no answer with a time")]


def _refusal(error: ApiError) -> list[Finding]:
    known = f"HTTP {_status(error)}" if error.said.status else "no answer"
    if isinstance(error, CredentialRefused):
        return [Finding("signature", f"refused: {known}", advice_on(error.reason))]
    # A wrong signature ends in HTTP 401, so before these refusals it was accepted.
    accepted = [Finding("signature", "accepted")] if error.said.status in {400, 403, 404} else []
    return [*accepted, Finding("listing", f"refused: {known} ({error.reason})", advice_on(error.reason))]


def _status(error: ApiError) -> str:
    """Return the status and code of a refusal, or the reason where there was no answer."""
    return f"{error.said.status} {error.said.error_code or 'no code'}" if error.said.status else error.reason


def _permission(first: Answer, answers: Sequence[Answer]) -> list[Finding]:
    milliseconds = (first.received_at - first.sent_at).total_seconds() * 1000
    throttled = sum(answer.status == 429 for answer in answers)  # noqa: PLR2004 - Too Many Requests
    found = [
        Finding("signature", "accepted"),
        Finding("permission live:stream:listPullTask", "granted"),
        Finding("latency", f"{milliseconds:.0f} ms"),
    ]
    if throttled:
        found.append(Finding("throttling", f"{counted(throttled, 'response')} with HTTP 429", advice_on("throttled")))
    return found


def _total(total: int | None, flaw: str | None, rows: int) -> list[Finding]:
    """Report the total of the first page and whether its rows fit it, or the flaw of the page."""
    if flaw is not None:
        return [Finding("first page", f"not understood ({flaw})", advice_on("unexpected_status"))]
    if total is None:
        return [
            Finding(
                "total", "not given: listings are proved without it, but a hidden limit of the list cannot be noticed"
            )
        ]
    return [Finding("total", str(total)), *_as_many_as("first page", rows, min(MAX_LIMIT, total))]


def _as_many_as(question: str, rows: int, expected: int) -> list[Finding]:
    """Report a page that has more or fewer rows than its total implies, as no listing can be proved then."""
    if rows == expected:
        return []
    answer = f"{counted(rows, 'row')} instead of {expected}, by its total"
    return [Finding(question, answer, "listings will be incomplete; ask the vendor about paging")]


async def _paging(ask: Callable[..., object], ids: tuple[str, ...], total: int | None, region: str) -> list[Finding]:
    """Report the unit of `offset`, which only a list longer than a page reveals."""
    if (len(ids) + 1 if total is None else total) <= MAX_LIMIT:
        return [Finding("offset counts", "unknown (the list fits on one page)")]
    answer = await ask(offset=1, limit=MAX_LIMIT, region=region)  # type: ignore[misc]  # a coroutine of ours
    if isinstance(answer, ApiError):
        return [Finding("offset counts", f"unknown ({answer.reason})")]
    page = read_page(answer.content)
    if set(page.ids) & set(ids):
        # The page begins at the second row, so it may have one row less.
        expected = len(page.ids) if page.total is None else min(MAX_LIMIT, page.total - 1)
        return [Finding("offset counts", "rows"), *_as_many_as("page at offset 1", len(page.ids), expected)]
    if page.ids:
        return [Finding("offset counts", "pages: listings are then proved by two sweeps that agree")]
    return [
        Finding(
            "offset counts",
            "unknown (the second page is empty)",
            "tell the vendor: total is larger than the rows received",
        )
    ]


def _rows_or_refusal(question: str, answer: Answer | ApiError) -> Finding:
    if isinstance(answer, ApiError):
        return Finding(question, f"refused ({_status(answer)})")
    page = read_page(answer.content)
    rows = f"accepted, {counted(len(page.ids), 'row')}"
    return Finding(question, rows if page.flaw is None else f"not understood ({page.flaw})")


def _without_region(answer: Answer | ApiError, total: int | None) -> Finding:
    if isinstance(answer, ApiError):
        return Finding("without region", f"refused ({answer.reason})")
    other = read_page(answer.content).total
    if other is None or total is None:
        return Finding("without region", "unknown (no total)")
    if other == total:
        return Finding("without region", "the same total")
    advice = "tasks may run in other regions: list them with query_region, or add a target"
    return Finding("without region", f"total {other} in place of {total}", advice if other > total else None)


def _unknown_id(answer: Answer | ApiError) -> Finding:
    """Report how the service answers for an unknown id; only a 404 with its own code proves that a task is gone."""
    question = "answer to an unknown id"
    if isinstance(answer, ApiError):
        is_proof = is_of_the_service(answer)
        return Finding(question, _status(answer) + ("" if is_proof else "; ends of tasks read unchecked"))
    rows = counted(len(read_page(answer.content).ids), "row")
    return Finding(question, f"a list of {rows}; ends of tasks read unchecked")


def _known_id(task_id: str, answer: Answer | ApiError) -> Finding:
    question = "answer to a known id"
    if isinstance(answer, ApiError):
        return Finding(question, f"refused ({_status(answer)})")
    ids = read_page(answer.content).ids
    rows = counted(len(ids), "row")
    return Finding(question, "that task" if ids == (task_id,) else f"{rows}, not just that task")


def report_for_maintainers(reports: Sequence[Report], software_version: str, manners: Collection[Probed] = ()) -> bytes:
    """Return the service's answers as JSON for the maintainers, without ids, names and addresses.

    Args:
        reports: one report per target.
        software_version: the version of pulltasks.
        manners: the service's manners as stored in the lake, without their targets.
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
    # Only the first word: text after a separator may be anything, a secret as well.
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
    """Return the form in which an unset field was sent (`absent`, `null`, `""`, `[]`), or "" if it is set."""
    if name not in task:
        return "absent"
    return {"None": "null", "": '""', "[]": "[]"}.get(str(task[name]), "")


def projects_of_regions(projects: Sequence[Mapping[str, object]]) -> list[tuple[str, str, str]]:
    """Return `(project_id, region, name)` of the projects of regions, without pseudo-projects such as MOS.

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
    """Return a basic string of TOML: that of JSON, with an escape for U+007F, which only JSON allows unescaped."""
    return msgspec.json.encode(text).decode().replace("\x7f", "\\u007f")


# What `pulltasks init` writes: keys with their values and comments.
_FIRST: dict[tuple[str, ...], tuple[object, str]] = {
    ("timezone",): ("UTC", "the calendar that snapshot dates are counted in"),
    ("lake", "root"): ("lake", "relative to this file"),
    ("auth", "method"): ("chain", "chain (HUAWEICLOUD_SDK_AK/_SK, profile, cloud metadata) | token | password"),
    ("warehouse", "display_timezone"): ("UTC", "for columns that end in _local: this machine's zone"),
    ("dashboard", "enabled"): (True, "each publish also writes lake/warehouse/dashboard.html"),
    ("publish", "tables"): (True, "each publish also writes lake/published/: Parquet for Spark, Trino, pandas"),
    ("alerts", "resolved"): (True, "also send an alert when a trouble is over: docs/alerts.md"),
}


def first_configuration(
    projects: Sequence[tuple[str, str, str]],
    zone: str = "UTC",
    given: Iterable[tuple[tuple[str, ...], object, str]] = (),
) -> str:
    """Return the text of a commented `pulltasks.toml`, with times shown in `zone`.

    `given` are keys, values and variables of the settings that the environment gives.
    """
    zone_key = ("warehouse", "display_timezone")
    values = {**_FIRST, zone_key: (zone, _FIRST[zone_key][1])}
    values |= {path: (value, f"from {name}") for path, value, name in given}
    sections: dict[tuple[str, ...], list[str]] = {}
    for (*section, key), (value, comment) in values.items():
        text = _toml_text(value) if isinstance(value, str) else str(value).lower()
        sections.setdefault(tuple(section), []).append(f"{f'{key} = {text}':<33} # {comment}\n")
    settings = "\n".join(
        (f"[{'.'.join(section)}]\n" if section else "") + "".join(lines) for section, lines in sections.items()
    )
    targets = "\n".join(
        f'[[targets]]\nproject_id = "{project_id}"\nregion = "{region}"\nname = {_toml_text(name)}\n'
        for project_id, region, name in projects
    )
    return f"""# Written by `pulltasks init`: the projects that the credential may see. Remove those you do not want.
# All keys: pulltasks.example.toml. Secrets do not belong here: see .env.example.

{settings}
{targets}"""
