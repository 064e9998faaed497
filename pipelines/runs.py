"""Whole runs without Dagster: capture today, rebuild past days, compact closed months, each under the lake's lock.

Lives here: the order of the steps.
Does not live here: the steps themselves, printing, exit codes (cli).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from pipelines.alerts import CREDENTIAL_REFUSED, Failure
from pipelines.audit import Audit, audit_days, mend_manifests
from pipelines.builds import plan_build, remove_all_builds
from pipelines.capture import CLOCK_DISAGREES, CaptureResult, capture_targets, check_date
from pipelines.compaction import (
    clear_compacted_days,
    compact_month,
    damaged_months,
    forget_day,
    give_up_month,
    months_to_compact,
    remove_old_raw,
)
from pipelines.coverage import known_tasks, read_surprises
from pipelines.error_reports import reporter
from pipelines.errors import LakeError, NoWarehouse
from pipelines.lake import Lake, month_of
from pipelines.manifests import stale_dates
from pipelines.models import load_models
from pipelines.normalise import days_to_normalise, normalise_days
from pipelines.publish import build_and_publish
from pipelines.status import read_day
from pipelines.warehouse import open_published

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import date
    from pathlib import Path

    from pipelines.capture import Clock
    from pipelines.compaction import CompactedMonth
    from pipelines.errors import Reporter
    from pipelines.models import Models
    from pipelines.settings import Settings, WarehouseSettings
    from pipelines.status import Status


class Watcher(Protocol):
    """Is told how a run gets on."""

    def begin(self, step: str, total: int) -> None:
        """A step of so many parts begins."""

    def advance(self, note: str) -> None:
        """One part is done."""


class Silent:
    """A watcher that does not care."""

    def begin(self, step: str, total: int) -> None:
        """Nothing to do."""

    def advance(self, note: str) -> None:
        """Nothing to do."""


@dataclass(frozen=True)
class RunResult:
    """What a run did.

    Attributes:
        captures: how each target that was asked for ended; empty for a rebuild.
        built_days: the days whose tidy files were written.
        days_without_raw: days that a rebuild was asked for and left as they are, as they have no raw files any more.
        damaged_days: what is wrong with days that could not be written; the rest goes on without them.
        published: the published file.
        dashboard: the page, where the settings ask for one.
        page_error: why the page could not be written; what was published stands.
        status: how the targets stand on the day that was asked for, or on the newest one after a rebuild.
        surprises: what the answers of that day held that was not expected, and what was found damaged and mended.
        is_complete: whether every target is complete on the newest day, and no day is damaged.
    """

    captures: tuple[CaptureResult, ...]
    built_days: tuple[date, ...]
    damaged_days: tuple[str, ...]
    published: Path
    status: Status
    surprises: tuple[str, ...]
    is_complete: bool
    days_without_raw: tuple[date, ...] = ()
    dashboard: Path | None = None
    page_error: str | None = None


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
) -> RunResult:
    """Capture `day` (today, unless it is a sandbox's), then build and publish whatever is not published yet.

    Raises:
        DateRefused: before anything is touched, when `day` is not today.
        LakeBusy: before anything is touched, when another run is writing.
        ConfigError: when no credential is found, or no endpoint resolves.
    """
    watcher = watcher or Silent()
    began_at = clock.now()
    if not simulated:
        check_date(settings, day, began_at)
    lake = Lake(settings.lake.root)
    lake.prepare()
    report = reporter(lake)
    with lake.lock():
        damage = _damage(lake)
        watcher.begin("capturing", len(settings.targets))
        with known_tasks(lake) as known:
            captures = asyncio.run(
                capture_targets(
                    settings,
                    lake,
                    day,
                    clock,
                    known=known,
                    refresh=refresh,
                    only=only,
                    accept_drop=accept_drop,
                    simulated=simulated,
                    began_at=began_at,
                    report=report,
                    on_result=lambda result: watcher.advance(result.target.label),
                )
            )
        is_new = any(result.is_new for result in captures)
        mended = mend_manifests(lake)
        clear_compacted_days(lake)
        compacted = lake.compacted_months()
        built, damaged = _tidy(lake, days_to_normalise(lake, day) if is_new else stale_dates(lake), watcher, report)
        outcome = _publish(lake, settings, clock, watcher, report, damaged)
        page, page_error = _page(lake, settings, report)
        damaged = (*damaged, *outcome.troubles, *_close_again(lake, compacted))
    is_well = all(capture.verdict == "complete" for capture in captures) and not damaged and not page_error
    built = tuple(dict.fromkeys((*built, *outcome.rebuilt)))
    result = _result(lake, day, captures, built, damaged, outcome.published, is_complete=is_well)
    is_complete = is_well and result.status.covers({target.key for target in settings.targets})
    surprises = (*damage, *mended, *result.surprises)
    return replace(result, dashboard=page, page_error=page_error, surprises=surprises, is_complete=is_complete)


def failures_of(captures: Sequence[CaptureResult]) -> list[Failure]:
    """What is told of an attempt whatever stands: a credential that was refused, a day that the service does not give.

    A target that was complete before it keeps its coverage, so that nothing else would tell of it.
    """
    found = {
        capture.reason: Failure(capture.reason, capture.message or capture.reason)
        for capture in reversed(captures)
        if capture.is_new and capture.reason in {CLOCK_DISAGREES, CREDENTIAL_REFUSED}
    }
    return list(found.values())


def rebuild(settings: Settings, first: date, last: date, clock: Clock, *, watcher: Watcher | None = None) -> RunResult:
    """Write the tidy files from `first` to `last` again from the raw archive alone, and publish.

    Raises:
        LakeError: when there is no raw archive for any of the days; nothing is touched then.
        LakeBusy: when another run is writing.
    """
    watcher = watcher or Silent()
    lake = Lake(settings.lake.root)
    days = [day for day in lake.raw_dates() if first <= day <= last]
    if not days:
        held = lake.raw_dates()
        reach = f"it reaches from {held[0]} to {held[-1]}" if held else "it is empty"
        raise LakeError(
            f"no raw archive from {first} to {last} in {lake.raw}; {reach}. Nothing was touched: without it a day's "
            "tables cannot be made again, those that are there stay"
        )
    lake.prepare()
    report = reporter(lake)
    with lake.lock():
        mended = mend_manifests(lake)
        clear_compacted_days(lake)
        compacted = lake.compacted_months()
        for month in damaged_months(lake, sorted({month_of(day) for day in days})):
            give_up_month(lake, month)  # then all its days are stale
        built, damaged = _tidy(lake, sorted({*days, *stale_dates(lake)}), watcher, report)
        outcome = _publish(lake, settings, clock, watcher, report, damaged)
        page, page_error = _page(lake, settings, report)
        damaged = (*damaged, *outcome.troubles, *_close_again(lake, compacted))
    without_raw = tuple(day for day in lake.tidy_dates() if first <= day <= last and day not in days)
    built = tuple(dict.fromkeys((*built, *outcome.rebuilt)))
    newest = lake.tidy_dates()[-1]
    result = _result(lake, newest, (), built, damaged, outcome.published, is_complete=not damaged)
    return replace(
        result,
        days_without_raw=without_raw,
        is_complete=result.is_complete and result.status.is_complete and not page_error,
        dashboard=page,
        page_error=page_error,
        surprises=(*mended, *result.surprises),
    )


def forget(
    settings: Settings, day: date, clock: Clock, *, for_good: bool = False, watcher: Watcher | None = None
) -> Forgotten:
    """Take a wrong day out, as if it had never been: its raw and tidy files go into `lake/forgotten/`.

    Raises:
        LakeError: when the lake has nothing of that day; or has no raw files of it, which makes it lost for good, and
            `for_good` is not said. Nothing is touched then.
        LakeBusy: when another run is writing.
    """
    watcher = watcher or Silent()
    lake = Lake(settings.lake.root)
    has_raw, has_tidy = day in lake.raw_dates(), day in lake.tidy_dates()
    if not has_raw and not has_tidy:
        raise LakeError(f"{day}: {lake.root} has nothing of this day; nothing was touched")
    if not has_raw and not for_good:
        raise LakeError(
            f"{day}: there is no raw archive of this day, so it could never be made again; say --for-good beside --yes "
            "if it shall go all the same. Nothing was touched"
        )
    lake.prepare()
    report = reporter(lake)
    with lake.lock():
        mend_manifests(lake)
        clear_compacted_days(lake)
        compacted = lake.compacted_months()
        folder = forget_day(lake, day)
        days = lake.tidy_dates()
        outcome = None
        if days:
            outcome = _publish(lake, settings, clock, watcher, report, ())
            _page(lake, settings, report)
            _close_again(lake, compacted)
        else:
            remove_all_builds(lake)
    return Forgotten(folder, outcome.published if outcome else None, days[-1] if days else None)


@dataclass(frozen=True)
class Forgotten:
    """Where a day's files went, what is published now (None: nothing is left), and the newest day that is left."""

    folder: Path
    published: Path | None
    newest: date | None


def _damage(lake: Lake) -> tuple[str, ...]:
    """A published file that cannot be opened keeps no day from being captured, and is worth a word."""
    try:
        open_published(lake).close()
    except NoWarehouse:
        return ()
    except LakeError:
        return (f"{lake.published} could not be opened; it was made anew from the tidy tables",)
    return ()


def _page(lake: Lake, settings: Settings, report: Reporter) -> tuple[Path | None, str | None]:
    """The page, where the settings ask for one; or why it could not be written, which takes nothing back."""
    if not settings.dashboard.enabled:
        return None, None
    from pipelines.dashboard import PAGE_NOT_WRITTEN, write_dashboard

    try:
        return write_dashboard(lake, settings), None
    except (LakeError, OSError) as error:
        return None, PAGE_NOT_WRITTEN.format(error=error)
    except Exception as error:  # noqa: BLE001 - what was published stands
        return None, PAGE_NOT_WRITTEN.format(error=report(error, "writing the page"))


def _close_again(lake: Lake, compacted: Sequence[date]) -> list[str]:
    """Compact months that were opened for a day in them, unless a day of theirs could not be written.

    Returns what kept a month from it: what was published stands, and the next run finds its days.
    """
    stale = {month_of(day) for day in stale_dates(lake)}
    troubles = []
    with_days = {month_of(day) for day in lake.tidy_dates()}
    for month in sorted((set(compacted) & with_days) - set(lake.compacted_months()) - stale):
        try:
            compact_month(lake, month)
        except LakeError as error:
            troubles.append(str(error))
    return troubles


def compact(
    settings: Settings, today: date, *, watcher: Watcher | None = None
) -> tuple[list[CompactedMonth], list[date], list[date]]:
    """Write every closed month as one sorted file a table, and let go of what is older than the settings keep.

    Returns:
        The months, the days whose raw files were removed, and the days that keep them to mend a damaged table.

    Raises:
        LakeError: when a day's file is damaged; what was compacted before it stands.
        LakeBusy: when another run is writing.
    """
    watcher = watcher or Silent()
    lake = Lake(settings.lake.root)
    if not lake.tidy_dates():
        raise LakeError(f"{lake.root}: there are no tidy tables to compact; run `pulltasks snapshot` first")
    lake.prepare()
    with lake.lock():
        mend_manifests(lake)
        clear_compacted_days(lake)
        months = months_to_compact(lake, settings.lake)
        watcher.begin("compacting", len(months))
        done = []
        for month in months:
            done.append(compact_month(lake, month))
            watcher.advance(f"{month:%Y-%m}")
        removed, needed = remove_old_raw(lake, settings.lake, today)
        return done, removed, needed


def _result(
    lake: Lake,
    day: date,
    captures: Sequence[CaptureResult],
    built: tuple[date, ...],
    damaged: tuple[str, ...],
    published: Path,
    *,
    is_complete: bool,
) -> RunResult:
    with open_published(lake) as connection:
        status, surprises = read_day(connection, day), read_surprises(connection, day)
    return RunResult(tuple(captures), built, damaged, published, status, tuple(surprises), is_complete)


def _tidy(
    lake: Lake, days: Sequence[date], watcher: Watcher, report: Reporter
) -> tuple[tuple[date, ...], tuple[str, ...]]:
    """Write the tidy files of days; returns those that were written, and what is wrong with them and the others."""
    watcher.begin("normalising", len(days))
    built: list[date] = []
    troubles: list[str] = []
    for made in normalise_days(lake, days, report):
        built += [made.day] if made.manifest else []
        troubles += made.troubles
        watcher.advance(str(made.day))
    return tuple(built), tuple(troubles)


@dataclass(frozen=True)
class _Published:
    """What was published, the days that were made again for it, and what somebody should know of others."""

    published: Path
    rebuilt: tuple[date, ...]
    troubles: tuple[str, ...]


def _publish(
    lake: Lake, settings: Settings, clock: Clock, watcher: Watcher, report: Reporter, damaged: Sequence[str]
) -> _Published:
    """Look at the days that are to be built, then build and publish."""
    if not lake.tidy_dates():
        raise LakeError("\n".join(damaged))
    watcher.begin("building", 1)
    models = load_models()
    audit = audit_plan(lake, models, settings.warehouse, report)
    published = build_and_publish(
        lake,
        models,
        settings.warehouse,
        clock.now(),
        on_day=lambda day: watcher.advance(str(day)),
        left_out=audit.left_out,
    )
    return _Published(published, audit.rebuilt, audit.troubles)


def audit_plan(lake: Lake, models: Models, settings: WarehouseSettings, report: Reporter) -> Audit:
    """Look at the days that the next build adds: all that it will rest on was looked at once."""
    return audit_days(lake, plan_build(lake, models, settings).days, report)
