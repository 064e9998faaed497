"""`pulltasks doctor`, the part about the lake: modes, space, memory, strays, damage, days without raw files, the key.

Lives here: the checks, and one line of advice per trouble; nothing is changed.
Does not live here: requests to the API (targets), repairs (lake.audit, lake.compaction), printing (cli.output).
"""

from __future__ import annotations

import os
import shutil
from datetime import timedelta
from typing import TYPE_CHECKING

from pulltasks.doctor.memory import memory
from pulltasks.doctor.targets import Finding, Report
from pulltasks.errors import LakeError, NewerForm, RemovedForm
from pulltasks.lake.files import PRIVATE_FILE, PRIVATE_FOLDER
from pulltasks.lake.lake import Lake
from pulltasks.lake.manifests import REPAIR_WINDOW_DAYS, newer_days, read_if_valid, read_month_if_valid, read_raw_state
from pulltasks.lake.redaction_key import read_key
from pulltasks.lake.run_log import last_paces, read_runs
from pulltasks.lake.strays import days_with_raw
from pulltasks.lake.zones import has_begun
from pulltasks.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date, datetime
    from pathlib import Path

    from pulltasks.settings import Settings

MAX_NAMED = 10
# A publish copies the published file, adds to the copy, and keeps the older one until the new one is in place.
COPIES_OF_A_PUBLISH = 2
# The least free space of any lake: a small published file alone would ask for almost none.
LEAST_FREE_BYTES = 256 * 2**20
MEGABYTE = 10**6


def examine_lake(settings: Settings, now: datetime) -> Report:
    """Examine the lake on disk; the report has no secrets.

    Args:
        settings: the configuration, with the lake's folder and the age to which raw files are kept.
        now: the current time; a day that has not begun by the zone of its capture comes from a wrong clock.
    """
    lake = Lake(settings.lake.root)
    if not lake.root.is_dir():
        return Report("lake", (Finding("folder", "not there yet; the first snapshot creates it"),))
    try:
        return Report("lake", tuple(_findings(lake, settings, now)))
    except (RemovedForm, NewerForm) as error:
        return Report("lake", (Finding("form", "is not read by this version", str(error)),))
    except OSError as error:
        advice = "let this user read and write the whole lake, then run doctor again"
        return Report("lake", (Finding("folder", f"{error.filename}: {error.strerror}", advice),))


def _findings(lake: Lake, settings: Settings, now: datetime) -> Iterator[Finding]:
    today = settings.today(now)
    raw_dates, tidy_dates = days_with_raw(lake), lake.tidy_dates()
    yield _modes(lake, raw_dates[-REPAIR_WINDOW_DAYS:])
    yield _free_space(lake)
    yield memory(lake, settings)
    yield _strays(lake)
    yield _key(lake)
    yield _manifests(lake, tidy_dates)
    yield _pace(lake)
    yield _days_without_tables(raw_dates, tidy_dates)
    yield _days_without_raw(raw_dates, tidy_dates, settings.lake.keep_raw_days, today)
    ahead = sorted(day for day in {*raw_dates, *tidy_dates} if day > today)
    yield _days_ahead([day for day in ahead if not has_begun(lake, day, now)])


def _modes(lake: Lake, days: Sequence[date]) -> Finding:
    """Check that secret files are private and that this user can read them; raw files of the newest days only."""
    if not os.access(lake.root, os.W_OK | os.X_OK):
        return Finding("permissions", "this user may not write to the lake", "run as the user who owns the lake")
    # Stricter modes are fine: only additional permissions count.
    private = [
        path
        for path, mode in (
            *((folder, PRIVATE_FOLDER) for folder in lake.private_folders()),
            (lake.redaction_key, PRIVATE_FILE),
        )
        if path.exists() and path.stat().st_mode & 0o777 & ~mode
    ]
    if private:
        return Finding("permissions", f"open to others: {_named(lake, private)}", "close them: chmod -R go= on each")
    closed = [path for day in days for path in lake.raw_files(day) if not os.access(path, os.R_OK)]
    if closed:
        return Finding(
            "permissions", f"not readable: {_named(lake, closed)}", "let the user who runs pulltasks own them"
        )
    return Finding("permissions", "secret files are private")


def _free_space(lake: Lake) -> Finding:
    free = shutil.disk_usage(lake.root).free
    published = lake.published.stat().st_size if lake.published.exists() else 0
    needed = max(COPIES_OF_A_PUBLISH * published, LEAST_FREE_BYTES)
    text = f"{free // MEGABYTE} MB free, a publish needs up to {needed // MEGABYTE} MB"
    return Finding(
        "space", text, "make room: raw files can be kept shorter (lake.keep_raw_days)" if free < needed else None
    )


def _strays(lake: Lake) -> Finding:
    """List files with unknown names, which are ignored, and raw files whose header names another day or target."""
    foreign = lake.strays()
    looked_at = f"the headers of the newest {REPAIR_WINDOW_DAYS} days and of those without tables were read"
    names = f"not read, not removed: {_named(lake, foreign)}" if foreign else f"none in raw/; {looked_at}"
    strays = read_raw_state(lake).strays
    if not strays:
        return Finding("unexpected files", names)
    advice = ". ".join(
        [*map(str, strays[:MAX_NAMED]), *([f"{len(strays) - MAX_NAMED} more"] * (len(strays) > MAX_NAMED))]
    )
    return Finding("unexpected files", _named(lake, [*foreign, *(stray.path for stray in strays)]), advice)


def _key(lake: Lake) -> Finding:
    if not lake.redaction_key.is_file():
        # Publishing creates the key, so a published lake without one has lost it.
        lost = lake.published.is_symlink()
        advice = "restore redaction.key from a backup: without it every fingerprint changes" if lost else None
        return Finding("redaction key", "gone" if lost else "not there yet", advice)
    try:
        read_key(lake)
    except LakeError as error:
        return Finding("redaction key", "damaged, or another one", str(error))
    held = "agrees with its checksum" if lake.redaction_key_checksum.is_file() else "has no checksum yet"
    return Finding("redaction key", held)


def _manifests(lake: Lake, tidy_dates: Sequence[date]) -> Finding:
    damaged = [path for day in tidy_dates if not read_if_valid(path := lake.manifest_file(day))]
    damaged += [
        path for month in lake.compacted_months() if not read_month_if_valid(path := lake.month_manifest_file(month))
    ]
    if damaged:
        advice = "the next snapshot writes them again, from raw files or from the tables"
        return Finding("manifests", f"cannot be used: {_named(lake, damaged)}", advice)
    if newer := newer_days(lake):
        advice = f"install that version again, or: pulltasks rebuild --from {newer[0]} --to {newer[-1]}"
        return Finding("manifests", f"of a newer pulltasks: {_days(newer)}", advice)
    return Finding("manifests", f"{counted(len(tidy_dates), 'day')} readable")


def _pace(lake: Lake) -> Finding:
    """Report the pace that each credential reached in its last run that asked the service."""
    paces = last_paces(read_runs(lake))
    texts = [f"{name}: {reached} ({run.ended_at:%Y-%m-%d %H:%M} UTC)" for name, (run, reached) in paces.items()]
    return Finding("pace", "; ".join(texts) or "not known yet")


def _days_without_tables(raw_dates: Sequence[date], tidy_dates: Sequence[date]) -> Finding:
    without = sorted({*raw_dates} - {*tidy_dates})
    if without:
        advice = f"pulltasks rebuild --from {without[0]} --to {without[-1]}"
        return Finding("days without tables", _days(without), advice)
    return Finding("days without tables", "none")


def _days_without_raw(
    raw_dates: Sequence[date], tidy_dates: Sequence[date], keep_raw_days: int | None, today: date
) -> Finding:
    """Report days that only `tidy/` has; if the settings removed their raw files, that is not a trouble."""
    without = sorted({*tidy_dates} - {*raw_dates})
    if not without:
        return Finding("days without raw", "none")
    # A day after today comes from a wrong clock, and must not move the age limit.
    newest = max((day for day in (*raw_dates, *tidy_dates) if day <= today), default=today)
    unexpected = [day for day in without if keep_raw_days is None or day > newest - timedelta(days=keep_raw_days)]
    advice = f"their raw files are gone ({_days(unexpected)}): restore raw/ from a backup" if unexpected else None
    return Finding("days without raw", f"{_days(without)}; only tidy/ has them: back it up", advice)


def _days_ahead(ahead: Sequence[date]) -> Finding:
    if ahead:
        advice = f"set this machine's clock; pulltasks forget --date {ahead[-1]} removes a wrong day"
        return Finding("days after today", _days(ahead), advice)
    return Finding("days after today", "none")


def _days(days: Sequence[date]) -> str:
    named = ", ".join(str(day) for day in days[:MAX_NAMED])
    return named if len(days) <= MAX_NAMED else f"{counted(len(days), 'day')}, {days[0]} to {days[-1]}"


def _named(lake: Lake, paths: Sequence[Path]) -> str:
    named = ", ".join(str(path.relative_to(lake.root)) for path in paths[:MAX_NAMED])
    more = len(paths) - MAX_NAMED
    return f"{named} and {more} more" if more > 0 else named
