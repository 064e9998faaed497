"""The steps of a run over a lake whose lock it holds, and what each of them finds.

Lives here: one method for each step, what a run keeps for its end.
Does not live here: their order (order), what they do (capture, lake, warehouse), what is said of it (report).
"""

from __future__ import annotations

import asyncio
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Protocol

from pulltasks.alerts.rules import BACKUP_FAILED, CREDENTIAL_REFUSED, Failure
from pulltasks.capture.targets import CLOCK_DISAGREES, CaptureResult, capture_targets
from pulltasks.capture.zone import check_zone
from pulltasks.errors import ConfigError, LakeError
from pulltasks.lake.audit import audit_days, repair_manifests
from pulltasks.lake.compaction import clear_compacted_days, compact_month, damaged_months, discard_damaged_month
from pulltasks.lake.error_reports import reporter
from pulltasks.lake.lake import Lake
from pulltasks.lake.manifests import read_if_valid, read_raw_state, stale_dates
from pulltasks.lake.normalise import normalise_days
from pulltasks.lake.paths import month_of
from pulltasks.lake.run_log import RunLine, add_run
from pulltasks.warehouse.build.plan import plan_build
from pulltasks.warehouse.build.publish import build_steps
from pulltasks.warehouse.read.previous_captures import previous_captures
from pulltasks.warehouse.read.published import open_published
from pulltasks.warehouse.read.schema_drift import read_drift
from pulltasks.warehouse.read.status import read_day
from pulltasks.warehouse.sql.models import load_models

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from datetime import date, datetime
    from pathlib import Path

    from pulltasks.backup.backup import Backup
    from pulltasks.capture.targets import Clock
    from pulltasks.errors import Reporter
    from pulltasks.lake.manifests import Manifest
    from pulltasks.settings import Settings
    from pulltasks.warehouse.build.publish import Built, CrossChecked
    from pulltasks.warehouse.read.status import Status

TABLES_NOT_WRITTEN = "published, but the open tables could not be written: {error}"
NOT_FOR_READERS = "published, but the readers' bucket does not hold all of it: {error}"
NOT_BACKED_UP = "the backup does not hold all of the lake: {error}"


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
class CaptureOptions:
    """How a day is captured; see `capture_targets`."""

    refresh: bool = False
    only: Collection[tuple[str, str]] | None = None
    accept_drop: Collection[tuple[str, str]] = ()
    simulated: bool = False
    began_at: datetime | None = None


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
        damaged_days: what is wrong with days that could not be written; the rest goes on without them.
        published: the published file.
        dashboard: the page, where the settings ask for one.
        page_error: why the page could not be written; what was published stands.
        tables_error: why the open tables could not be written; likewise.
        backup_error: why the backup does not hold all of it; likewise.
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
    tables_error: str | None = None
    backup_error: str | None = None


class Run:
    """One run over a lake whose lock it holds: its steps, and what they found. `opened` makes one."""

    def __init__(
        self,
        settings: Settings,
        lake: Lake,
        clock: Clock,
        report: Reporter,
        watcher: Watcher,
        tell: Callable[[Failure], None],
    ) -> None:
        self.settings = settings
        self.lake = lake
        self.clock = clock
        self.run_id = clock.new_id()
        self.captures: tuple[CaptureResult, ...] = ()
        self.built: list[date] = []  # days whose tidy files were written
        self.troubles: list[str] = []  # days that cannot be written or used, months that cannot be closed
        self.page: Path | None = None
        self.page_error: str | None = None
        self.tables_error: str | None = None
        self.backup_error: str | None = None
        self._backup: Backup | None = None
        self._report = report
        self._watcher = watcher
        self._tell = tell
        self._noticed: list[str] = []
        self._compacted: Collection[date] = ()
        self._published: Path | None = None
        self._status: Status | None = None
        self._is_complete = False

    def capture(self, day: date, options: CaptureOptions) -> Captured:
        """Ask the service for a day."""
        if not options.simulated:
            check_zone(self.settings, self.lake, self.clock.now())
        self._watcher.begin("capturing", len(self.settings.targets))
        with previous_captures(self.lake, day) as known:
            self.captures = tuple(
                asyncio.run(
                    capture_targets(
                        self.settings,
                        self.lake,
                        day,
                        self.clock,
                        known=known,
                        refresh=options.refresh,
                        only=options.only,
                        accept_drop=options.accept_drop,
                        simulated=options.simulated,
                        began_at=options.began_at,
                        report=self._report,
                        on_result=lambda result: self._watcher.advance(
                            _words_of(result), is_good=result.verdict == "complete"
                        ),
                        on_page=lambda target, pages, tasks: self._watcher.under_way(
                            f"{target.label}: {pages} pages, {tasks} tasks"
                        ),
                    )
                )
            )
        failures = failures_of(self.captures)
        for failure in failures:
            self._tell(failure)
        return Captured(self.captures, failures)

    def settle(self) -> None:
        """Complete what an earlier run left unfinished, before any table is written."""
        self._noticed += repair_manifests(self.lake)
        clear_compacted_days(self.lake)
        self._compacted = self.lake.compacted_months()

    def discard_damaged_months(self, days: Sequence[date]) -> None:
        """Let the days of damaged months be made again, of those months that some days lie in."""
        for month in damaged_months(self.lake, sorted({month_of(day) for day in days})):
            discard_damaged_month(self.lake, month)

    def stale_days(self) -> list[date]:
        """Return the days whose raw files are not those that their manifests name; strays are named as troubles."""
        state = read_raw_state(self.lake)
        self.troubles += [str(stray) for stray in state.strays]
        return list(state.stale)

    def normalise(self, day: date, days: Sequence[date]) -> Tidied:
        """Write the tidy files of days; one that is damaged does not keep the others from being written."""
        self._watcher.begin("normalising", len(days))
        for made in normalise_days(self.lake, days, self._report):
            self.built += [made.day] if made.manifest else []
            self.troubles += [text for text in made.troubles if text not in self.troubles]
            self._watcher.advance(str(made.day))
        return Tidied(day, read_if_valid(self.lake.manifest_file(day)))

    def build(self, parts: Parts) -> Iterator[Built | CrossChecked]:
        """Look at the days that the build adds, which it will rest on unseen afterwards; build, and publish."""
        if self.troubles and not self.lake.tidy_dates():
            raise LakeError("\n".join(self.troubles))
        self._watcher.begin("building", 1)
        models, settings = load_models(), self.settings.warehouse
        plan = plan_build(self.lake, models, settings)
        if not plan.published_opens:
            self._noticed.append(f"{self.lake.published} could not be opened; it was made anew from the tidy tables")
        audit = audit_days(self.lake, plan.days, self._report)
        self.built += audit.rebuilt
        self.troubles += audit.troubles
        if audit.rebuilt or audit.left_out:
            plan = plan_build(self.lake, models, settings, left_out=audit.left_out)
        self._published = yield from build_steps(
            self.lake,
            models,
            settings,
            plan,
            self.clock.now(),
            on_day=lambda day: self._watcher.advance(str(day)),
            shown=parts.models,
            publish=parts.publish,
        )

    def write_page(self) -> None:
        """Write the page; that it cannot be written takes nothing back."""
        if not self.settings.dashboard.enabled:
            return
        from pulltasks.dashboard import PAGE_NOT_WRITTEN, write_dashboard

        try:
            self.page = write_dashboard(self.lake, self.settings)
        except (LakeError, OSError) as error:
            self.page_error = PAGE_NOT_WRITTEN.format(error=error)
        except Exception as error:  # noqa: BLE001 - what was published stands
            self.page_error = PAGE_NOT_WRITTEN.format(error=self._report(error, "writing the page"))

    def write_tables(self) -> None:
        """Write the open tables, where the settings ask for them; that they cannot be written takes nothing back."""
        if not self.settings.publish.tables:
            return
        from pulltasks.warehouse.build.open_tables import write_tables

        if self.settings.warehouse.expose_secrets:
            self._noticed.append("the open tables are for everybody: not written while warehouse.expose_secrets is set")
            return
        try:
            write_tables(self.lake, load_models(), self.settings.timezone)
        except (LakeError, OSError) as error:
            self.tables_error = TABLES_NOT_WRITTEN.format(error=error)
        except Exception as error:  # noqa: BLE001 - what was published stands
            self.tables_error = TABLES_NOT_WRITTEN.format(error=self._report(error, "writing the open tables"))

    def put_for_readers(self) -> None:
        """Put open tables and page into the readers' bucket; that they cannot be put takes nothing back."""
        if not self.settings.publish.is_set or self.tables_error or self.page_error:
            return
        from pulltasks.backup.readers import put_for_readers

        try:
            put_for_readers(self.lake, self.settings)
        except (LakeError, ConfigError, OSError) as error:
            self.tables_error = NOT_FOR_READERS.format(error=error)
        except Exception as error:  # noqa: BLE001 - what was published stands
            self.tables_error = NOT_FOR_READERS.format(error=self._report(error, "putting the readers' files"))

    def backup_raw(self) -> None:
        """Put the raw files that are new into the backup, before anything is made of them."""
        self._in_backup(lambda backup: backup.put_raw())

    def backup_lake(self) -> None:
        """Put all that is new into the backup."""
        self._in_backup(lambda backup: backup.put(seconds=60 * self.settings.backup.max_minutes))

    def _in_backup(self, put: Callable[[Backup], object]) -> None:
        """Use the backup, where the settings name one; a failure takes nothing back, and is told at once.

        A run that fails later would tell nothing of it.
        """
        if not self.settings.backup.is_set or self.backup_error:
            return
        from pulltasks.backup.backup import Backup

        try:
            self._backup = self._backup or Backup(self.lake, self.settings, self.clock.now, self.clock.new_id)
            put(self._backup)
        except (LakeError, ConfigError, OSError) as error:
            self.backup_error = NOT_BACKED_UP.format(error=error)
        except Exception as error:  # noqa: BLE001 - what was published stands
            self.backup_error = NOT_BACKED_UP.format(error=self._report(error, "making the backup"))
        if self.backup_error:
            self._tell(Failure(BACKUP_FAILED, self.backup_error))

    def close_months(self) -> None:
        """Compact months that were opened for a day in them, unless a day of theirs could not be written.

        A month that cannot be closed takes nothing back: what was published stands, and the next run finds its days.
        """
        stale = {month_of(day) for day in stale_dates(self.lake)}
        with_days = {month_of(day) for day in self.lake.tidy_dates()}
        for month in sorted((set(self._compacted) & with_days) - set(self.lake.compacted_months()) - stale):
            try:
                compact_month(self.lake, month)
            except LakeError as error:
                self.troubles.append(str(error))

    def log(self, verb: str, began_at: datetime, error: str | None) -> None:
        """Add the run to the lake's log; that it cannot be written takes nothing back."""
        asked = [capture for capture in self.captures if capture.is_new]
        coverage = [target.coverage for target in self._status.targets] if self._status else None
        line = RunLine(
            run_id=self.run_id,
            verb=verb,
            outcome="complete" if self._is_complete else "not_complete" if self._status else "failed",
            began_at=began_at,
            ended_at=self.clock.now(),
            software_version=version("pulltasks"),
            error=error,
            snapshot_date=self._status.day if self._status else None,
            targets_complete=None if coverage is None else coverage.count("complete"),
            targets_expected=None if coverage is None else len(coverage),
            targets_asked=len(asked),
            requests=sum(capture.requests for capture in asked),
        )
        try:
            add_run(self.lake, line)
        except OSError as not_written:
            warnings.warn(f"{self.lake.run_log}: cannot be written ({not_written.strerror})", stacklevel=2)

    def result(self, day: date) -> RunResult | None:
        """What the run did; None where it neither published nor wrote the page."""
        if self.troubles:
            self._tell(Failure("damaged_days", "; ".join(self.troubles)))
        if self.page_error:
            self._tell(Failure("page_not_written", self.page_error))
        if self.tables_error:
            self._tell(Failure("tables_not_written", self.tables_error))
        published = self._published or (self.lake.published if self.page else None)
        if published is None:
            return None
        # what a rebuild leaves is judged by the newest day
        judged = day if self.captures else self.lake.tidy_dates()[-1]
        with open_published(self.lake) as connection:
            status, surprises = read_day(connection, judged), read_drift(connection, judged)
        is_covered = (
            all(capture.verdict == "complete" for capture in self.captures)
            and status.covers({target.key for target in self.settings.targets})
            if self.captures
            else status.is_complete
        )
        self._status, self._is_complete = (
            status,
            is_covered and not (self.troubles or self.page_error or self.tables_error or self.backup_error),
        )
        return RunResult(
            captures=self.captures,
            built_days=tuple(dict.fromkeys(self.built)),
            damaged_days=tuple(self.troubles),
            published=published,
            status=status,
            surprises=(*self._noticed, *surprises),
            is_complete=self._is_complete,
            dashboard=self.page,
            page_error=self.page_error,
            tables_error=self.tables_error,
            backup_error=self.backup_error,
        )


def _words_of(result: CaptureResult) -> str:
    """How a target ended, in a line for the log."""
    counts = f"{result.task_count} tasks, {result.requests} requests"
    if not result.is_new:
        return f"{result.target.label}: complete since an earlier run of the day"
    reason = f" ({result.reason})" if result.reason else ""
    return f"{result.target.label}: {result.verdict}{reason}, {counts}"


@contextmanager
def opened(
    settings: Settings,
    clock: Clock,
    verb: str,
    watcher: Watcher | None = None,
    tell: Callable[[Failure], None] = lambda _: None,
) -> Iterator[Run]:
    """A run, for as long as it holds the lake's lock; the lake's log of runs says how it ended.

    Args:
        settings: the configuration.
        clock: time and identifiers.
        verb: what the log calls the run.
        watcher: is told how the run gets on.
        tell: is told what an alarm says beside how the targets stand, as soon as it is known.

    Raises:
        LakeBusy: when another run is writing.
    """
    lake = Lake(settings.lake.root)
    lake.prepare()
    with lake.lock():
        lake.require_whole()
        watcher = watcher or Silent()
        run = Run(settings, lake, clock, reporter(lake), watcher, tell)
        watcher.started(run.run_id)
        began_at, error = clock.now(), None
        try:
            yield run
        except BaseException as caught:
            error = type(caught).__name__
            raise
        finally:
            run.log(verb, began_at, error)


def failures_of(captures: Sequence[CaptureResult]) -> tuple[Failure, ...]:
    """Failures of an attempt that are told even if the day is complete: a refused credential, a wrong day.

    A target that was complete before it keeps its coverage, so that nothing else would tell of it.
    """
    found = {
        capture.reason: Failure(capture.reason, capture.message or capture.reason)
        for capture in reversed(captures)
        if capture.is_new and capture.reason in {CLOCK_DISAGREES, CREDENTIAL_REFUSED}
    }
    return tuple(found.values())
