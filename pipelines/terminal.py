"""What the command line shows: progress, tables, rows of a query, how a run ended.

Lives here: everything that is printed in more than a line.
Does not live here: verbs and options (cli), what is shown (runs, coverage, warehouse).
"""

from __future__ import annotations

import sys
from datetime import UTC
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from pipelines.outside_text import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date, timedelta
    from types import TracebackType

    import duckdb

    from pipelines.capture import CaptureResult
    from pipelines.coverage import NewestComplete, Status
    from pipelines.doctor import Report
    from pipelines.runs import RunResult

NOT_COMPLETE = 3


class Format(StrEnum):
    """How `query` shows rows."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"
    PARQUET = "parquet"


class Progress:
    """A progress bar on a terminal, nothing elsewhere."""

    def __init__(self) -> None:
        self._bar: object = None

    def __enter__(self) -> Progress:
        if sys.stderr.isatty():
            import rich.progress
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn

            columns = (TextColumn("{task.description:>12}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            note = TextColumn("{task.fields[note]}", markup=False)
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

    def begin(self, step: str, total: int) -> None:
        """Show a bar for a step of so many parts."""
        import rich.progress

        if isinstance(self._bar, rich.progress.Progress) and total:
            self._task = self._bar.add_task(step, total=total, note="")

    def advance(self, note: str) -> None:
        """Move the bar on by one part."""
        import rich.progress

        if isinstance(self._bar, rich.progress.Progress):
            self._bar.update(self._task, advance=1, note=visible(note))


def print_captures(day: date, captures: tuple[CaptureResult, ...], status: Status) -> None:
    """How each target ended, and what to do about those that are not complete; each message once."""
    judged = {(t.project_id, t.region): t for t in status.targets if t.coverage not in {"complete", "missing"}}
    rows = []
    messages: list[str | None] = []
    for result in captures:
        # what is published may think worse of a listing than the capture did: it is held, or its rows differ
        known = judged.get(result.target.key) if result.verdict == "complete" else None
        verdict, reason = (known.coverage, known.reason) if known else (result.verdict, result.reason)
        rows.append(
            (
                result.target.name or "",
                result.target.project_id,
                result.target.region,
                verdict + ("" if result.is_new else " (before)"),
                reason or "",
                str(result.task_count) if result.verdict == "complete" else "",
                str(result.requests),
            )
        )
        messages.append(known.message if known else result.message)
    print_table(("name", "project_id", "region", "verdict", "reason", "tasks", "requests"), rows)
    for message in dict.fromkeys(message for message in messages if message):
        typer.echo(visible(message))
    for skew in {result.clock_skew_seconds for result in captures if result.clock_skew_seconds}:
        direction = "behind" if skew > 0 else "ahead of"
        typer.echo(
            f"this machine's clock is {abs(skew) / 60:.0f} minutes {direction} the service's; "
            "signatures were dated by the service's clock. Set the clock"
        )
    complete = sum(result.verdict == "complete" and result.target.key not in judged for result in captures)
    typer.echo(f"{day}: {complete} of {len(captures)} targets complete")


def print_end(result: RunResult) -> None:
    """What was published."""
    for text in result.damaged_days:
        typer.echo(text, err=True)
    for text in result.surprises:
        typer.echo(f"warning: {text}", err=True)
    typer.echo(f"published {result.published}")
    if result.dashboard:
        typer.echo(f"the page is {result.dashboard}")
    if result.page_error:
        typer.echo(result.page_error, err=True)


def print_table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Rows under a header; where the terminal is too narrow for that, each row as lines of its own."""
    from rich import box
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    header = tuple(visible(name) for name in header)
    rows = [tuple(visible(cell) for cell in row) for row in rows]

    class Plain(Console):
        """Rich's own would end the process, with 1, when nobody reads any more."""

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
        table.add_row(*(Text(cell) for cell in row))
    width = None if sys.stdout.isatty() else 10_000  # a pipe has no edge to wrap at
    Plain(width=width, soft_wrap=not sys.stdout.isatty()).print(table)


MAX_TABLE_ROWS = 1000


def show(connection: duckdb.DuckDBPyConnection, sql: str, output_format: Format) -> None:
    """The rows of a query, in the format that was asked for.

    Raises:
        duckdb.Error: when the query fails.
    """
    import shutil
    import tempfile

    import duckdb

    from pipelines.literals import escaped

    relation = connection.sql(sql)
    if relation is None:
        return
    if output_format is Format.TABLE:
        rows = relation.limit(MAX_TABLE_ROWS + 1).fetchall()
        print_table(tuple(relation.columns), [tuple(text(cell) for cell in row) for row in rows[:MAX_TABLE_ROWS]])
        if len(rows) > MAX_TABLE_ROWS:
            typer.echo(f"the first {MAX_TABLE_ROWS} rows; --format csv, json or parquet gives all", err=True)
        return
    options = {Format.CSV: "format csv, header", Format.JSON: "format json, array", Format.PARQUET: "format parquet"}
    statement = sql.strip().rstrip(";")
    if output_format is Format.PARQUET and sys.stdout.isatty():
        raise duckdb.Error("parquet is not for a terminal; send it to a file: … > rows.parquet")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "rows")
        connection.execute(f"copy ({statement}\n) to '{escaped(file)}' ({options[output_format]})")
        with file.open("rb") as answer:
            shutil.copyfileobj(answer, sys.stdout.buffer)


def text(cell: object) -> str:
    """A cell as text; null is empty."""
    return "" if cell is None else str(cell)


def spans(days: tuple[date, ...]) -> str:
    """Days as a range."""
    if not days:
        return "none"
    return str(days[0]) if len(days) == 1 else f"{days[0]} to {days[-1]}"


def print_status(found: Status) -> None:
    """How each target stands, and what to do about those that are not complete."""
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
    for target in found.targets:
        if target.message:
            typer.echo(visible(target.message))
    if found.days_without_run:
        typer.echo(f"no run on {spans(found.days_without_run)}")
    typer.echo(f"{found.day}: {found.complete} of {len(found.targets)} targets complete")
    typer.echo(f"built {found.built_at:%Y-%m-%d %H:%M} UTC")


def print_reports(reports: Sequence[Report]) -> None:
    """What was asked of each target, what it answered, and what to do."""
    for report in reports:
        typer.echo(f"\n{visible(report.target)}")
        for finding in report.findings:
            typer.echo(f"  {finding.question}: {visible(finding.answer)}")
            if finding.advice:
                typer.echo(f"    -> {visible(finding.advice)}")


def print_age(newest: NewestComplete | None, age: timedelta | None, max_age: str, *, is_good: bool) -> None:
    """How old the newest complete day is, in one line for cron."""
    if newest is None or age is None:
        typer.echo(f"no day was ever complete (allowed: {max_age}); run `pulltasks status` for the reasons")
        return
    from pipelines.coverage import is_ahead

    if is_ahead(age):
        hours = f"{-age.total_seconds() / 3600:.1f} h after now"
        typer.echo(f"all targets complete on {newest.day}, which ended {hours}: a clock is wrong; set it")
        return
    hours = f"{age.total_seconds() / 3600:.1f} h ago"
    advice = "" if is_good else f", longer than {max_age}; run `pulltasks status` for the reasons"
    typer.echo(f"all targets complete on {newest.day}, {hours}{advice}")


def print_status_json(found: Status, newest: NewestComplete | None, age: timedelta | None, *, is_good: bool) -> None:
    """The same for monitors, as one JSON object; times are UTC."""
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
        }
        for target in found.targets
    ]
    report = {
        "is_good": is_good,
        "day": found.day,
        "built_at": found.built_at.replace(tzinfo=UTC),
        "targets_complete": found.complete,
        "targets_expected": len(found.targets),
        "days_without_run": list(found.days_without_run),
        "newest_complete_date": newest.day if newest else None,
        "newest_complete_age_seconds": round(age.total_seconds()) if age is not None else None,
        "targets": targets,
    }
    import msgspec

    typer.echo(msgspec.json.format(msgspec.json.encode(report)).decode())
