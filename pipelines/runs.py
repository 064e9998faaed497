"""Whole runs without Dagster: capture today, rebuild past days, each under the lake's lock.

Lives here: the order of the steps.
Does not live here: the steps themselves, printing, exit codes (cli).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pipelines.build import build_and_publish
from pipelines.capture import CaptureResult, capture_targets, check_date
from pipelines.coverage import known_tasks
from pipelines.errors import LakeError
from pipelines.lake import Lake
from pipelines.models import load_models
from pipelines.normalise import normalise_day

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import date
    from pathlib import Path

    from pipelines.capture import Clock
    from pipelines.config import Settings


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
    """What a run did; `captures` is empty for a rebuild."""

    captures: tuple[CaptureResult, ...]
    built_days: tuple[date, ...]
    published: Path

    @property
    def is_complete(self) -> bool:
        """Whether every target is complete."""
        return all(result.verdict == "complete" for result in self.captures)


def snapshot(
    settings: Settings,
    day: date,
    clock: Clock,
    *,
    refresh: bool = False,
    only: Collection[tuple[str, str]] | None = None,
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
    with lake.lock():
        before = [stale for stale in lake.stale_dates() if stale != day]
        _tidy(lake, before, watcher)
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
                    simulated=simulated,
                    began_at=began_at,
                    on_result=lambda result: watcher.advance(result.target.label),
                )
            )
        today = [day] if day in lake.stale_dates() else []
        _tidy(lake, today, watcher)
        published = _publish(lake, settings, clock, watcher)
    return RunResult(tuple(captures), tuple(before + today), published)


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
        raise LakeError(f"no raw archive from {first} to {last} in {lake.raw}; {reach}. Nothing was touched")
    lake.prepare()
    with lake.lock():
        _tidy(lake, sorted({*days, *lake.stale_dates()}), watcher)
        published = _publish(lake, settings, clock, watcher)
    return RunResult((), tuple(days), published)


def _tidy(lake: Lake, days: list[date], watcher: Watcher) -> None:
    watcher.begin("normalising", len(days))
    for day in days:
        normalise_day(lake, day)
        watcher.advance(str(day))


def _publish(lake: Lake, settings: Settings, clock: Clock, watcher: Watcher) -> Path:
    watcher.begin("building", 1)
    return build_and_publish(lake, load_models(), settings, clock.now(), on_day=lambda day: watcher.advance(str(day)))
