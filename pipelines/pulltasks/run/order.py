"""Whole runs: the order of their steps, which the command line and Dagster both drive.

Lives here: the order of the steps, nothing else.
Does not live here: the steps (steps), the report of a run (report), printing and exit codes (cli.main), assets.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast

from pulltasks.alerts.rules import CREDENTIAL_REFUSED
from pulltasks.capture.day import CaptureOptions, check_date
from pulltasks.capture.zone import check_zone
from pulltasks.errors import DateRefused, LakeError
from pulltasks.lake.audit import repair_manifests
from pulltasks.lake.compaction import clear_compacted_days
from pulltasks.lake.lake import Lake
from pulltasks.lake.retention import forget_day
from pulltasks.lake.strays import days_with_raw, has_raw
from pulltasks.reasons import reason_of
from pulltasks.run.results import EVERYTHING, Captured, Kept, Silent, Skipped, Tidied
from pulltasks.run.steps import close_months, opened
from pulltasks.warehouse.build.builds import remove_all_builds
from pulltasks.warehouse.build.open_tables import remove_tables
from pulltasks.warehouse.build.publish import Built, CrossChecked

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
    from datetime import date
    from pathlib import Path

    from pulltasks.alerts.rules import Failure
    from pulltasks.capture.day import CaptureResult
    from pulltasks.clock import Clock
    from pulltasks.run.results import Closed, Parts, RunResult, Watcher
    from pulltasks.run.steps import Run
    from pulltasks.settings import Settings


# The results that a run yields to its caller, one per step.
Step = Captured | Kept | Tidied | Built | CrossChecked | Skipped


def snapshot_steps(run: Run, day: date, options: CaptureOptions, parts: Parts = EVERYTHING) -> Iterator[Step]:
    """Capture a day that the service still shows, then update tables, warehouse and page."""
    yield run.capture(day, options, with_tidy=parts.tidy)
    # Raw files cannot be made again, so they are backed up before anything else can fail.
    run.backup_raw()
    has_news = any(result.is_new for result in run.found.captures)
    run.settle()
    if parts.tidy:
        stale = run.stale_days()
        # Today comes first: the others can be rebuilt at any time.
        yield run.normalise(day, [day, *(other for other in stale if other != day)] if has_news else stale)
    yield from _steps_from_tables(run, parts)


def rebuild_steps(run: Run, days: Sequence[date], parts: Parts = EVERYTHING) -> Iterator[Step]:
    """Write the tidy files of days again from their raw files, then update warehouse and page."""
    run.settle()
    run.discard_damaged_months(days)  # then all their days are stale
    # Other stale days are written as well, because the build reads them too.
    tidied = run.normalise(days[-1], sorted({*days, *run.stale_days()}))
    if parts.capture:
        yield Kept(days[-1])
    yield tidied
    yield from _steps_from_tables(run, parts)


def _steps_from_tables(run: Run, parts: Parts) -> Iterator[Step]:
    """Yield the last steps, which all runs have in common."""
    if parts.models or parts.publish:
        yield from run.build(parts)
    if parts.page:
        run.write_page()
    if parts.tables:
        run.write_tables()
    run.close_months()
    if parts.tables:
        run.put_for_readers()
    # Last, so that the backup has the closed months as well.
    if parts.backup:
        run.backup_lake()


def partition_steps(run: Run, day: date, options: CaptureOptions, parts: Parts) -> Iterator[Step]:
    """Yield the steps for a day: today is captured, a past day is rebuilt from its raw files."""
    if parts.capture and (options.simulated or _is_present(run, day, options)):
        yield from snapshot_steps(run, day, options, parts)
    elif not has_raw(run.lake, day):
        yield Skipped(
            f"{day}: there is no raw archive of this day in {run.lake.raw}, and the service shows only the "
            "present; nothing was done, existing tables are unchanged",
            day,
        )
    elif parts.tidy:
        yield from rebuild_steps(run, [day], parts)
    else:
        yield Kept(day)
        run.settle()
        yield from _steps_from_tables(run, parts)


def steps_without_day(run: Run, parts: Parts) -> Iterator[Step]:
    """Yield the steps that concern no day of their own: the tables, page and backup of all tidy days."""
    if run.lake.tidy_dates():
        run.settle()
        yield from _steps_from_tables(run, parts)
    else:
        yield Skipped("there are no tidy tables yet; materialise `raw/captures` and `tidy/…` for today first")


def _is_present(run: Run, day: date, options: CaptureOptions) -> bool:
    try:
        check_date(run.settings, day, run.clock.now(), began_at=options.began_at)
    except DateRefused:
        return False
    return True


def may_try_again(captures: Sequence[CaptureResult]) -> bool:
    """Tell whether another attempt soon might list the targets that failed.

    It is False after a refused credential, because a few more refusals would lock the access key.
    """
    reasons = {capture.reason for capture in captures if capture.is_new and capture.verdict != "complete"}
    return CREDENTIAL_REFUSED not in reasons and any(reason_of(reason).may_pass for reason in reasons)


def snapshot(
    settings: Settings,
    day: date,
    clock: Clock,
    *,
    refresh: bool = False,
    only: Collection[tuple[str, str]] | None = None,
    accept_drop: Collection[tuple[str, str]] = (),
    simulated: bool = False,
    watcher: Watcher | None = None,
    tell: Callable[[Failure], None] = lambda _: None,
) -> RunResult:
    """Capture `day` (today, unless it is a sandbox's), then build and publish all days that are not published yet.

    Raises:
        DateRefused: before anything is touched, when `day` is not today, or a later day was captured already under
            another time zone.
        LakeBusy: before anything is touched, when another run is writing.
        ConfigError: when no credential is found, or no endpoint resolves.
    """
    began_at = clock.now()
    # Before the lake is opened, so that a refused date touches nothing.
    if not simulated:
        check_date(settings, day, began_at)
        check_zone(settings, Lake(settings.lake.root), began_at)
    options = CaptureOptions(refresh, only, accept_drop, simulated, began_at)
    with opened(settings, clock, "snapshot", watcher, tell) as run:
        return _finished(run, snapshot_steps(run, day, options), day)


def rebuild(
    settings: Settings,
    first: date,
    last: date,
    clock: Clock,
    *,
    watcher: Watcher | None = None,
    tell: Callable[[Failure], None] = lambda _: None,
) -> RunResult:
    """Write the tidy files from `first` to `last` again from the raw archive alone, and publish.

    Raises:
        LakeError: when there is no raw archive for any of the days; nothing is touched then.
        LakeBusy: when another run is writing.
    """
    lake = Lake(settings.lake.root)
    held = days_with_raw(lake)
    days = [day for day in held if first <= day <= last]
    if not days:
        reach = f"it reaches from {held[0]} to {held[-1]}" if held else "it is empty"
        raise LakeError(
            f"no raw archive from {first} to {last} in {lake.raw}; {reach}. Nothing was touched: without it a day's "
            "tables cannot be rebuilt; existing ones are unchanged"
        )
    with opened(settings, clock, "rebuild", watcher, tell) as run:
        result = _finished(run, rebuild_steps(run, days), days[-1])
    without_raw = tuple(day for day in lake.tidy_dates() if first <= day <= last and day not in days)
    return replace(result, days_without_raw=without_raw)


def _finished(run: Run, steps: Iterable[Step], day: date) -> RunResult:
    for _ in steps:
        pass
    return cast("RunResult", run.result(day))  # a whole run publishes, or raises


@dataclass(frozen=True)
class Forgotten:
    """The result of forgetting a day.

    Attributes:
        folder: the folder that has its files now.
        published: the published file; None if no day is left.
        newest: the newest day that is left, or None.
        troubles: failures beside it, one line each.
    """

    folder: Path
    published: Path | None
    newest: date | None
    troubles: tuple[str, ...] = ()


def forget(
    settings: Settings, day: date, clock: Clock, *, for_good: bool = False, watcher: Watcher | None = None
) -> Forgotten:
    """Remove a wrong day from all tables: its raw and tidy files are moved to `lake/forgotten/`.

    Raises:
        LakeError: when the lake has nothing of that day; or when it has no raw files of it, so that the day could never
            be rebuilt, and `for_good` is not set. Nothing is touched then.
        LakeBusy: when another run is writing.
    """
    lake = Lake(settings.lake.root)
    is_captured, has_tidy = has_raw(lake, day), day in lake.tidy_dates()
    if not is_captured and not has_tidy:
        raise LakeError(f"{day}: {lake.root} has nothing of this day; nothing was touched")
    if not is_captured and not for_good:
        raise LakeError(
            f"{day}: there is no raw archive of this day, so it could never be rebuilt; add --for-good to --yes "
            "to remove it anyway. Nothing was touched"
        )
    with opened(settings, clock, "forget", watcher) as run:
        run.settle()
        folder = forget_day(lake, day)
        days = lake.tidy_dates()
        if not days:
            # There is nothing left to build from, so nothing may stay published.
            remove_all_builds(lake)
            remove_tables(lake)
            run.put_for_readers()
            run.backup_lake()
            return Forgotten(folder, None, None, tuple(trouble.text for trouble in run.found.troubles))
        result = _finished(run, _steps_from_tables(run, EVERYTHING), days[-1])
    troubles = (*result.damaged_days, *(trouble.text for trouble in result.troubles))
    return Forgotten(folder, result.published, days[-1], troubles)


def compact(settings: Settings, today: date, *, watcher: Watcher | None = None) -> Closed:
    """Close months and remove raw files as every run does, without a run; `today` is the day ages are counted from.

    Raises:
        LakeError: when there are no tidy tables.
        LakeBusy: when another run is writing.
    """
    lake = Lake(settings.lake.root)
    if not lake.tidy_dates():
        raise LakeError(f"{lake.root}: there are no tidy tables to compact; run `pulltasks snapshot` first")
    lake.prepare()
    with lake.lock():
        lake.require_whole()
        # An interrupted run may have left a month's file beside the files of its days.
        repair_manifests(lake)
        clear_compacted_days(lake)
        return close_months(lake, settings, today, watcher or Silent())
