"""The steps of a run over a lake whose lock it holds, and their results.

Lives here: one method per step, and the results collected for the end of the run.
Does not live here: their order (order), their work (capture, lake, warehouse), the report (report).
"""

from __future__ import annotations

import asyncio
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, TypeVar

from pulltasks.alerts.rules import BACKUP_FAILED, CREDENTIAL_REFUSED, Failure
from pulltasks.capture.day import CLOCK_DISAGREES, DayCapture
from pulltasks.capture.zone import check_zone
from pulltasks.errors import ConfigError, LakeError
from pulltasks.lake.audit import audit_days, repair_manifests
from pulltasks.lake.compaction import (
    clear_compacted_days,
    compact_month,
    damaged_months,
    discard_damaged_month,
    months_to_compact,
)
from pulltasks.lake.error_reports import reporter
from pulltasks.lake.lake import Lake
from pulltasks.lake.manifests import newer_days, read_if_valid, read_raw_state
from pulltasks.lake.normalise import BegunDay, normalise_days
from pulltasks.lake.paths import month_of
from pulltasks.lake.retention import remove_old_raw
from pulltasks.lake.run_log import RunLine, add_run, last_paces, read_runs
from pulltasks.run.report import words_of_needed_raw, words_of_removed_raw
from pulltasks.run.results import Captured, Closed, RunResult, Silent, Tidied
from pulltasks.warehouse.build.plan import plan_build
from pulltasks.warehouse.build.publish import build_steps
from pulltasks.warehouse.read.previous_captures import previous_captures
from pulltasks.warehouse.read.published import open_published
from pulltasks.warehouse.read.schema_drift import read_drift
from pulltasks.warehouse.read.status import read_day
from pulltasks.warehouse.sql.models import load_models
from pulltasks.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from datetime import date, datetime
    from pathlib import Path

    from pulltasks.backup.backup import Backup, Done
    from pulltasks.capture.day import CaptureOptions, CaptureResult
    from pulltasks.clock import Clock
    from pulltasks.errors import Reporter
    from pulltasks.huawei.pace import Reached
    from pulltasks.run.results import Parts, Watcher
    from pulltasks.settings import Settings, Target
    from pulltasks.warehouse.build.open_tables import Latest
    from pulltasks.warehouse.build.publish import Built, CrossChecked

T = TypeVar("T")
TABLES_FAILED = "tables_not_written"
PAGE_FAILED = "page_not_written"


@dataclass
class Found:
    """The results of a run's steps so far.

    Attributes:
        captures: the result of each requested target.
        paces: the pace that each credential reached, by its name.
        built: days whose tidy files were written.
        damaged: one line per day that cannot be written or used, or month that cannot be closed.
        noticed: one line per damage that was found and fixed.
        troubles: failures beside the run.
        page: the page, or None before it is known to show what is published.
        is_page_new: the page was written in this run.
        published: the published file, or None before there is a new one.
        tables: the open tables, or None before they show what is published.
        backup: what the backup at the end copied, or None before it.
    """

    captures: tuple[CaptureResult, ...] = ()
    paces: dict[str, Reached] = field(default_factory=dict)
    built: list[date] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    noticed: list[str] = field(default_factory=list)
    troubles: list[Failure] = field(default_factory=list)
    page: Path | None = None
    is_page_new: bool = False
    published: Path | None = None
    tables: Latest | None = None
    backup: Done | None = None


class Run:
    """One run over a lake whose lock it holds: its steps and their results; `opened` creates it."""

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
        self.found = Found()
        self._backup: Backup | None = None
        self._report = report
        self._watcher = watcher
        self._tell = tell
        self._begun: BegunDay | None = None
        self._result: RunResult | None = None

    @contextmanager
    def beside(self, kind: str, words: str, doing: str) -> Iterator[None]:
        """Do something beside the run: its failure is reported at once, and what was published is unchanged.

        A run that fails later would not report it any more.

        Args:
            kind: the kind of the trouble; later steps that depend on it are skipped.
            words: the consequence, the beginning of the message.
            doing: the activity, for the report of an unexpected error.
        """
        try:
            yield
        except (LakeError, ConfigError, OSError) as error:
            text = str(error)
        except Exception as error:  # noqa: BLE001 - what was published is unchanged
            text = self._report(error, doing)
        else:
            return
        trouble = Failure(kind, f"{words}: {text}")
        self.found.troubles.append(trouble)
        self._tell(trouble)

    def _has_trouble(self, *kinds: str) -> bool:
        return any(trouble.reason in kinds for trouble in self.found.troubles)

    def capture(self, day: date, options: CaptureOptions, *, with_tidy: bool) -> Captured:
        """List all targets for a day; with `with_tidy`, begin its tidy files while targets are being listed."""
        # Also here, under the lock: Dagster does not come through `snapshot`, which checks the zone first.
        if not options.simulated:
            check_zone(self.settings, self.lake, self.clock.now())
        self._watcher.begin("capturing", len(self.settings.targets))
        self._begun = BegunDay(self.lake, day, self._report) if with_tidy else None
        before = {name: reached for name, (_, reached) in last_paces(read_runs(self.lake)).items()}
        with previous_captures(self.lake, day) as known:
            capture = DayCapture(
                self.settings,
                self.lake,
                day,
                self.clock,
                options,
                known=known,
                reached_before=before,
                report=self._report,
                on_result=lambda result: self._watcher.advance(_words_of(result), is_good=result.verdict == "complete"),
                on_ended=self._begin_tidy,
                on_page=lambda target, pages, tasks: self._watcher.under_way(
                    f"{target.label}: {counted(pages, 'page')}, {counted(tasks, 'task')}"
                ),
            )
            self.found.captures = tuple(asyncio.run(capture.run()))
        self.found.paces = capture.reached
        for name, reached in capture.reached.items():
            self._watcher.remark(f"pace of credential {name}: {reached}")
        failures = failures_of(self.found.captures)
        for failure in failures:
            self._tell(failure)
        return Captured(day, self.found.captures, failures)

    def _begin_tidy(self, target: Target) -> None:
        if self._begun is None:
            return
        try:
            self._begun.add_through(target.key)
        except Exception:  # noqa: BLE001 - `normalise` does it again, and reports what fails then
            self.discard_begun()

    def discard_begun(self) -> None:
        """Remove the files of a day that was begun and not completed."""
        if self._begun:
            self._begun.close()
            self._begun = None

    def settle(self) -> None:
        """Complete the work that an earlier run left unfinished, before any table is written."""
        self.found.noticed += repair_manifests(self.lake)
        clear_compacted_days(self.lake)

    def discard_damaged_months(self, days: Sequence[date]) -> None:
        """Discard the months of some days that are damaged or of a newer version: then all their days are stale."""
        months = {month_of(day) for day in days}
        newer = {month_of(day) for day in newer_days(self.lake) if self.lake.is_compacted(day)}
        for month in sorted({*damaged_months(self.lake, sorted(months)), *(newer & months)}):
            discard_damaged_month(self.lake, month)

    def stale_days(self) -> list[date]:
        """Return the days whose raw files differ from their manifests; strays are recorded as damaged."""
        state = read_raw_state(self.lake)
        self.found.damaged += [str(stray) for stray in state.strays]
        return list(state.stale)

    def normalise(self, day: date, days: Sequence[date]) -> Tidied:
        """Write the tidy files of days; a damaged day does not prevent the others."""
        self._watcher.begin("normalising", len(days))
        for made in normalise_days(self.lake, days, self._report, self._begun):
            self.found.built += [made.day] if made.manifest else []
            self.found.damaged += [text for text in made.troubles if text not in self.found.damaged]
            self._watcher.advance(str(made.day))
        return Tidied(day, read_if_valid(self.lake.manifest_file(day)))

    def build(self, parts: Parts) -> Iterator[Built | CrossChecked]:
        """Check the tidy files of the days that the build adds, then build and publish."""
        # Without any tables there is nothing to publish, so the damage is the error.
        if self.found.damaged and not self.lake.tidy_dates():
            raise LakeError("\n".join(self.found.damaged))
        self._watcher.begin("building", 1)
        models, settings = load_models(), self.settings.warehouse
        plan = plan_build(self.lake, models, settings)
        if not plan.published_opens:
            self.found.noticed.append(f"{self.lake.published} could not be opened; rebuilt from the tidy tables")
        # Later builds do not read these days again, so this is the last moment to find damage in them.
        audit = audit_days(self.lake, plan.days, self._report)
        self.found.built += audit.rebuilt
        self.found.damaged += audit.troubles
        if audit.rebuilt or audit.left_out:
            plan = plan_build(self.lake, models, settings, left_out=audit.left_out)
        self.found.published = yield from build_steps(
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
        """Write the page, if the settings ask for one and it is not the page of what is published."""
        if not self.settings.dashboard.enabled:
            return
        from pulltasks.dashboard import NOT_WRITTEN, is_current, write_dashboard

        with self.beside(PAGE_FAILED, NOT_WRITTEN, "writing the page"):
            if not is_current(self.lake, self.settings):
                write_dashboard(self.lake, self.settings)
                self.found.is_page_new = True
            self.found.page = self.lake.dashboard

    def write_tables(self) -> None:
        """Write the open tables, if the settings ask for them."""
        if not self.settings.publish.tables:
            return
        from pulltasks.warehouse.build.open_tables import write_tables

        if self.settings.warehouse.expose_secrets:
            self.found.noticed.append(
                "the open tables are for everybody: not written while warehouse.expose_secrets is set"
            )
            return
        with self.beside(
            TABLES_FAILED, "published, but the open tables could not be written", "writing the open tables"
        ):
            self.found.tables = write_tables(self.lake, load_models(), self.settings.timezone)

    def put_for_readers(self) -> None:
        """Copy open tables and page to the readers' bucket, if the settings name one and both were written."""
        # New and old files must not be mixed there.
        if not self.settings.publish.is_set or self._has_trouble(TABLES_FAILED, PAGE_FAILED):
            return
        from pulltasks.backup.readers import put_for_readers

        with self.beside(
            TABLES_FAILED,
            "published, but the readers' bucket does not hold all of it",
            "putting the readers' files",
        ):
            put_for_readers(self.lake, self.settings)

    def backup_raw(self) -> None:
        """Copy new raw files to the backup, before tables are built from them."""
        self._in_backup(lambda backup: backup.put_raw())

    def backup_lake(self) -> None:
        """Copy all new files to the backup."""
        self.found.backup = self._in_backup(lambda backup: backup.put(seconds=60 * self.settings.backup.max_minutes))

    def _in_backup(self, put: Callable[[Backup], T]) -> T | None:
        """Return the result of a backup step; None where no backup is named, or where it fails in this run."""
        if not self.settings.backup.is_set or self._has_trouble(BACKUP_FAILED):
            return None
        from pulltasks.backup.backup import Backup

        with self.beside(BACKUP_FAILED, "the backup does not hold all of the lake", "making the backup"):
            self._backup = self._backup or Backup(self.lake, self.settings, self.clock.now, self.clock.new_id)
            return put(self._backup)
        return None

    def close_months(self) -> None:
        """Compact the closed months that are not compacted, and remove raw files as old as the settings say.

        A month that cannot be closed does no harm: the published file is unchanged, and the next run finds its days.
        """
        closed = close_months(self.lake, self.settings, self.settings.today(self.clock.now()), self._watcher)
        self.found.damaged += closed.troubles

    def log(self, verb: str, began_at: datetime, error: str | None) -> None:
        """Add the run to the lake's log; a log that cannot be written is a warning."""
        listed = [capture for capture in self.found.captures if capture.is_new]
        result = self._result
        coverage = [target.coverage for target in result.status.targets] if result else None
        line = RunLine(
            run_id=self.run_id,
            verb=verb,
            outcome="failed" if result is None else "complete" if result.is_complete else "not_complete",
            began_at=began_at,
            ended_at=self.clock.now(),
            software_version=version("pulltasks"),
            error=error,
            snapshot_date=result.status.day if result else None,
            targets_complete=None if coverage is None else coverage.count("complete"),
            targets_expected=None if coverage is None else len(coverage),
            targets_asked=len(listed),
            requests=sum(capture.requests for capture in listed),
            paces=self.found.paces,
        )
        try:
            add_run(self.lake, line)
        # The run itself is over and published: its log is not worth failing it.
        except OSError as not_written:
            warnings.warn(f"{self.lake.run_log}: cannot be written ({not_written.strerror})", stacklevel=2)

    def result(self, day: date) -> RunResult | None:
        """Return the result of the run, or None if it neither published nor wrote the page."""
        found = self.found
        if found.damaged:
            self._tell(Failure("damaged_days", "; ".join(found.damaged)))
        # Page, open tables and backup alone are a result as well: that of the file that an earlier run published.
        is_of_earlier = (found.page or found.tables or found.backup) and self.lake.published.exists()
        published = found.published or (self.lake.published if is_of_earlier else None)
        if published is None:
            return None
        # A rebuild has no day of its own, so it is judged by the newest one.
        judged = day if found.captures else self.lake.tidy_dates()[-1]
        with open_published(self.lake) as connection:
            status, surprises = read_day(connection, judged), read_drift(connection, judged)
        is_covered = (
            all(capture.verdict == "complete" for capture in found.captures)
            and status.covers({target.key for target in self.settings.targets})
            if found.captures
            else status.is_complete
        )
        self._result = RunResult(
            captures=found.captures,
            built_days=tuple(dict.fromkeys(found.built)),
            damaged_days=tuple(found.damaged),
            published=published,
            status=status,
            surprises=(*found.noticed, *surprises),
            is_complete=is_covered and not (found.damaged or found.troubles),
            dashboard=found.page,
            is_page_new=found.is_page_new,
            tables=found.tables,
            backup=found.backup,
            troubles=tuple(found.troubles),
        )
        return self._result


def close_months(lake: Lake, settings: Settings, today: date, watcher: Watcher) -> Closed:
    """Write each closed month as one sorted file per table, and remove raw files older than the settings allow.

    Args:
        lake: the caller holds its lock; what an earlier run left unfinished is completed.
        settings: the configuration, with the ages to keep.
        today: the day from which ages are counted.
        watcher: receives the progress.
    """
    done, troubles = [], []
    if months := months_to_compact(lake, settings.lake, today):
        watcher.begin("compacting", len(months))
    for month in months:
        try:
            done.append(compact_month(lake, month))
            watcher.advance(f"{month:%Y-%m}")
        except LakeError as error:
            troubles.append(str(error))
            watcher.advance(f"{month:%Y-%m}", is_good=False)
    removed, needed = remove_old_raw(lake, settings.lake, today, lambda: _days_held(lake, settings))
    if removed:
        watcher.remark(words_of_removed_raw(removed))
    if needed:
        troubles.append(words_of_needed_raw(needed))
    return Closed(done, removed, troubles)


def _days_held(lake: Lake, settings: Settings) -> Collection[date] | None:
    from pulltasks.backup.backup import days_held  # not at the top: every snapshot would wait for this import

    return days_held(lake, settings)


def _words_of(result: CaptureResult) -> str:
    """Return one line for the log about a target's result."""
    # a listing that is not proved has seen some tasks, which says nothing about their number
    tasks = f"{counted(result.task_count, 'task')}, " if result.verdict == "complete" else ""
    if not result.is_new:
        return f"{result.target.label}: complete since an earlier run of the day"
    reason = f" ({result.reason})" if result.reason else ""
    return f"{result.target.label}: {result.verdict}{reason}, {tasks}{counted(result.requests, 'request')}"


@contextmanager
def opened(
    settings: Settings,
    clock: Clock,
    verb: str,
    watcher: Watcher | None = None,
    tell: Callable[[Failure], None] = lambda _: None,
) -> Iterator[Run]:
    """Hold the lake's lock, yield a run, and write its end to the lake's log of runs.

    Args:
        settings: the configuration.
        clock: time and identifiers.
        verb: the name of the run in the log.
        watcher: receives the progress.
        tell: receives each failure that causes an alarm beside the targets' state, as soon as it is known.

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
            run.discard_begun()
            run.log(verb, began_at, error)


def failures_of(captures: Sequence[CaptureResult]) -> tuple[Failure, ...]:
    """Return failures that cause an alarm even if the day is complete: a refused credential, a wrong clock.

    A target that was complete before keeps its coverage, so that no other alarm would report them.
    """
    # Reversed, so that of equal reasons the message of the first target is kept.
    found = {
        capture.reason: Failure(capture.reason, capture.message or capture.reason)
        for capture in reversed(captures)
        if capture.is_new and capture.reason in {CLOCK_DISAGREES, CREDENTIAL_REFUSED}
    }
    return tuple(found.values())
