"""Remove old raw files from the lake, and take a day out of it (`pulltasks forget`).

Lives here: which raw files may be removed, moving a day's files to `forgotten/`.
Does not live here: closing months (compaction), which builds are retained (warehouse.build.builds).
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
    from collections.abc import Callable, Collection
    from pathlib import Path

    from pulltasks.lake.lake import Lake
    from pulltasks.settings import LakeSettings


def remove_old_raw(
    lake: Lake, settings: LakeSettings, today: date, days_held: Callable[[], Collection[date] | None]
) -> tuple[list[date], list[date]]:
    """Remove the raw files older than `keep_raw_days` of days whose tables are sound.

    Age is counted from the newest day up to `today`, so that a day in the future, written under a wrong clock, makes
    no file old.

    Args:
        lake: the caller holds its lock.
        settings: how long raw files are retained.
        today: later days are ignored.
        days_held: returns the days that a good backup holds, the only ones whose files may go; None when no backup is
            configured. It is called only if there are old files.

    Returns:
        The days whose raw files were removed, and the old days that retain them because a table is damaged and must be
        rebuilt from them.
    """
    dates = lake.tidy_dates()
    begun = [day for day in dates if day <= today]
    if settings.keep_raw_days is None or not begun:
        return [], []
    horizon = begun[-1] - timedelta(days=settings.keep_raw_days)
    old = [day for day in days_with_raw(lake) if day <= horizon]
    if not old:
        return [], []  # mostly: what follows reads the raw files of all days
    held = days_held()
    # a stale day has raw files that its tables do not show yet
    valid = set(dates) - set(stale_dates(lake))
    old = [day for day in old if day in valid and (held is None or day in held)]
    damaged = set(damaged_months(lake, {month_of(day) for day in old}))
    needed = [day for day in old if month_of(day) in damaged or not _is_sound(lake, day)]
    removed = [day for day in old if day not in needed]
    for day in removed:
        lake.remove_folder(lake.targets_file(day).parent)
    return removed, needed


def forget_day(lake: Lake, day: date) -> Path:
    """Move a day's raw and tidy files to a folder in `forgotten/`, and return that folder.

    A compacted month is split first, because its files hold other days as well.
    """
    open_month(lake, month_of(day))
    number = 1 + sum(1 for _ in lake.forgotten.glob(f"{day}-*"))
    folder = lake.forgotten / f"{day}-{number}"
    # The manifest is moved first: without it no reader uses the day, even if the process dies in between.
    for path in (
        lake.manifest_file(day),
        *(lake.tidy_file(table.name, day).parent for table in tables.TABLES),
        lake.targets_file(day).parent,
    ):
        if path.exists():
            lake.move(path, folder / path.relative_to(lake.root))
    return folder


def _is_sound(lake: Lake, day: date) -> bool:
    """Tell whether the daily files of a day match its manifest; a compacted day has none to compare."""
    try:
        entries = read_manifest(lake.manifest_file(day)).tables
        for table in tables.TABLES if not lake.is_compacted(day) else ():
            check_file(lake.tidy_file(table.name, day), entries[table.name], "")
    except LakeError:
        return False
    return True
