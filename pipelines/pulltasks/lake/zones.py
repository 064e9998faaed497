"""The time zone that a day was captured under, and whether the day has begun there.

Lives here: reading it from the raw archive, or from the tidy tables where a day has no raw files.
Does not live here: its use in captures and reports (capture.zone, doctor), the zone in a build (warehouse).
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from pulltasks.lake.strays import read_raw_day
from pulltasks.lazily import pa, pc, pq
from pulltasks.tables import CAPTURES

if TYPE_CHECKING:
    from datetime import date, datetime

    from pulltasks.lake.lake import Lake


def zone_of(lake: Lake, day: date) -> ZoneInfo | None:
    """Return the zone that `day` was captured under; None when no file of the day names a known one."""
    name = read_raw_day(lake, day).timezone or _zone_of_tables(lake, day)
    # this machine's database of zones may lack a name that another machine wrote
    try:
        return ZoneInfo(name) if name else None
    except (ValueError, OSError, KeyError):
        return None


def has_begun(lake: Lake, day: date, now: datetime) -> bool:
    """Tell whether `day` has begun in the zone that it was captured under; False when the zone is unknown."""
    zone = zone_of(lake, day)
    return zone is not None and day <= now.astimezone(zone).date()


def _zone_of_tables(lake: Lake, day: date) -> str | None:
    try:
        files = [pq.ParquetFile(path) for path in lake.files(CAPTURES.name, day, day)]
        rows = [file.read(columns=["snapshot_date", "timezone"]) for file in files]
    except (OSError, pa.ArrowException):
        return None
    names = [
        name for each in rows for name in each.filter(pc.equal(each["snapshot_date"], day))["timezone"].to_pylist()
    ]
    return next(filter(None, names), None)
