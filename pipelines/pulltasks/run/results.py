"""What a run is asked for, what its steps and the run itself return, and who receives its progress.

Lives here: records, and the protocol of progress.
Does not live here: the steps (steps), their order (order), what is reported in the end (report).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from pulltasks.alerts.rules import Failure
    from pulltasks.capture.day import CaptureResult
    from pulltasks.lake.manifests import Manifest
    from pulltasks.warehouse.read.status import Status


class Watcher(Protocol):
    """Receives the progress of a run."""

    def started(self, run_id: str) -> None:
        """The run has its id, which the log of runs names it by."""

    def begin(self, step: str, total: int) -> None:
        """A step of so many parts begins."""

    def advance(self, note: str, *, is_good: bool = True) -> None:
        """One part is done, and how."""

    def under_way(self, note: str) -> None:
        """A part gets on."""


class Silent:
    """Ignores the progress."""

    def started(self, run_id: str) -> None:
        """Nothing to do."""

    def begin(self, step: str, total: int) -> None:
        """Nothing to do."""

    def advance(self, note: str, *, is_good: bool = True) -> None:
        """Nothing to do."""

    def under_way(self, note: str) -> None:
        """Nothing to do."""


@dataclass(frozen=True)
class Parts:
    """Which parts of a run are wanted; the command line wants all but the previews of models.

    Attributes:
        capture: ask the service.
        tidy: write the tidy files of the day, and those of other days whose raw files have changed.
        models: models to show with their checks.
        publish: build, and let readers see it.
        page: write the page, where the settings ask for one.
    """

    capture: bool = True
    tidy: bool = True
    models: frozenset[str] = frozenset()
    publish: bool = True
    page: bool = True


EVERYTHING = Parts()


@dataclass(frozen=True)
class Captured:
    """The service was asked for a day."""

    results: tuple[CaptureResult, ...]
    failures: tuple[Failure, ...]


@dataclass(frozen=True)
class Kept:
    """A past day keeps the raw files that it has."""

    raw_files: int


@dataclass(frozen=True)
class Tidied:
    """The tidy files are up to date; `manifest` is None where those of the day could not be written."""

    day: date
    manifest: Manifest | None


@dataclass(frozen=True)
class Skipped:
    """There is nothing to do for a day, and why."""

    reason: str


@dataclass(frozen=True)
class RunResult:
    """What a run did.

    Attributes:
        captures: how each target that was asked for ended; empty for a rebuild.
        built_days: the days whose tidy files were written.
        days_without_raw: days that a rebuild was asked for and left as they are, as they have no raw files any more.
        damaged_days: what is wrong with days that could not be written; the rest continues without them.
        published: the published file.
        dashboard: the page, where the settings ask for one.
        troubles: what went wrong beside the run (page, open tables, readers' bucket, backup); what was published is
            unchanged by it.
        status: the targets' state on the day that was asked for, or on the newest one after a rebuild.
        surprises: what the answers of that day held that was not expected, and what was found damaged and fixed.
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
    troubles: tuple[Failure, ...] = ()
