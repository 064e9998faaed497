"""The report at the end of a run, for the command line and Dagster alike.

Lives here: sentences about targets, days and the page, from the results of the run.
Does not live here: printing (cli.output), Dagster's checks and failures (assets), alarms (alerts.rules).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from pulltasks.run.targets_shown import as_shown, lines_of
from pulltasks.warehouse.read.status import TargetStatus
from pulltasks.words import counted, spans

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    from pulltasks.capture.day import CaptureResult
    from pulltasks.run.results import RunResult
    from pulltasks.warehouse.read.status import Status

# Columns of a text that is not shown on a terminal.
NO_WIDTH = 1_000_000


@dataclass(frozen=True)
class AttemptOutcome:
    """The end of an attempt to list a target, and the verdict as it counts."""

    capture: CaptureResult
    verdict: str
    reason: str | None
    message: str | None


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


def targets_after(status: Status, attempts: Sequence[AttemptOutcome]) -> list[TargetStatus]:
    """Return the targets of a day; one whose attempt failed has its verdict, even if an earlier capture counts."""
    found = {target.key: target for target in status.targets}
    for attempt in attempts:
        if attempt.verdict != "complete":
            key = attempt.capture.target.key
            found[key] = _as_status(attempt, found.get(key))
    return list(found.values())


def _as_status(attempt: AttemptOutcome, last: TargetStatus | None = None) -> TargetStatus:
    target = attempt.capture.target
    return TargetStatus(
        *(target.project_id, target.region, target.name, attempt.verdict, attempt.reason, attempt.message),
        task_count=None,
        last_complete_date=last.last_complete_date if last else None,
        last_complete_at=last.last_complete_at if last else None,
    )


def count_of_complete(day: date, attempts: Sequence[AttemptOutcome], status: Status, timezone: str) -> str:
    """Return one line with the number of complete targets, by this attempt and as published if they differ."""
    complete = sum(attempt.verdict == "complete" for attempt in attempts)
    published = f"{status.complete:,} of {counted(len(status.targets), 'target')} complete"
    # One count is enough if both agree.
    if not attempts or (complete, len(attempts)) == (status.complete, len(status.targets)):
        return f"{day}: {published}"
    newest = max((each.last_complete_at for each in status.targets if each.last_complete_at), default=None)
    when = f", {newest.astimezone(ZoneInfo(timezone)):%H:%M}" if status.complete and newest else ""
    return f"{day}: this attempt: {complete:,} of {len(attempts):,}; published: {published}{when}"


def words_about_clocks(captures: Sequence[CaptureResult]) -> list[str]:
    """Return one sentence per correction of this machine's clock that signatures needed."""
    found = []
    # A set, because all targets of one credential share its correction.
    for skew in {capture.clock_skew_seconds for capture in captures if capture.clock_skew_seconds}:
        direction = "behind" if skew > 0 else "ahead of"
        found.append(
            f"this machine's clock is {counted(round(abs(skew) / 60), 'minute')} {direction} the service's; "
            "signatures were dated by the service's clock. Set the clock"
        )
    return found


def not_complete(status: Status, attempts: Sequence[AttemptOutcome] = ()) -> list[str]:
    """Return lines about the targets that are not complete, by cause; a failed attempt counts as such."""
    return _lines(targets_after(status, attempts), status.day)


def failed_attempts(captures: Sequence[CaptureResult]) -> list[str]:
    """Return lines about the targets whose listing this run did not prove, by cause."""
    found = [AttemptOutcome(each, each.verdict, each.reason, each.message) for each in captures]
    return _lines([_as_status(each) for each in found], None)


def _lines(targets: Sequence[TargetStatus], day: date | None) -> list[str]:
    return lines_of(as_shown([each for each in targets if not each.is_complete], day), NO_WIDTH, "")


def words_of_removed_raw(days: Sequence[date]) -> str:
    """Return a sentence about raw files that are older than the settings keep them."""
    return f"removed the raw archive of {counted(len(days), 'day')}: {spans(days)}"


def words_of_needed_raw(days: Sequence[date]) -> str:
    """Return a sentence about raw files that are retained longer than the settings ask, with advice."""
    return (
        f"retained the raw archive of {spans(days)}: tables of these days are damaged; rebuild them: "
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
