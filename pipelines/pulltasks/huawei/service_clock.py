"""Whose day it is: the date that a run works under, held against the clock of the service.

Lives here: what the `Date` of an answer says of the day on which the run began.
Does not live here: asking a second time (client), what is written under a date (capture.day), signatures (auth).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

# Nearer to each other, two clocks are taken for one.
TOLERANCE = timedelta(minutes=2)
NEAR_MIDNIGHT = timedelta(hours=1)

Judgement = Literal["agrees", "disagrees", "says_nothing"]


@dataclass(frozen=True)
class RunBegin:
    """When a run began.

    Attributes:
        day: the snapshot date that it works under.
        zone: the time zone that days are counted in.
        at: by this machine's clock.
        monotonic_s: by a clock that never steps, seconds from wherever it counts.
    """

    day: date
    zone: ZoneInfo
    at: datetime
    monotonic_s: float

    def by_service(self, said: datetime, monotonic_s: float) -> datetime:
        """When the run began by the service's clock."""
        return (said - timedelta(seconds=monotonic_s - self.monotonic_s)).astimezone(self.zone)

    def judge(self, said: datetime | None, received_at: datetime, monotonic_s: float) -> Judgement:
        """Whether the service gives the run the day that it works under.

        Args:
            said: the `Date` of an answer; None where it had none that can be read.
            received_at: when its headers came, by this machine's clock.
            monotonic_s: the same by the clock that never steps.
        """
        if said is None:
            return "says_nothing"
        try:
            began = self.by_service(said, monotonic_s)
        except OverflowError:
            return "says_nothing"
        if abs(said - received_at) < TOLERANCE or began.date() == self.day:
            return "agrees"
        return "disagrees"

    def disagreement(self, said: datetime, monotonic_s: float) -> str:
        """Both times at which the run began, and what to do."""
        here, there = self.at.astimezone(self.zone), self.by_service(said, monotonic_s)
        text = (
            f"this machine's clock and the service's give other days: the run began at {here:%Y-%m-%d %H:%M} by this "
            f"machine's, at {there:%Y-%m-%d %H:%M} by the service's ({self.zone.key}). Nothing is written under either "
            "date. Set this machine's clock (NTP), then run again"
        )
        is_near = min(abs(here - _midnight(here)), abs(here - _midnight(here + timedelta(days=1)))) < NEAR_MIDNIGHT
        return f"{text}; and let the schedule keep an hour's distance from midnight" if is_near else text


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
