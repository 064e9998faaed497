"""`pulltasks doctor --probe`: asks each target at most six questions, and stores the results in the lake.

Lives here: the limit of requests, the early end of a probe, its report, storing its results in the lake.
Does not live here: the questions and the meaning of answers (manners), the file (lake.manners), printing (cli.output).
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

    from pulltasks.doctor.manners import BodyOrError, Query
    from pulltasks.huawei.refusals import Answer
    from pulltasks.settings import Settings, Target

MAX_REQUESTS = 6


class _LimitReachedError(Exception):
    """Raised instead of the seventh request."""


@dataclass
class _Limit:
    """Counts the requests of a target, retries after a refused signature included, and refuses the seventh."""

    sent_requests: int = 0

    def sent(self, *, is_retry: bool) -> None:  # noqa: ARG002 - a retry is a request as well
        """Count a request that is about to leave."""
        if self.sent_requests == MAX_REQUESTS:
            raise _LimitReachedError
        self.sent_requests += 1

    def received(self, answer: Answer) -> None:
        """Ignore the answer: `get_pull_tasks` returns it."""


@dataclass(frozen=True)
class ProbedTarget:
    """A target and the results of its probe.

    Attributes:
        target: the target.
        probed: the results.
        requests: number of requests that were sent.
        advice: the advice if the first page is not a list; else None.
    """

    target: Target
    probed: Probed
    requests: int
    advice: str | None = None

    @property
    def key(self) -> str:
        """The key of the target in the lake's file, `project_id/region`."""
        return "/".join(self.target.key)


@dataclass
class _Probe:
    """The probe of one target, with its answers so far."""

    client: LiveClient
    target: Target
    limit: _Limit = field(default_factory=_Limit)
    answers: dict[Question, BodyOrError] = field(default_factory=dict)

    async def ask(self, question: Question, query: Query) -> BodyOrError | None:
        """Send one question, record its answer and return it; None if the probe has to end."""
        answer: BodyOrError
        try:
            answer = (await self.client.get_pull_tasks(self.target, query, self.limit)).content
        except ApiError as error:
            answer = error
        except _LimitReachedError:
            return None
        self.answers[question] = answer
        # Each 401 response counts against the access key, whether the credential or only this target is refused.
        return None if isinstance(answer, ApiError) and answer.said.status == UNAUTHORISED else answer


async def probe_and_keep(
    settings: Settings, now: Callable[[], datetime], new_id: Callable[[], str]
) -> tuple[list[Report], Report]:
    """Probe all targets and store the results in the lake; arguments as in `probe_targets`.

    Returns:
        One report per target, and one about the lake.
    """
    found = await probe_targets(settings, now, new_id)
    return [report_of(target) for target in found], keep(Lake(settings.lake.root), found)


async def probe_targets(
    settings: Settings, now: Callable[[], datetime], new_id: Callable[[], str]
) -> list[ProbedTarget]:
    """Ask each target at most six questions, each a GET of the list, and return the results.

    No request is sent twice, except for one more try after a 401. A refused credential ends the probes of its targets.

    Args:
        settings: the targets, their credentials and the limits of requests.
        now: the clock that dates signatures and records.
        new_id: returns an id that no task has.

    Raises:
        ConfigError: when a credential is not found.
    """
    # Retries would use up the few requests, so each is sent once.
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


def _advice(first: BodyOrError) -> str | None:
    """Return the advice on a first page that is not a list, or None."""
    if isinstance(first, bytes):
        return None if read_page(first).flaw is None else advice_on("unexpected_status")
    return advice_on(first.reason)


def report_of(found: ProbedTarget) -> Report:
    """Return the manners of a target as findings; an unknown manner is not a trouble, a refusal is one."""
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
    """Write the results into the lake, and report whether that worked."""
    try:
        lake.prepare()
        lake.require_whole()
        with lake.lock():
            write_manners(lake, {probed.key: probed.probed for probed in found})
    except (LakeError, ConfigError, OSError) as error:
        return Report("probe", (Finding(lake.manners.name, "the results could not be stored", str(error)),))
    return Report("probe", (Finding(lake.manners.name, "has the results"),))
