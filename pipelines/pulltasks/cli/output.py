"""Print to the terminal: progress, tables, the state of targets, the result of a run.

Lives here: everything that is printed in more than a line.
Does not live here: verbs and options (main), the data itself (run, warehouse), rows of a query (query).
"""

from __future__ import annotations

import sys
from datetime import UTC
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import typer

from pulltasks.outside_text import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date, datetime, timedelta
    from types import TracebackType
    from typing import Self

    from pulltasks.cli.log import Log, LogFormat
    from pulltasks.doctor.targets import Report
    from pulltasks.lake.manners import Probed
    from pulltasks.run.results import RunResult
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

            columns = (TextColumn("{task.description:>12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            note = TextColumn("{task.fields[note]}", markup=False)  # a target's name may contain [brackets]
            bar = rich.progress.Progress(*columns, note, console=Console(stderr=True))
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
            self._bar.update(self._task, advance=1, note=visible(note))

    def remark(self, note: str) -> None:
        """Write a line of the log; a terminal has no place for it."""
        if self._log:
            self._log.line(note)

    def under_way(self, note: str) -> None:
        """Show the progress within a part; a log has only the end of each part."""
        import rich.progress

        if isinstance(self._bar, rich.progress.Progress):
            self._bar.update(self._task, note=visible(note))


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


def print_captures(day: date, result: RunResult, timezone: str) -> None:
    """Print the verdict of each target, advice for those that are not complete, and the count of complete ones."""
    from pulltasks.run.report import count_of_complete, judged, once, words_about_clocks

    attempts = judged(result.captures, result.status)
    rows = [
        (
            attempt.capture.target.name or "",
            attempt.capture.target.project_id,
            attempt.capture.target.region,
            attempt.verdict + ("" if attempt.capture.is_new else " (before)"),
            attempt.reason or "",
            str(attempt.capture.task_count) if attempt.capture.verdict == "complete" else "",
            str(attempt.capture.requests),
        )
        for attempt in attempts
    ]
    print_table(("name", "project_id", "region", "verdict", "reason", "tasks", "requests"), rows)
    messages = once([(attempt.label, attempt.message) for attempt in attempts])
    for line in (*messages, *words_about_clocks(result.captures)):
        typer.echo(visible(line))
    typer.echo(count_of_complete(day, attempts, result.status, timezone))


def print_not_complete(status: Status) -> None:
    """Print the targets that are not complete on the status's day, with reason and advice; nothing if all are."""
    from pulltasks.run.report import count_of_complete, not_complete

    if not status.is_complete:
        for line in (*not_complete(status), count_of_complete(status.day, (), status, "UTC")):
            typer.echo(visible(line))


def print_end(result: RunResult) -> None:
    """Print what was published, and the troubles beside it."""
    for text in result.damaged_days:
        typer.echo(text, err=True)
    for text in result.surprises:
        typer.echo(f"warning: {text}", err=True)
    typer.echo(f"published {result.published}")
    if result.dashboard:
        typer.echo(f"the page is {result.dashboard}")
    for trouble in result.troubles:
        typer.echo(trouble.text, err=True)


# Colours of the coverage of a target's day; with NO_COLOR, or without a terminal, Rich uses none.
COLOURS = {
    "complete": "green",
    "held": "yellow",
    "incomplete": "dark_orange",
    "failed": "red",
    "missing": "bright_black",
}


def print_table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Print rows under a header; if the terminal is too narrow, print each row as several lines."""
    from rich import box
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    header = tuple(visible(name) for name in header)
    rows = [tuple(visible(cell) for cell in row) for row in rows]

    class Plain(Console):
        """Leaves a closed output to `ending`; Rich would end the process with code 1."""

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError

    columns = zip(header, *rows, strict=True)
    widths = [max((len(line) for cell in column for line in cell.splitlines()), default=0) for column in columns]
    console = Plain()
    if sys.stdout.isatty() and sum(widths) + 3 * len(widths) > console.width:
        longest = max(map(len, header), default=0)
        for number, row in enumerate(rows, 1):
            typer.echo(f"-- {number} of {len(rows)}")
            for name, cell in zip(header, row, strict=True):
                typer.echo(f"{name:>{longest}}  {cell}")
        return
    table = Table(*(Column(Text(name)) for name in header), box=box.SIMPLE_HEAD)
    for row in rows:
        table.add_row(*(Text(cell, style=COLOURS.get(cell, "")) for cell in row))
    width = None if sys.stdout.isatty() else 10_000  # a pipe has no edge to wrap at
    Plain(width=width, soft_wrap=not sys.stdout.isatty()).print(table)


def text(cell: object) -> str:
    """Return a cell as text; null is an empty text."""
    return "" if cell is None else str(cell)


def spans(days: tuple[date, ...]) -> str:
    """Return days, which are in order, as a range such as `2026-11-01 to 2026-11-07`."""
    if not days:
        return "none"
    return str(days[0]) if len(days) == 1 else f"{days[0]} to {days[-1]}"


def print_status(
    found: Status, freshness: Freshness, now: datetime, limits: Limits, manners: Mapping[str, Probed]
) -> None:
    """Print the state of each target, advice for those that are not complete, unknown manners, and the ages."""
    rows = [
        (
            t.name or "",
            t.project_id,
            t.region,
            t.coverage,
            t.reason or "",
            text(t.task_count),
            text(t.last_complete_date),
        )
        for t in found.targets
    ]
    print_table(("name", "project_id", "region", "coverage", "reason", "tasks", "last complete"), rows)
    from pulltasks.lake.manners import words_of_unknown
    from pulltasks.run.report import message_of, once

    for message in once([(target.label, message_of(target)) for target in found.targets]):
        typer.echo(visible(message))
    if found.days_without_run:
        typer.echo(f"no run on {spans(found.days_without_run)}")
    if unknown := words_of_unknown(manners, ["/".join(target.key) for target in found.targets]):
        typer.echo(unknown)
    typer.echo(f"{found.day}: {found.complete} of {len(found.targets)} targets complete")
    typer.echo(f"built {found.built_at:%Y-%m-%d %H:%M} UTC")
    print_age(found, freshness, now, limits)


def print_service_messages(found: Status, messages: Mapping[tuple[str, str], str]) -> None:
    """Print the service's message for each target that it refused, unredacted, for the lake's owner."""
    sent = [(t.label, messages[t.project_id, t.region]) for t in found.targets if (t.project_id, t.region) in messages]
    typer.echo("\nmessages of the service, which may hold secrets:" if sent else "\nthe service sent no messages")
    for label, message in sent:
        typer.echo(visible(f"  {label}: {message}"))


def print_reports(reports: Sequence[Report]) -> None:
    """Print the questions of `doctor`, with answers and advice, for the lake and each target."""
    for report in reports:
        typer.echo(f"\n{visible(report.target)}")
        for finding in report.findings:
            typer.echo(f"  {finding.question}: {visible(finding.answer)}")
            if finding.advice:
                typer.echo(f"    -> {visible(finding.advice)}")


def print_age(found: Status, freshness: Freshness, now: datetime, limits: Limits) -> None:
    """Print one line with the level and age of the lake, and one line for each target beyond its limit."""
    from pulltasks.alerts.rules import words_of_age
    from pulltasks.warehouse.read.status import is_ahead

    age = freshness.lake_age
    level = freshness.level
    if age is None:
        typer.echo(f"{level}: no capture is published; run `pulltasks snapshot`")
    elif found.is_ahead or is_ahead(age):
        typer.echo(f"{level}: the newest published capture ended in the future: a clock is wrong; set it")
    else:
        ages = f"the newest published capture ended {hours(age)} ago"
        too_long = f", longer than {hours(limits.lake)}" if freshness.is_lake_beyond else ""
        fresh = len(found.targets) - len(freshness.beyond)
        known = f"{fresh} of {len(found.targets)} targets complete within {hours(limits.target)}"
        missed = f", {len(freshness.missed)} of them not on {found.day}" if freshness.missed else ""
        typer.echo(f"{level}: {ages}{too_long}; {known}{missed}")
    for target in freshness.beyond:
        typer.echo(visible(words_of_age(target, now, limits)))
    if freshness.missed:
        typer.echo(visible(f"not complete on {found.day}: {', '.join(target.label for target in freshness.missed)}"))


def hours(age: timedelta) -> str:
    """Return an age in hours, such as `25.3 h`."""
    return f"{age.total_seconds() / 3600:.1f} h"


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
