"""The partition keys: the snapshot date, and for closed months the month.

Lives here: the partitions definitions, and the day they begin with.
Does not live here: what a date means to the API (pulltasks.capture).
"""

from datetime import date, datetime

import dagster as dg
from pulltasks.capture.day import GRACE_AFTER_MIDNIGHT
from pulltasks.lake.lake import Lake
from pulltasks.lake.strays import days_with_raw
from pulltasks.settings import Settings

# Where the lake cannot be read: the API is younger than this, so no snapshot can be older.
FIRST_DATE = date(2026, 1, 1)


def first_day(settings: Settings, now: datetime) -> date:
    """The lake's first day; of a new lake today, which a run that begins at midnight must still find."""
    lake = Lake(settings.lake.root)
    try:
        days = [*days_with_raw(lake)[:1], *lake.tidy_dates()[:1]]
    except OSError:
        return FIRST_DATE
    return min([*days, settings.today(now - GRACE_AFTER_MIDNIGHT)])


def daily_partitions(first: date, timezone: str) -> dg.DailyPartitionsDefinition:
    """One partition a day, today included."""
    return dg.DailyPartitionsDefinition(start_date=str(first), timezone=timezone, end_offset=1)


def monthly_partitions(first: date, timezone: str) -> dg.MonthlyPartitionsDefinition:
    """One partition for each month that is over."""
    return dg.MonthlyPartitionsDefinition(start_date=str(first.replace(day=1)), timezone=timezone)
