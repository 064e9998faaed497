"""The guard on the configured time zone: a later capture never becomes an earlier day.

Lives here: the check whether a capture may begin under the zone, and the time from which it may.
Does not live here: the zone under which a day was captured (lake.zones), the guard on the date (day).
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from pulltasks.errors import DateRefused
from pulltasks.lake.strays import days_with_raw
from pulltasks.lake.zones import has_begun, zone_of

if TYPE_CHECKING:
    from pulltasks.lake.lake import Lake
    from pulltasks.settings import Settings


def check_zone(settings: Settings, lake: Lake, now: datetime) -> None:
    """Refuse to capture today if a later day, which has begun by its own zone, was captured already.

    A day that has not begun by its own zone comes from a wrong clock, which is not a reason to lose today.

    Raises:
        DateRefused: with both zones, the day, and the time from which a capture is possible again.
    """
    today = settings.today(now)
    later = [day for day in {*days_with_raw(lake), *lake.tidy_dates()} if day > today]
    for day in sorted(later, reverse=True):
        if has_begun(lake, day, now):
            begins = _begin_of(day, ZoneInfo(settings.timezone))
            raise DateRefused(
                f"timezone: {day} was captured under {zone_of(lake, day)} already, and in {settings.timezone} it is "
                f"still {today}, so that this capture would become an earlier day than the one before it; nothing was "
                f"sent or written, captures work again from {begins:%Y-%m-%d %H:%M} in {settings.timezone} on, or at "
                "once with the zone that was configured before"
            )


def _begin_of(day: date, zone: ZoneInfo) -> datetime:
    """Return the first moment of a day; where clocks are put forward at midnight there is no 00:00."""
    return datetime.combine(day, time(), zone).astimezone(UTC).astimezone(zone)
