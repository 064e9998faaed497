"""What is said of a run in the end, whoever drives it.

Lives here: sentences about targets, days and the page, from what the run found.
Does not live here: printing (cli.output), Dagster's checks and failures (assets), alarms (alerts.rules).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from pulltasks.reasons import advice_on

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from pulltasks.capture.day import CaptureResult
    from pulltasks.run.results import RunResult
    from pulltasks.warehouse.read.status import Status, TargetStatus

# The identifier of a request is another one each time.
_REQUEST = re.compile(r", request [^;]*;")


@dataclass(frozen=True)
class AttemptOutcome:
    """How an attempt to list a target ended, and how it counts."""

    capture: CaptureResult
    verdict: str
    reason: str | None
    message: str | None

    @property
    def label(self) -> str:
        """As messages call the target everywhere."""
        return self.capture.target.label


def judged(captures: Sequence[CaptureResult], status: Status) -> list[AttemptOutcome]:
    """How each attempt counts; the published state is worse where a listing is held or its rows differ."""
    worse = {target.key: target for target in status.targets if target.coverage not in {"complete", "missing"}}
    found = []
    for capture in captures:
        known = worse.get(capture.target.key) if capture.verdict == "complete" else None
        if known:
            found.append(AttemptOutcome(capture, known.coverage, known.reason, known.message))
        else:
            found.append(AttemptOutcome(capture, capture.verdict, capture.reason, capture.message))
    return found


def count_of_complete(day: date, attempts: Sequence[AttemptOutcome], status: Status, timezone: str) -> str:
    """How many targets are complete: by this attempt, and by what stands where that differs."""
    complete = sum(attempt.verdict == "complete" for attempt in attempts)
    stands = f"{status.complete} of {len(status.targets)} targets complete"
    if not attempts or (complete, len(attempts)) == (status.complete, len(status.targets)):
        return f"{day}: {stands}"
    newest = max((each.last_complete_at for each in status.targets if each.last_complete_at), default=None)
    when = f", {newest.astimezone(ZoneInfo(timezone)):%H:%M}" if status.complete and newest else ""
    return f"{day}: this attempt: {complete} of {len(attempts)}; what stands: {stands}{when}"


def words_about_clocks(captures: Sequence[CaptureResult]) -> list[str]:
    """How far this machine's clock is from the service's, where that is too far."""
    found = []
    for skew in {capture.clock_skew_seconds for capture in captures if capture.clock_skew_seconds}:
        direction = "behind" if skew > 0 else "ahead of"
        found.append(
            f"this machine's clock is {abs(skew) / 60:.0f} minutes {direction} the service's; "
            "signatures were dated by the service's clock. Set the clock"
        )
    return found


def once(messages: Sequence[tuple[str, str | None]]) -> list[str]:
    """Messages of targets, each sentence once: one that holds for several says how many, and leaves out requests."""
    return [
        messages_of[0] if len(labels) == 1 else f"{len(labels)} targets: {text}"
        for text, labels, messages_of in _grouped(messages)
    ]


def _named(messages: Sequence[tuple[str, str]]) -> list[str]:
    """The same, with the targets' names instead of their number."""
    return [
        f"{labels[0]}: {messages_of[0]}" if len(labels) == 1 else f"{', '.join(labels)}: {text}"
        for text, labels, messages_of in _grouped(messages)
    ]


def _grouped(messages: Sequence[tuple[str, str | None]]) -> list[tuple[str, list[str], list[str]]]:
    """Each sentence, without its request, with the labels of the targets that it holds for and their messages."""
    labels: dict[str, list[str]] = {}
    found: dict[str, list[str]] = {}
    for label, message in messages:
        if message:
            same = _REQUEST.sub(";", message.replace(f"{label}: ", "", 1))
            labels.setdefault(same, []).append(label)
            found.setdefault(same, []).append(message)
    return [(text, labels[text], found[text]) for text in labels]


def not_complete(status: Status, attempts: Sequence[AttemptOutcome] = ()) -> list[str]:
    """Each target that is not complete with its reason and what to do; those with the same trouble in one line.

    An attempt that failed is named even where an earlier capture of the day stands.
    """
    found = {
        attempt.label: _trouble(attempt.label, attempt.verdict, attempt.reason, attempt.message)
        for attempt in attempts
        if attempt.verdict != "complete"
    }
    for target in status.targets:
        if not target.is_complete and target.label not in found:
            found[target.label] = _trouble(target.label, target.coverage, target.reason, target.message)
    return _named(list(found.items()))


def _trouble(label: str, verdict: str, reason: str | None, message: str | None) -> str:
    text = (message or advice_on(reason)).removeprefix(f"{label}: ")
    return f"{verdict} ({reason}): {text}" if reason else f"{verdict}: {text}"


def message_of(target: TargetStatus) -> str | None:
    """Return what happened to a target on its day and what to do; None where nothing has to be done."""
    if target.message or target.is_complete:
        return target.message
    return f"{target.label}: {_trouble(target.label, target.coverage, target.reason, None)}"


def failed_attempts(captures: Sequence[CaptureResult]) -> list[str]:
    """Each target whose listing this run did not prove, likewise."""
    found = [
        (capture.target.label, _trouble(capture.target.label, capture.verdict, capture.reason, capture.message))
        for capture in captures
        if capture.verdict != "complete"
    ]
    return _named(found)


def words_of_needed_raw(days: Sequence[date]) -> str:
    """Raw files that are kept longer than the settings ask, and what to do."""
    span = str(days[0]) if len(days) == 1 else f"{days[0]} to {days[-1]}"
    return (
        f"kept the raw archive of {span}: tables of these days are damaged; mend them: "
        f"pulltasks rebuild --from {days[0]} --to {days[-1]}"
    )


def what_is_wrong(result: RunResult, timezone: str) -> list[str]:
    """Why a run that published is not complete, a line each: how many targets are, which are not, the rest."""
    attempts = judged(result.captures, result.status)
    lines = [
        count_of_complete(result.status.day, attempts, result.status, timezone),
        *not_complete(result.status, attempts),
        *words_about_clocks(result.captures),
        *result.damaged_days,
    ]
    return [*lines, *(trouble.text for trouble in result.troubles)]
