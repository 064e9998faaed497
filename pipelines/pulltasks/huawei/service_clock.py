"""The comparison of a run's date with the clock of the service.

Lives here: the day on which the run began by the `Date` of an answer, and the judgement.
Does not live here: the second request (client), files under a date (capture.day), signatures (auth).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from zoneinfo import ZoneInfo

# Two clocks that differ by less count as equal: an answer takes some time, and `Date` has whole seconds.
TOLERANCE = timedelta(minutes=2)
# The advice to move the schedule makes sense only for a run that begins this close to midnight.
NEAR_MIDNIGHT = timedelta(hours=1)

Judgement = Literal["agrees", "disagrees", "says_nothing"]


@dataclass(frozen=True)
class RunBegin:
    """The begin of a run.

    Attributes:
        day: the snapshot date of the run.
        zone: the time zone in which days are counted.
        at: the time by this machine's clock.
        monotonic_s: the time in seconds by a clock that never steps, counted from any point.
    """

    day: date
    zone: ZoneInfo
    at: datetime
    monotonic_s: float

    def by_service(self, service_time: datetime, monotonic_s: float) -> datetime:
        """Return the begin of the run by the service's clock, in the run's zone.

        Args:
            service_time: the `Date` of an answer.
            monotonic_s: the time of that answer by the clock that never steps.
        """
        # The time since the begin comes from the monotonic clock: the wall clock may be set while the run works.
        return (service_time - timedelta(seconds=monotonic_s - self.monotonic_s)).astimezone(self.zone)

    def judge(self, service_time: datetime | None, received_at: datetime, monotonic_s: float) -> Judgement:
        """Judge whether the run began on its own day by the service's clock as well.

        Args:
            service_time: the `Date` of an answer; None if it has none that can be read.
            received_at: the time of its headers by this machine's clock.
            monotonic_s: the same time by the clock that never steps.
        """
        if service_time is None:
            return "says_nothing"
        try:
            began = self.by_service(service_time, monotonic_s)
        except OverflowError:
            return "says_nothing"
        if abs(service_time - received_at) < TOLERANCE or began.date() == self.day:
            return "agrees"
        return "disagrees"

    def disagreement(self, service_time: datetime, monotonic_s: float) -> str:
        """Return a message with the begin of the run by both clocks, and advice."""
        here, there = self.at.astimezone(self.zone), self.by_service(service_time, monotonic_s)
        text = (
            "this machine's clock and the service's clock give different days: the run began at "
            f"{here:%Y-%m-%d %H:%M} by this machine's, at {there:%Y-%m-%d %H:%M} by the service's ({self.zone.key}). "
            "Nothing was written under either date. Set this machine's clock (NTP), then run again"
        )
        is_near = min(abs(here - _midnight(here)), abs(here - _midnight(here + timedelta(days=1)))) < NEAR_MIDNIGHT
        return f"{text}; and schedule runs at least an hour away from midnight" if is_near else text


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
