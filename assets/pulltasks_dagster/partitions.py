"""The partition keys: the snapshot date, and for closed months the month.

Lives here: the partitions definitions, and their first day.
Does not live here: the rules about dates (pulltasks.capture).
"""

from datetime import date, datetime

import dagster as dg
from pulltasks.capture.day import GRACE_AFTER_MIDNIGHT
from pulltasks.lake.lake import Lake
from pulltasks.lake.strays import days_with_raw
from pulltasks.settings import Settings

# The first day if the lake cannot be read: the API is younger than this, so no snapshot can be older.
FIRST_DATE = date(2026, 1, 1)


def first_day(settings: Settings, now: datetime) -> date:
    """Return the lake's first day; for a new lake today, or yesterday shortly after midnight.

    A run that began before midnight keeps its date, so its partition must still exist then.
    """
    lake = Lake(settings.lake.root)
    try:
        days = [*days_with_raw(lake)[:1], *lake.tidy_dates()[:1]]
    except OSError:
        return FIRST_DATE
    return min([*days, settings.today(now - GRACE_AFTER_MIDNIGHT)])


def daily_partitions(first: date, timezone: str) -> dg.DailyPartitionsDefinition:
    """Return one partition per day, today included."""
    # Dagster offers a partition when it is over; the offset adds the current day.
    return dg.DailyPartitionsDefinition(start_date=str(first), timezone=timezone, end_offset=1)


def monthly_partitions(first: date, timezone: str) -> dg.MonthlyPartitionsDefinition:
    """Return one partition per month that is over."""
    return dg.MonthlyPartitionsDefinition(start_date=str(first.replace(day=1)), timezone=timezone)
