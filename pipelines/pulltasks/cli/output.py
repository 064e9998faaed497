"""Print to the terminal: progress, the state of targets, the result of a run.

Lives here: everything that is printed in more than a line.
Does not live here: verbs and options (main), the data itself (run, warehouse), lists of targets (targets_shown), rows
of a query (query).
"""

from __future__ import annotations

import os
import sys
from collections import defaultdict
from datetime import UTC
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import typer

from pulltasks.names import without_ids
from pulltasks.outside_text import visible
from pulltasks.words import counted, spans

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date, datetime, timedelta
    from types import TracebackType
    from typing import Self

    from pulltasks.cli.log import Log, LogFormat
    from pulltasks.doctor.targets import Report
    from pulltasks.lake.manners import Probed
    from pulltasks.run.results import RunResult
    from pulltasks.run.targets_shown import Shown
    from pulltasks.settings import Limits
    from pulltasks.warehouse.read.status import Freshness, NewestComplete, Status

NOT_COMPLETE = 3


class Format(StrEnum):
    """Formats of `query`."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"
    EXCEL = "excel"


class Progress:
    """A progress bar on a terminal; else, and with `--log-format`, lines of a log on standard error."""

    def __init__(self, now: Callable[[], datetime], log_format: LogFormat | None = None) -> None:
        self._now = now
        self._bar: object = None
        self._form = log_format
        self._log: Log | None = None

    def __enter__(self) -> Progress:
        if self._form or not sys.stderr.isatty():
            from pulltasks.cli.log import Log

            self._log = Log(sys.stderr, self._form or "text", self._now)
        else:
            # imported only for a terminal: a scheduled run has none
            import rich.progress
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
            from rich.table import Column

            columns = (
                TextColumn("{task.description}", table_column=Column(no_wrap=True, min_width=11)),
                BarColumn(16),
                MofNCompleteColumn(table_column=Column(no_wrap=True)),
                TimeElapsedColumn(table_column=Column(no_wrap=True)),
            )
            # it alone becomes narrower; a target's name may contain [brackets]
            left = Column(no_wrap=True, overflow="ellipsis", ratio=1)
            note = TextColumn("{task.fields[note]}", markup=False, table_column=left)
            bar = rich.progress.Progress(*columns, note, console=Console(stderr=True), expand=True, transient=True)
            bar.start()
            self._bar = bar
            self._stop: Callable[[], None] = bar.stop
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._stop()

    def started(self, run_id: str) -> None:
        """Set the run's id for the lines of the log."""
        if self._log:
            self._log.started(run_id)

    def begin(self, step: str, total: int) -> None:
        """Show a bar for a step with `total` parts."""
        if self._log:
            self._log.begin(step, total)
            return
        import rich.progress

        if isinstance(self._bar, rich.progress.Progress) and total:
            self._task = self._bar.add_task(step, total=total, note="")

    def advance(self, note: str, *, is_good: bool = True) -> None:
        """Advance the bar by one part."""
        if self._log:
            self._log.advance(note, is_good=is_good)
            return
        import rich.progress

        if isinstance(self._bar, rich.progress.Progress):
            self._bar.update(self._task, advance=1, note=visible(without_ids(note)))

    def remark(self, note: str) -> None:
        """Write a line of the log; a terminal has no place for it."""
        if self._log:
            self._log.line(note)

    def under_way(self, note: str) -> None:
        """Show the progress within a part; a log has only the end of each part."""
        import rich.progress

        if isinstance(self._bar, rich.progress.Progress):
            self._bar.update(self._task, note=visible(without_ids(note)))


class Counter:
    """A bar for work of known size on a terminal; nothing elsewhere."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._bar: Any = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            import rich.progress
            from rich.console import Console

            self._bar = rich.progress.Progress(console=Console(stderr=True))
            self._task = self._bar.add_task(self._title, total=None)
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def show(self, done: int, total: int) -> None:
        """Show that `done` of `total` parts are done."""
        if self._bar:
            self._bar.update(self._task, completed=done, total=total)


def width() -> int:
    """Return the columns of the terminal; 80 where standard output is none, or does not tell."""
    return (os.get_terminal_size(sys.stdout.fileno()).columns if sys.stdout.isatty() else 0) or 80


def say(text: str) -> None:
    """Print a sentence in lines that fit the terminal."""
    from pulltasks.run.targets_shown import wrapped

    for line in wrapped(visible(text), width()):
        typer.echo(line)


def print_targets(shown: Sequence[Shown], hint: str, *, every: bool = False) -> None:
    """Print the targets that need somebody, by cause, and the number of the others; with `every` a line for each."""
    from pulltasks.run.targets_shown import lines_of

    for line in lines_of(shown, width(), hint, every=every):
        typer.echo(line)


STATUS_LISTS_THEM = "`pulltasks status --all` lists them"


def print_captures(day: date, result: RunResult, timezone: str, *, is_built: bool, every: bool) -> None:
    """Print the number of complete targets, those that need somebody, and what was published."""
    from pulltasks.run.report import count_of_complete, judged, targets_after, words_about_clocks
    from pulltasks.run.targets_shown import as_shown

    attempts = judged(result.captures, result.status)
    counts = count_of_complete(day, attempts, result.status, timezone)
    requests = sum(capture.requests for capture in result.captures)
    tasks = sum(attempt.capture.task_count for attempt in attempts if attempt.capture.verdict == "complete")
    sent = f"{counted(tasks, 'task')}, {counted(requests, 'request')} sent"
    is_idle = not is_built and not requests and not result.is_page_new and result.is_complete
    say(f"{counts}; {'nothing to do' if is_idle else sent}")
    targets = targets_after(result.status, attempts)
    print_targets(as_shown(targets, day), STATUS_LISTS_THEM, every=every)
    for line in words_about_clocks(result.captures):
        say(line)
    print_end(result, is_built=is_built)


def print_not_complete(status: Status) -> None:
    """Print the targets that are not complete on the status's day, with reason and advice; nothing if all are."""
    from pulltasks.run.report import count_of_complete
    from pulltasks.run.targets_shown import as_shown

    if not status.is_complete:
        say(count_of_complete(status.day, (), status, "UTC"))
        print_targets(as_shown(status.targets, status.day), STATUS_LISTS_THEM)


def print_end(result: RunResult, *, is_built: bool = True) -> None:
    """Print what was published, if it is new, and the troubles beside it."""
    for text in result.damaged_days:
        typer.echo(text, err=True)
    for text in result.surprises:
        typer.echo(f"warning: {text}", err=True)
    if is_built:
        typer.echo(f"published {result.published}")
    if result.is_page_new:
        typer.echo(f"the page is {result.dashboard}")
    for trouble in result.troubles:
        typer.echo(trouble.text, err=True)


def text(cell: object) -> str:
    """Return a cell as text; null is an empty text."""
    return "" if cell is None else str(cell)


def print_status(
    found: Status,
    freshness: Freshness,
    newest: NewestComplete | None,
    limits: Limits,
    manners: Mapping[str, Probed],
    *,
    every: bool,
) -> None:
    """Print the number of complete targets, those that need somebody, unknown manners, and what is too old."""
    from pulltasks.lake.manners import words_of_unknown
    from pulltasks.run.report import count_of_complete
    from pulltasks.run.targets_shown import as_shown
    from pulltasks.warehouse.read.status import is_ahead

    age = freshness.lake_age
    captured = "" if age is None or is_ahead(age) else f", captured {hours(age)} ago"
    say(f"{count_of_complete(found.day, (), found, 'UTC')}{captured}")
    print_targets(as_shown(found.targets, found.day), "--all lists them", every=every)
    if found.days_without_run:
        say(f"no run on {spans(found.days_without_run)}")
    if not found.is_complete:
        say(f"newest complete day: {newest.day if newest else 'none yet'}")
    if unknown := words_of_unknown(manners, ["/".join(target.key) for target in found.targets]):
        say(unknown)
    if freshness.level != "green":
        say(words_of_level(found, freshness, limits))


def print_service_messages(found: Status, messages: Mapping[tuple[str, str], str]) -> None:
    """Print the service's messages to targets that it refused, unredacted, for the lake's owner."""
    from pulltasks.run.targets_shown import as_shown, named

    names: defaultdict[str, list[str]] = defaultdict(list)
    for each in as_shown(found.targets, found.day):
        if each.target.key in messages:
            names[messages[each.target.key]].append(each.name)
    typer.echo("\nmessages of the service, which may hold secrets:" if names else "\nthe service sent no messages")
    for message, of in names.items():
        say(f"{named(of)}: {message}")


def print_reports(reports: Sequence[Report]) -> None:
    """Print the questions of `doctor`, with answers and advice, for the lake and each target."""
    for report in reports:
        typer.echo(f"\n{visible(report.target)}")
        for finding in report.findings:
            typer.echo(f"  {finding.question}: {visible(finding.answer)}")
            if finding.advice:
                typer.echo(f"    -> {visible(finding.advice)}")


def print_age(found: Status, freshness: Freshness, limits: Limits) -> None:
    """Print one line with the level and age of the lake, and one line for the targets beyond their limit."""
    from pulltasks.run.targets_shown import as_shown, named

    typer.echo(words_of_level(found, freshness, limits))  # one line, whatever reads it
    names = {each.target.key: each.name for each in as_shown(found.targets, found.day)}
    never = [names[each.key] for each in freshness.beyond if not each.last_complete_at]
    old = [names[each.key] for each in freshness.beyond if each.last_complete_at]
    missed = [names[each.key] for each in freshness.missed]
    for words, of in (
        ("was never complete", never),
        (f"not complete for longer than {hours(limits.target)}", old),
        (f"not complete on {found.day}", missed),
    ):
        if of:
            say(f"{words}: {named(of)}")


def words_of_level(found: Status, freshness: Freshness, limits: Limits) -> str:
    """Return the level and age of the lake, and the number of targets within their limit, as a sentence."""
    from pulltasks.warehouse.read.status import is_ahead

    age = freshness.lake_age
    if age is None:
        return f"{freshness.level}: no capture is published; run `pulltasks snapshot`"
    if found.is_ahead or is_ahead(age):
        return f"{freshness.level}: the newest published capture ended in the future: a clock is wrong; set it"
    too_long = f" (limit {hours(limits.lake)})" if freshness.is_lake_beyond else ""
    fresh = f"{len(found.targets) - len(freshness.beyond):,} of {len(found.targets):,}"
    ages = f"captured {hours(age)} ago{too_long}"
    return f"{freshness.level}: {ages}; {fresh} complete within {hours(limits.target)}"


def hours(age: timedelta) -> str:
    """Return an age, such as `12 min` or `25.3 h`."""
    seconds = age.total_seconds()
    return f"{seconds / 3600:.1f} h" if seconds >= 3600 else f"{seconds // 60:.0f} min"  # noqa: PLR2004 - an hour


def print_status_json(
    found: Status,
    freshness: Freshness,
    newest: NewestComplete | None,
    now: datetime,
    manners: Mapping[str, Probed],
    *,
    is_good: bool,
) -> None:
    """Print the state of each target and the ages as one JSON object, for monitors; times are UTC."""
    import msgspec

    from pulltasks.lake.manners import NOT_PROBED
    from pulltasks.warehouse.read.status import age_of

    targets = [
        {
            "name": target.name,
            "project_id": target.project_id,
            "region": target.region,
            "coverage": target.coverage,
            "reason": target.reason,
            "message": target.message,
            "task_count": target.task_count,
            "last_complete_date": target.last_complete_date,
            "last_complete_age_seconds": _seconds(age_of(target, now)),
            "is_beyond_limit": target in freshness.beyond,
        }
        for target in found.targets
    ]
    report = {
        "is_good": is_good,
        "level": freshness.level,
        "age_seconds": _seconds(freshness.lake_age),
        "day": found.day,
        "built_at": found.built_at.replace(tzinfo=UTC),
        "targets_complete": found.complete,
        "targets_expected": len(found.targets),
        "days_without_run": list(found.days_without_run),
        "newest_complete_date": newest.day if newest else None,
        "newest_complete_age_seconds": _seconds(now - newest.finished_at if newest else None),
        "targets": targets,
        "manners": [
            {"project_id": target.project_id, "region": target.region}
            | {"probed_at": probed.probed_at if probed else None}
            | msgspec.structs.asdict(probed.manners if probed else NOT_PROBED)
            for target in found.targets
            for probed in [manners.get("/".join(target.key))]
        ],
    }
    typer.echo(msgspec.json.format(msgspec.json.encode(report)).decode())


def _seconds(age: timedelta | None) -> int | None:
    return None if age is None else round(age.total_seconds())
