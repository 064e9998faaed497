"""The report at the end of a run, for the command line and Dagster alike.

Lives here: sentences about targets, days and the page, from the results of the run.
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

# The id of a request differs each time, so it is removed before sentences are compared.
_REQUEST = re.compile(r", request [^;]*;")


@dataclass(frozen=True)
class AttemptOutcome:
    """The end of an attempt to list a target, and the verdict as it counts."""

    capture: CaptureResult
    verdict: str
    reason: str | None
    message: str | None

    @property
    def label(self) -> str:
        """The name of the target in messages."""
        return self.capture.target.label


def judged(captures: Sequence[CaptureResult], status: Status) -> list[AttemptOutcome]:
    """Return each attempt as it counts; a complete listing counts less if it is held or its rows differ."""
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
    """Return one line with the number of complete targets, by this attempt and as published if they differ."""
    complete = sum(attempt.verdict == "complete" for attempt in attempts)
    published = f"{status.complete} of {len(status.targets)} targets complete"
    # One count is enough if both agree.
    if not attempts or (complete, len(attempts)) == (status.complete, len(status.targets)):
        return f"{day}: {published}"
    newest = max((each.last_complete_at for each in status.targets if each.last_complete_at), default=None)
    when = f", {newest.astimezone(ZoneInfo(timezone)):%H:%M}" if status.complete and newest else ""
    return f"{day}: this attempt: {complete} of {len(attempts)}; published: {published}{when}"


def words_about_clocks(captures: Sequence[CaptureResult]) -> list[str]:
    """Return one sentence per correction of this machine's clock that signatures needed."""
    found = []
    # A set, because all targets of one credential share its correction.
    for skew in {capture.clock_skew_seconds for capture in captures if capture.clock_skew_seconds}:
        direction = "behind" if skew > 0 else "ahead of"
        found.append(
            f"this machine's clock is {abs(skew) / 60:.0f} minutes {direction} the service's; "
            "signatures were dated by the service's clock. Set the clock"
        )
    return found


def once(messages: Sequence[tuple[str, str | None]]) -> list[str]:
    """Return the messages of targets, each sentence once; one for several targets has their number, no request id."""
    return [
        messages_of[0] if len(labels) == 1 else f"{len(labels)} targets: {text}"
        for text, labels, messages_of in _grouped(messages)
    ]


def _named(messages: Sequence[tuple[str, str]]) -> list[str]:
    """Return each sentence once, after the names of its targets."""
    return [
        f"{labels[0]}: {messages_of[0]}" if len(labels) == 1 else f"{', '.join(labels)}: {text}"
        for text, labels, messages_of in _grouped(messages)
    ]


def _grouped(messages: Sequence[tuple[str, str | None]]) -> list[tuple[str, list[str], list[str]]]:
    """Return `(sentence, labels, messages)` per distinct sentence; labels and messages are those of its targets."""
    labels: dict[str, list[str]] = {}
    found: dict[str, list[str]] = {}
    for label, message in messages:
        if message:
            same = _REQUEST.sub(";", message.replace(f"{label}: ", "", 1))
            labels.setdefault(same, []).append(label)
            found.setdefault(same, []).append(message)
    return [(text, labels[text], found[text]) for text in labels]


def not_complete(status: Status, attempts: Sequence[AttemptOutcome] = ()) -> list[str]:
    """Return a line per target that is not complete, with reason and advice; targets with the same trouble share one.

    A failed attempt is named even if an earlier capture of the day counts.
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
    """Return the message about a target's day and the advice, or None if nothing has to be done."""
    if target.message or target.is_complete:
        return target.message
    return f"{target.label}: {_trouble(target.label, target.coverage, target.reason, None)}"


def failed_attempts(captures: Sequence[CaptureResult]) -> list[str]:
    """Return a line per target whose listing this run did not prove, in the form of `not_complete`."""
    found = [
        (capture.target.label, _trouble(capture.target.label, capture.verdict, capture.reason, capture.message))
        for capture in captures
        if capture.verdict != "complete"
    ]
    return _named(found)


def words_of_needed_raw(days: Sequence[date]) -> str:
    """Return a sentence about raw files that are retained longer than the settings ask, with advice."""
    span = str(days[0]) if len(days) == 1 else f"{days[0]} to {days[-1]}"
    return (
        f"retained the raw archive of {span}: tables of these days are damaged; rebuild them: "
        f"pulltasks rebuild --from {days[0]} --to {days[-1]}"
    )


def what_is_wrong(result: RunResult, timezone: str) -> list[str]:
    """Return why a run that published is not complete, in lines: the count of targets, each trouble, the rest."""
    attempts = judged(result.captures, result.status)
    lines = [
        count_of_complete(result.status.day, attempts, result.status, timezone),
        *not_complete(result.status, attempts),
        *words_about_clocks(result.captures),
        *result.damaged_days,
    ]
    return [*lines, *(trouble.text for trouble in result.troubles)]
