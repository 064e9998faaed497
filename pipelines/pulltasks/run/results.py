"""The parts of a run to execute, the results of its steps and of the run, and the interface for progress.

Lives here: records, and the protocol of progress.
Does not live here: the steps (steps), their order (order), the report at the end (report).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from pulltasks.alerts.rules import Failure
    from pulltasks.backup.backup import Done
    from pulltasks.capture.day import CaptureResult
    from pulltasks.lake.compaction import CompactedMonth
    from pulltasks.lake.manifests import Manifest
    from pulltasks.warehouse.build.open_tables import Latest
    from pulltasks.warehouse.read.status import Status


class Watcher(Protocol):
    """Receives the progress of a run."""

    def started(self, run_id: str) -> None:
        """Receive the id of the run, which is its id in the log of runs as well."""

    def begin(self, step: str, total: int) -> None:
        """Note that a step begins, and its number of parts."""

    def advance(self, note: str, *, is_good: bool = True) -> None:
        """Note that a part is done, with a line about its result."""

    def under_way(self, note: str) -> None:
        """Note how far a part has come, as a line of text."""

    def remark(self, note: str) -> None:
        """Note what a log should have beside the parts."""


class Silent:
    """Ignores all progress; for runs without a watcher."""

    def started(self, run_id: str) -> None:
        """Ignore the id."""

    def begin(self, step: str, total: int) -> None:
        """Ignore the step."""

    def advance(self, note: str, *, is_good: bool = True) -> None:
        """Ignore the result."""

    def under_way(self, note: str) -> None:
        """Ignore the note."""

    def remark(self, note: str) -> None:
        """Ignore the note."""


@dataclass(frozen=True)
class Parts:
    """The parts of a run to execute; the command line executes all, without previews of models.

    Attributes:
        capture: ask the service.
        tidy: write the tidy files of the day, and those of other days whose raw files have changed.
        models: names of models to preview, with their checks.
        publish: build and publish.
        page: write the page, if the settings ask for one.
        tables: write the open tables, and put the readers' files, if the settings ask for them.
        backup: copy the lake to the backup, if the settings name one.
    """

    capture: bool = True
    tidy: bool = True
    models: frozenset[str] = frozenset()
    publish: bool = True
    page: bool = True
    tables: bool = True
    backup: bool = True


EVERYTHING = Parts()


@dataclass(frozen=True)
class Captured:
    """The result of asking the service for a day."""

    day: date
    results: tuple[CaptureResult, ...]
    failures: tuple[Failure, ...]


@dataclass(frozen=True)
class Kept:
    """The result for a past day that is not captured again."""

    day: date


@dataclass(frozen=True)
class Tidied:
    """The result of writing tidy files; `manifest` is None if those of the day could not be written."""

    day: date
    manifest: Manifest | None


@dataclass(frozen=True)
class Skipped:
    """The result where there is nothing to do, with the reason as a sentence; `day` is the day without raw files."""

    reason: str
    day: date | None = None


class Closed(NamedTuple):
    """The result of closing months: those that were compacted, the days whose raw files were removed, and troubles.

    A trouble is one line about a month that cannot be compacted, or about days that need their raw files longer.
    """

    months: list[CompactedMonth]
    days_without_raw: list[date]
    troubles: list[str]


@dataclass(frozen=True)
class RunResult:
    """The result of a run.

    Attributes:
        captures: the result of each requested target; empty for a rebuild.
        built_days: the days whose tidy files were written.
        days_without_raw: days that a rebuild left unchanged, because their raw files were removed.
        damaged_days: one line per day that could not be written; the run continues without it.
        published: the published file.
        dashboard: the page, or None if the settings ask for none.
        is_page_new: this run wrote the page; else it was current.
        tables: the open tables, or None if the settings ask for none.
        backup: what was copied to the backup at the end, or None if the settings name none.
        troubles: failures beside the run (page, open tables, readers' bucket, backup); the published file is
            unaffected.
        status: the targets' state on the requested day, or on the newest one after a rebuild.
        surprises: unexpected content in the answers of that day, and damage that was found and fixed.
        is_complete: every target is complete on that day, no day is damaged, and there are no troubles.
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
    is_page_new: bool = False
    tables: Latest | None = None
    backup: Done | None = None
    troubles: tuple[Failure, ...] = ()
