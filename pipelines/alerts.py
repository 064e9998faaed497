"""Alarms: what of the state of a lake, and of how a run ended, somebody should be told.

Lives here: the kinds, their texts and what tells one alarm from another; pure functions.
Does not live here: bodies and sending (webhook), what was sent before and when to send (announce).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date  # noqa: TC003 - msgspec reads annotations when it runs
from typing import TYPE_CHECKING

import msgspec

from pipelines.coverage import is_ahead, words_of_a_day_ahead
from pipelines.errors import target_label
from pipelines.redact import mask_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime, timedelta

    from pipelines.coverage import NewestComplete, Status, Surprise, TargetStatus

RUN_FAILED = "run_failed"
NO_COMPLETE_DAY = "no_complete_day"
CREDENTIAL_REFUSED = "credential_refused"
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
    SCHEMA_SURPRISE,
)
# Twenty of these, however they are escaped, stay below the 20 kB that a bot accepts.
MAX_TEXT_BYTES = 450


class AlertKey(msgspec.Struct, frozen=True):
    """What tells alarms apart: one with the same key was told before, whatever its text says now."""

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
    """What failed beside the listings: a word for it, and a message that says what to do."""

    reason: str
    text: str


@dataclass(frozen=True)
class LakeState:
    """What the published warehouse says: its newest day, what surprised on it, the newest complete day."""

    status: Status
    surprises: Sequence[Surprise]
    newest: NewestComplete | None


def find_alerts(
    state: LakeState | None, failure: Failure | None, now: datetime, today: date, max_age: timedelta
) -> tuple[Alert, ...]:
    """All that is wrong now, in the order in which it is told.

    Args:
        state: None when nothing was published yet.
        failure: what failed beside the listings: how the run ended, or what cannot be read.
        now: the time that ages are counted to.
        today: its calendar day.
        max_age: how long ago the newest complete day may have been.
    """
    found = [*_of_run(failure, today)]
    if state is None and failure is None:
        found.append(Alert(NO_COMPLETE_DAY, "nothing is published; run `pulltasks snapshot`, or mount the lake", today))
    if state and state.status.day > today:
        found.append(Alert(NO_COMPLETE_DAY, words_of_a_day_ahead(state.status.day, today), today, "day_ahead"))
    elif state:
        found += _of_age(state.newest, now, today, max_age)
    if state:
        found += [*_of_targets(state.status), *_of_surprises(state)]
    return tuple(sorted(found, key=lambda alert: KINDS.index(alert.kind)))


def _of_run(failure: Failure | None, today: date) -> Iterator[Alert]:
    if failure:
        yield Alert(RUN_FAILED, one_line(failure.text), today, failure.reason)


def _of_age(newest: NewestComplete | None, now: datetime, today: date, max_age: timedelta) -> Iterator[Alert]:
    advice = "run `pulltasks status` for the reasons"
    if newest is None:
        yield Alert(NO_COMPLETE_DAY, f"no day was ever complete; {advice}", today)
    elif is_ahead(now - newest.finished_at):
        text = f"all targets were last complete on {newest.day}, which ended after now: a clock is wrong; set it"
        yield Alert(NO_COMPLETE_DAY, text, today, "day_ahead")
    elif (age := now - newest.finished_at) > max_age:
        ages = f"{_hours(age)} ago, longer than {_hours(max_age)}"
        yield Alert(NO_COMPLETE_DAY, f"all targets were last complete on {newest.day}, {ages}; {advice}", today)


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
        advice = "run `pulltasks snapshot`" if status.coverage == "missing" else "run `pulltasks doctor` for more"
        return one_line(f"{target.label}: {status.coverage} on {day} ({status.reason}); {advice}")
    message = mask_text(status.message)
    # the words of the service are masked in a warehouse anyway, unless it exposes secrets: a message never does
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
