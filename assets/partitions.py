"""The partition keys: the snapshot date, and for closed months the month.

Lives here: the partitions definitions.
Does not live here: what a date means to the API (pipelines.capture).
"""

from datetime import datetime

import dagster as dg

# The API is younger than this: no snapshot can be older.
FIRST_DATE = datetime(2026, 1, 1)  # noqa: DTZ001 - Dagster combines it with the time zone below


def daily_partitions(timezone: str) -> dg.DailyPartitionsDefinition:
    """One partition a day, today included."""
    return dg.DailyPartitionsDefinition(start_date=FIRST_DATE, timezone=timezone, end_offset=1)


def monthly_partitions(timezone: str) -> dg.MonthlyPartitionsDefinition:
    """One partition for each month that is over."""
    return dg.MonthlyPartitionsDefinition(start_date=FIRST_DATE, timezone=timezone)
