"""Find the alarms in the state of a lake and in the result of a run.

Lives here: the kinds of alarms, their texts, their identity; pure functions.
Does not live here: bodies and sending (webhook), what was sent before and when to send (notify).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date  # noqa: TC003 - msgspec reads annotations when it runs
from typing import TYPE_CHECKING

import msgspec

from pulltasks.names import target_label
from pulltasks.reasons import advice_on
from pulltasks.warehouse.read.status import age_of, is_ahead, judge, words_of_a_day_ahead

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime, timedelta

    from pulltasks.settings import Limits
    from pulltasks.warehouse.read.schema_drift import SchemaDrift
    from pulltasks.warehouse.read.status import Freshness, Status, TargetStatus

RUN_FAILED = "run_failed"
NO_COMPLETE_DAY = "no_complete_day"
CREDENTIAL_REFUSED = "credential_refused"
BACKUP_FAILED = "backup_failed"
SCHEMA_SURPRISE = "schema_surprise"
# Only sent on request (`pulltasks doctor --test-alarm`).
TEST = "test"
# All other kinds, in the order in which a message lists them; the four without a constant are words of the coverage.
KINDS = (
    RUN_FAILED,
    NO_COMPLETE_DAY,
    CREDENTIAL_REFUSED,
    "failed",
    "incomplete",
    "missing",
    "held",
    BACKUP_FAILED,
    SCHEMA_SURPRISE,
)
# The text of the alarm for a run that ended with an error.
RUN_ENDED = "the run ended with an error: {text}"
# Twenty texts of this length stay below the 20 kB that a bot accepts, even when every character is escaped.
MAX_TEXT_BYTES = 450


class AlertKey(msgspec.Struct, frozen=True):
    """The identity of an alarm: two alarms with the same key are the same, even if their texts differ."""

    kind: str
    target: str | None
    snapshot_date: date | None
    reason: str | None


@dataclass(frozen=True)
class AlertTarget:
    """The target that an alarm is about."""

    project_id: str
    region: str
    name: str | None

    @property
    def label(self) -> str:
        """The name of the target in messages."""
        return target_label(self.project_id, self.region, self.name)


@dataclass(frozen=True)
class Alert:
    """One trouble.

    Attributes:
        kind: one of `KINDS`, or `TEST`.
        text: what happened and what to do, in one line, without secrets, at most `MAX_TEXT_BYTES` bytes.
        snapshot_date: the day of the trouble; for a surprise its first day; for a failed run or an age today, so that
            these alarms are sent once per day.
        reason: the reason of the verdict or of the failure, or field and rule of a surprise.
        target: the target of the trouble, if it has only one.
    """

    kind: str
    text: str
    snapshot_date: date
    reason: str | None = None
    target: AlertTarget | None = None

    @property
    def key(self) -> AlertKey:
        """Its identity. The text is not part of it: a text may quote a request id, which differs every time."""
        target = f"{self.target.project_id}/{self.target.region}" if self.target else None
        return AlertKey(self.kind, target, self.snapshot_date, self.reason)


@dataclass(frozen=True)
class Failure:
    """A failure beside the listings: its reason, and a message that says what to do."""

    reason: str
    text: str


@dataclass(frozen=True)
class LakeState:
    """The state in the published warehouse: the targets on its newest day, and the surprises of that day."""

    status: Status
    surprises: Sequence[SchemaDrift]


def find_alerts(
    state: LakeState | None, failures: Sequence[Failure], now: datetime, today: date, limits: Limits
) -> tuple[Alert, ...]:
    """Return all alarms that hold now, in the order in which they are sent.

    Args:
        state: None when nothing was published yet.
        failures: troubles beside the listings: the error that ended the run, or what cannot be read.
        now: the time (UTC) at which ages are measured.
        today: the calendar day of `now` in the configured time zone.
        limits: the greatest age of the lake and of each target.
    """
    reasons = {target.reason for target in state.status.targets} if state else set()
    # Targets that a refused credential failed have alarms of their own. The failure gets one only where all targets
    # were complete before the refusal.
    found = [
        each
        for failure in failures
        if failure.reason != CREDENTIAL_REFUSED or failure.reason not in reasons
        for each in _of_run(failure, today)
    ]
    if state is None and not failures:
        found.append(Alert(NO_COMPLETE_DAY, "nothing is published; run `pulltasks snapshot`, or mount the lake", today))
    if state and state.status.is_after(today, now):
        found.append(Alert(NO_COMPLETE_DAY, words_of_a_day_ahead(state.status.day, today), today, "day_ahead"))
    elif state:
        found += _of_age(judge(state.status, now, limits), now, today, limits)
    if state:
        found += [*_of_targets(state.status), *_of_surprises(state)]
    return tuple(sorted(found, key=lambda alert: KINDS.index(alert.kind)))


def _of_run(failure: Failure, today: date) -> Iterator[Alert]:
    kind = failure.reason if failure.reason in {CREDENTIAL_REFUSED, BACKUP_FAILED} else RUN_FAILED
    yield Alert(kind, one_line(failure.text), today, failure.reason)


def _of_age(freshness: Freshness, now: datetime, today: date, limits: Limits) -> Iterator[Alert]:
    """Yield the alarm for the age of the lake; if the lake is within its limit, those for its targets.

    An old lake has old targets, so their ages would add nothing. A target that was never complete has no age; the
    verdict of its listing gives it an alarm.
    """
    advice = "run `pulltasks status` for the reasons"
    age = freshness.lake_age
    if freshness.is_lake_beyond:
        if age is None:
            yield Alert(NO_COMPLETE_DAY, f"no capture is published; {advice}", today)
        elif is_ahead(age):
            text = "the newest published capture ended in the future: a clock is wrong; set it"
            yield Alert(NO_COMPLETE_DAY, text, today, "day_ahead")
        else:
            ages = f"{_hours(age)} ago, longer than {_hours(limits.lake)}"
            text = f"the newest published capture ended {ages}; find out why no later run has published"
            yield Alert(NO_COMPLETE_DAY, text, today)
        return
    for status in [each for each in freshness.beyond if each.last_complete_at]:
        target = AlertTarget(status.project_id, status.region, status.name)
        yield Alert(NO_COMPLETE_DAY, one_line(f"{words_of_age(status, now, limits)}; {advice}"), today, None, target)


def words_of_age(target: TargetStatus, now: datetime, limits: Limits) -> str:
    """Return a sentence on when a target beyond its limit was last complete."""
    age = age_of(target, now)
    if age is None:
        return f"{target.label}: was never complete"
    if is_ahead(age):
        return f"{target.label}: its last complete capture ended in the future; a clock is wrong"
    ages = f"{_hours(age)} ago, longer than {_hours(limits.target)}"
    return f"{target.label}: was last complete on {target.last_complete_date}, {ages}"


def _hours(age: timedelta) -> str:
    return f"{age.total_seconds() / 3600:.1f} h"


def _of_targets(status: Status) -> Iterator[Alert]:
    for each in status.targets:
        if each.coverage != "complete":
            target = AlertTarget(each.project_id, each.region, each.name)
            kind = CREDENTIAL_REFUSED if each.reason == CREDENTIAL_REFUSED else each.coverage
            yield Alert(kind, _text(each, target, status.day), status.day, each.reason, target)


def _text(status: TargetStatus, target: AlertTarget, day: date) -> str:
    """Return the message of the capture, which says what to do; without one, coverage, reason and advice."""
    if status.message is None:
        reason = f" ({status.reason})" if status.reason else ""
        return one_line(f"{target.label}: {status.coverage} on {day}{reason}; {advice_on(status.reason)}")
    message = status.message
    return one_line(message if status.project_id in message else f"{target.label}: {message}")


def _of_surprises(state: LakeState) -> Iterator[Alert]:
    for surprise in state.surprises:
        reason = one_line(f"{surprise.field}: {surprise.rule}")
        yield Alert(SCHEMA_SURPRISE, one_line(surprise.text), surprise.since, reason)


def one_line(text: str) -> str:
    """Return a text as one line of printable characters, cut to `MAX_TEXT_BYTES` bytes."""
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    content = line.encode()
    if len(content) <= MAX_TEXT_BYTES:
        return line
    # the limit is in bytes, so the cut may split a character: `ignore` drops the rest of it
    return content[: MAX_TEXT_BYTES - len("…".encode())].decode(errors="ignore") + "…"
