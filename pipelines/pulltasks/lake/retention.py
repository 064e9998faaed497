"""What leaves the lake: raw files that are old enough, and a day that is forgotten.

Lives here: which raw files may be removed, moving a day out of the way.
Does not live here: closing months (compaction), which builds are kept (warehouse.build.builds).
"""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from pulltasks import tables
from pulltasks.errors import LakeError
from pulltasks.lake.compaction import damaged_months, open_month
from pulltasks.lake.manifests import check_file, read_manifest, stale_dates
from pulltasks.lake.paths import month_of
from pulltasks.lake.strays import days_with_raw

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

    from pulltasks.lake.lake import Lake
    from pulltasks.settings import LakeSettings


def remove_old_raw(
    lake: Lake, settings: LakeSettings, today: date, held: Collection[date] | None = None
) -> tuple[list[date], list[date]]:
    """Remove raw files older than `keep_raw_days`, of days whose tables are sound.

    Age is counted from the newest day that has come: a day that a wrong clock wrote makes nothing old.

    Args:
        lake: the caller holds its lock.
        settings: how long raw files are kept.
        today: the day that ages are counted to.
        held: days that a good backup holds, of which alone files are removed; None where no backup is wanted.

    Returns:
        The days whose raw files were removed, and the days that keep them, as they are needed to mend a damaged table.
    """
    dates = lake.tidy_dates()
    come = [day for day in dates if day <= today]
    if settings.keep_raw_days is None or not come:
        return [], []
    horizon = come[-1] - timedelta(days=settings.keep_raw_days)
    valid = set(dates) - set(stale_dates(lake))
    old = [day for day in days_with_raw(lake) if day <= horizon and day in valid and (held is None or day in held)]
    damaged = set(damaged_months(lake, {month_of(day) for day in old}))
    needed = [day for day in old if month_of(day) in damaged or not _is_sound(lake, day)]
    removed = [day for day in old if day not in needed]
    for day in removed:
        lake.take_away(lake.targets_file(day).parent)
    return removed, needed


def forget_day(lake: Lake, day: date) -> Path:
    """Move a day's raw and tidy files out of the way, its manifest first; returns the folder that holds them now.

    A month that was closed is opened for it.
    """
    open_month(lake, month_of(day))
    number = 1 + sum(1 for _ in lake.forgotten.glob(f"{day}-*"))
    folder = lake.forgotten / f"{day}-{number}"
    for path in (
        lake.manifest_file(day),
        *(lake.tidy_file(table.name, day).parent for table in tables.TABLES),
        lake.targets_file(day).parent,
    ):
        if path.exists():
            lake.move(path, folder / path.relative_to(lake.root))
    return folder


def _is_sound(lake: Lake, day: date) -> bool:
    """Whether a day's own files, if it has any, are those that its manifest names."""
    try:
        entries = read_manifest(lake.manifest_file(day)).tables
        for table in tables.TABLES if not lake.is_compacted(day) else ():
            check_file(lake.tidy_file(table.name, day), entries[table.name], "")
    except LakeError:
        return False
    return True
