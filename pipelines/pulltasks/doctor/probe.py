"""`pulltasks doctor --probe`: asks each target at most six questions, and lets the lake keep what they showed.

Lives here: sending within the limit, where a probe ends early, the report of a probe, keeping it in the lake.
Does not live here: the questions and what an answer proves (manners), the file (lake.manners), printing (cli.output).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pulltasks.doctor.manners import Question, first_query, judge, later_queries
from pulltasks.doctor.targets import Finding, Report
from pulltasks.errors import ApiError, ConfigError, LakeError
from pulltasks.huawei.client import LiveClient
from pulltasks.huawei.pull_tasks import read_page
from pulltasks.huawei.refusals import UNAUTHORISED
from pulltasks.lake.lake import Lake
from pulltasks.lake.manners import MANNERS, Probed, write_manners
from pulltasks.reasons import advice_on

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from pulltasks.doctor.manners import Query, Said
    from pulltasks.huawei.refusals import Answer
    from pulltasks.settings import Settings, Target

MAX_REQUESTS = 6


class _LimitReachedError(Exception):
    """Another request would be one too many."""


@dataclass
class _Limit:
    """Counts the requests of a target, tries after a refused signature included, and refuses the seventh."""

    sent_requests: int = 0

    def sent(self, *, is_retry: bool) -> None:  # noqa: ARG002 - a retry is a request as well
        """Count a request that is about to leave."""
        if self.sent_requests == MAX_REQUESTS:
            raise _LimitReachedError
        self.sent_requests += 1

    def received(self, answer: Answer) -> None:
        """Keep nothing."""


@dataclass(frozen=True)
class ProbedTarget:
    """A target and what was learnt of it.

    Attributes:
        target: the target.
        probed: what was learnt.
        requests: how many requests that cost.
        advice: what to do where the first page is not a list; None otherwise.
    """

    target: Target
    probed: Probed
    requests: int
    advice: str | None = None

    @property
    def key(self) -> str:
        """Return the key of the target in the lake's file."""
        return "/".join(self.target.key)


@dataclass
class _Probe:
    """One target under way."""

    client: LiveClient
    target: Target
    limit: _Limit = field(default_factory=_Limit)
    answers: dict[Question, Said] = field(default_factory=dict)

    async def ask(self, question: Question, query: Query) -> Said | None:
        """Send one question and keep its answer; None where the probe has to end."""
        said: Said
        try:
            said = (await self.client.get_pull_tasks(self.target, query, self.limit)).content
        except ApiError as error:
            said = error
        except _LimitReachedError:
            return None
        self.answers[question] = said
        # after a 401 nothing more is asked, whether it was of the credential or of this target
        return None if isinstance(said, ApiError) and said.said.status == UNAUTHORISED else said


async def probe_and_keep(
    settings: Settings, now: Callable[[], datetime], new_id: Callable[[], str]
) -> tuple[list[Report], Report]:
    """Probe all targets and let the lake keep what was learnt; arguments as in `probe_targets`.

    Returns:
        A report for each target, and one of the lake.
    """
    found = await probe_targets(settings, now, new_id)
    return [report_of(target) for target in found], keep(Lake(settings.lake.root), found)


async def probe_targets(
    settings: Settings, now: Callable[[], datetime], new_id: Callable[[], str]
) -> list[ProbedTarget]:
    """Ask each target at most six questions, each a GET of the list, and return what they showed.

    Nothing is sent twice, but for one more try after a 401. A refused credential ends the probes of its targets.

    Args:
        settings: the targets, and how they are asked.
        now: the clock that signatures and records are dated by.
        new_id: gives an id that no task has.

    Raises:
        ConfigError: when a credential is not to be found.
    """
    once = settings.model_copy(update={"api": settings.api.model_copy(update={"max_attempts": 1})})
    async with LiveClient(once, now) as client:
        return list(await asyncio.gather(*(_probe(client, target, now, new_id()) for target in once.targets)))


async def _probe(client: LiveClient, target: Target, now: Callable[[], datetime], unknown_id: str) -> ProbedTarget:
    probe = _Probe(client, target)
    region = target.query_region or target.region
    first = await probe.ask(Question.FIRST_PAGE, first_query(region))
    if isinstance(first, bytes):
        for question, query in later_queries(first, region, unknown_id).items():
            if await probe.ask(question, query) is None:
                break
    probed = Probed(probed_at=now(), manners=judge(probe.answers))
    return ProbedTarget(target, probed, probe.limit.sent_requests, _advice(probe.answers[Question.FIRST_PAGE]))


def _advice(first: Said) -> str | None:
    """Return what to do about a first page that is not a list."""
    if isinstance(first, bytes):
        return None if read_page(first).flaw is None else advice_on("unexpected_status")
    return advice_on(first.reason)


def report_of(found: ProbedTarget) -> Report:
    """Return the manners of a target as findings; an unknown manner is no trouble, a target that refuses is one."""
    manners = found.probed.manners
    findings = [Finding("requests", f"{found.requests} of at most {MAX_REQUESTS}")]
    if found.advice is not None:
        findings.append(Finding("first page", manners.reasons[MANNERS[0]], found.advice))
        return Report(found.target.label, tuple(findings))
    for name in MANNERS:
        value = getattr(manners, name)
        text = value if isinstance(value, str) else ", ".join(value) or "none in these answers"
        findings.append(Finding(name, f"unknown: {manners.reasons[name]}" if name in manners.reasons else text))
    return Report(found.target.label, tuple(findings))


def keep(lake: Lake, found: Sequence[ProbedTarget]) -> Report:
    """Write what was learnt into the lake; report whether that could be done."""
    try:
        lake.prepare()
        lake.require_whole()
        with lake.lock():
            write_manners(lake, {probed.key: probed.probed for probed in found})
    except (LakeError, ConfigError, OSError) as error:
        return Report("probe", (Finding(lake.manners.name, "what was learnt could not be kept", str(error)),))
    return Report("probe", (Finding(lake.manners.name, "keeps what was learnt"),))
