"""Alarms: what of the state of a lake, and of how a run ended, somebody should be told.

Lives here: the kinds, their texts and what tells one alarm from another; pure functions.
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
# Only sent when somebody asks for it.
TEST = "test"
# All other kinds, in the order in which a message tells them; those in the middle are words of the coverage.
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
# What is told of a run that ended with an error.
RUN_ENDED = "the run ended with an error: {text}"
# Twenty of these, however they are escaped, stay below the 20 kB that a bot accepts.
MAX_TEXT_BYTES = 450


class AlertKey(msgspec.Struct, frozen=True):
    """Identity of the alarm: one with the same key counts as sent, whatever its text."""

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
        """As messages call it everywhere."""
        return target_label(self.project_id, self.region, self.name)


@dataclass(frozen=True)
class Alert:
    """One thing that is wrong.

    Attributes:
        kind: one of `KINDS`.
        text: what it is and what to do, in one line, without secrets, at most `MAX_TEXT_BYTES` long.
        snapshot_date: the day that it is about; of a surprise the first day; of a run and an age today, so that these
            are told once a day.
        reason: the reason of the verdict, what failed of a run, or field and rule of a surprise.
        target: what it is about, if that is one target.
    """

    kind: str
    text: str
    snapshot_date: date
    reason: str | None = None
    target: AlertTarget | None = None

    @property
    def key(self) -> AlertKey:
        """What tells it from others; a text may quote a request and so differ every time."""
        target = f"{self.target.project_id}/{self.target.region}" if self.target else None
        return AlertKey(self.kind, target, self.snapshot_date, self.reason)


@dataclass(frozen=True)
class Failure:
    """A failure beside the listings: a word for it, and a message that says what to do."""

    reason: str
    text: str


@dataclass(frozen=True)
class LakeState:
    """What the published warehouse says: how targets stand on its newest day, what surprised on it."""

    status: Status
    surprises: Sequence[SchemaDrift]


def find_alerts(
    state: LakeState | None, failures: Sequence[Failure], now: datetime, today: date, limits: Limits
) -> tuple[Alert, ...]:
    """All alarms of now, in the order in which they are sent.

    Args:
        state: None when nothing was published yet.
        failures: what failed beside the listings: how the run ended, or what cannot be read.
        now: the time that ages are counted to.
        today: its calendar day.
        limits: how old the lake and each target may be.
    """
    told = {target.reason for target in state.status.targets} if state else set()
    # a refused credential is told of each target that it cost the day, and by itself where all were complete before
    found = [
        each
        for failure in failures
        if failure.reason != CREDENTIAL_REFUSED or failure.reason not in told
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
    """The lake's own age; where that is beyond its limit, those of its targets say nothing more.

    A target that was never complete is told by how its listing ended.
    """
    advice = "run `pulltasks status` for the reasons"
    age = freshness.lake_age
    if freshness.is_lake_beyond:
        if age is None:
            yield Alert(NO_COMPLETE_DAY, f"no capture is published; {advice}", today)
        elif is_ahead(age):
            text = "the last capture that is published ended after now: a clock is wrong; set it"
            yield Alert(NO_COMPLETE_DAY, text, today, "day_ahead")
        else:
            ages = f"{_hours(age)} ago, longer than {_hours(limits.lake)}"
            text = f"the last capture that is published ended {ages}; find out why no run published since"
            yield Alert(NO_COMPLETE_DAY, text, today)
        return
    for status in [each for each in freshness.beyond if each.last_complete_at]:
        target = AlertTarget(status.project_id, status.region, status.name)
        yield Alert(NO_COMPLETE_DAY, one_line(f"{words_of_age(status, now, limits)}; {advice}"), today, None, target)


def words_of_age(target: TargetStatus, now: datetime, limits: Limits) -> str:
    """How long a target that is beyond its limit is not known, in a sentence."""
    age = age_of(target, now)
    if age is None:
        return f"{target.label}: was never complete"
    if is_ahead(age):
        return f"{target.label}: was last complete after now; a clock is wrong"
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
    """The message of the capture, which says what to do; without one, what is known."""
    if status.message is None:
        words = f"{status.coverage} on {day} ({status.reason}); {advice_on(status.reason)}"
        return one_line(f"{target.label}: {words}")
    message = status.message
    return one_line(message if status.project_id in message else f"{target.label}: {message}")


def _of_surprises(state: LakeState) -> Iterator[Alert]:
    for surprise in state.surprises:
        reason = one_line(f"{surprise.field}: {surprise.rule}")
        yield Alert(SCHEMA_SURPRISE, one_line(surprise.text), surprise.since, reason)


def one_line(text: str) -> str:
    """A text without line breaks and what cannot be seen, cut where it would grow too long."""
    line = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    content = line.encode()
    if len(content) <= MAX_TEXT_BYTES:
        return line
    return content[: MAX_TEXT_BYTES - len("…".encode())].decode(errors="ignore") + "…"
