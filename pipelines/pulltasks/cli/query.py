"""Run one query of a user: read its text, print its rows or write them to a file.

Lives here: texts of queries, formats, the table that fits a terminal.
Does not live here: the limits of a query (warehouse.read.confined), the verb and its options (reads).
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import sys
import tempfile
import textwrap
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import typer

from pulltasks.cli.output import Format, text, width
from pulltasks.errors import QueryRefused
from pulltasks.lake.files import PRIVATE_FILE
from pulltasks.outside_text import visible
from pulltasks.sql_literals import escaped
from pulltasks.warehouse.read.confined import one_select, open_confined
from pulltasks.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    import duckdb

    from pulltasks.lake.lake import Lake

TERMINAL_ROWS = 40
# A column is not cut below this width (in characters); other columns are left out instead.
LEAST_WIDTH = 12
# Counting stops here, because counting billions of rows would take minutes.
MOST_COUNTED = 1_000_000
_BATCH = 10_000
# A spreadsheet runs a cell that begins with one of these as a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


_BY_SUFFIX = {".csv": Format.CSV, ".json": Format.JSON, ".parquet": Format.PARQUET}
_COPY = {Format.CSV: "format csv, header", Format.JSON: "format json, array", Format.PARQUET: "format parquet"}


def text_of_query(sql: str | None, file: Path | None) -> str:
    """Return the query from the command line, from a file, or from standard input for `-`.

    Raises:
        QueryRefused: when none or both are given, or the file cannot be read.
    """
    if (sql is None) == (file is None):
        raise QueryRefused("give one query: as an argument, with -f FILE, or - for standard input")
    if sql == "-" or (file is not None and str(file) == "-"):
        return sys.stdin.read()
    if file is None:
        return sql or ""
    try:
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise QueryRefused(f"{file}: cannot be read ({getattr(error, 'strerror', None) or 'not UTF-8'})") from None


def format_of(wanted: Format | None, output: Path | None) -> Format:
    """Return the format of the option, else that of the output's name, else a table."""
    return wanted or (_BY_SUFFIX.get(output.suffix.lower()) if output else None) or Format.TABLE


def answer(
    lake: Lake,
    sql: str,
    wanted: Format,
    *,
    unredacted: bool = False,
    output: Path | None = None,
    all_rows: bool = False,
) -> None:
    """Run a query, and print its rows or write them to a file.

    Args:
        lake: the lake to read.
        sql: one statement that reads.
        wanted: the format of the rows.
        unredacted: whether to read the tidy tables, secrets included.
        output: a file instead of standard output; it is written completely or not at all.
        all_rows: whether to print all rows and columns on a terminal as well.

    Raises:
        QueryRefused: when the text is not a single statement that reads.
        duckdb.Error: when the query fails.
        OSError: when the output cannot be written.
    """
    statement = one_select(sql)
    to_terminal = output is None and sys.stdout.isatty()
    if wanted is Format.PARQUET and to_terminal:
        raise QueryRefused("parquet is not for a terminal; name a file: -o rows.parquet")
    # Rows go to a temporary file first, so that a query that fails half-way writes nothing. DuckDB spills there too.
    with tempfile.TemporaryDirectory(prefix="pulltasks-") as folder:
        rows = Path(folder, "rows")
        with open_confined(lake, Path(folder), unredacted=unredacted, writes=rows) as connection:
            if to_terminal and wanted is Format.TABLE and not all_rows:
                _show_what_fits(connection.execute(statement), width())
                return
            # DuckDB writes these formats itself; a table and CSV for a spreadsheet need each cell in Python
            if wanted in _COPY:
                connection.execute(f"copy ({statement}\n) to '{escaped(rows)}' ({_COPY[wanted]})")
            else:
                with rows.open("w", encoding="utf-8", newline="") as stream:
                    write = _write_excel if wanted is Format.EXCEL else _write_table
                    write(connection.execute(statement), stream)
        if output is None:
            with rows.open("rb") as stream:
                shutil.copyfileobj(stream, sys.stdout.buffer)
        else:
            _put(rows, output, is_private=unredacted)


def print_tables(lake: Lake) -> None:
    """Print every table, view and macro with the first sentence of its description and an example."""
    from pulltasks.warehouse.read.warehouse import tables_sql

    with tempfile.TemporaryDirectory(prefix="pulltasks-") as folder, open_confined(lake, Path(folder)) as connection:
        found = connection.execute(tables_sql()).fetchall()
    indented = textwrap.TextWrapper(
        width(), initial_indent="  ", subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
    for name, arguments, description, example in found:
        typer.echo(f"{name}({arguments})" if arguments else name)
        typer.echo(indented.fill(description.partition(". ")[0].rstrip(".")))
        if example:
            typer.echo(indented.fill(example))


def _put(rows: Path, output: Path, *, is_private: bool) -> None:
    """Move rows to the output file in one step, with the mode of a new file; private if they hold secrets."""
    # beside the output, because a rename is one step only within a file system
    unfinished = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        unfinished.touch(PRIVATE_FILE if is_private else 0o666, exist_ok=False)
        shutil.copyfile(rows, unfinished)
        unfinished.replace(output)
    finally:
        unfinished.unlink(missing_ok=True)


def _write_excel(result: duckdb.DuckDBPyConnection, stream: TextIO) -> None:
    """Write CSV for a spreadsheet: with a byte order mark, cells that are not run as formulas, and lists as JSON."""
    stream.write("\ufeff")  # without it a spreadsheet does not read the file as UTF-8
    writer = csv.writer(stream)
    writer.writerow(_guarded(column[0]) for column in result.description or ())
    while batch := result.fetchmany(_BATCH):
        writer.writerows([_guarded(cell) for cell in row] for row in batch)


def _guarded(cell: object) -> object:
    """Return a cell that a spreadsheet does not run: a quote in front makes it a text."""
    if isinstance(cell, list | dict | tuple):
        cell = json.dumps(cell, ensure_ascii=False, default=str)
    if isinstance(cell, str) and cell.startswith(_FORMULA):
        return f"'{cell}"
    return text(cell) if not isinstance(cell, int | float | Decimal) else cell


def _write_table(result: duckdb.DuckDBPyConnection, stream: TextIO) -> None:
    """Write all rows as a table, with columns as wide as their longest cell."""
    header = [visible(column[0]) for column in result.description or ()]
    types = [str(column[1]) for column in result.description or ()]
    rows = [[visible(text(cell)) for cell in row] for row in result.fetchall()]
    stream.writelines(f"{line}\n" for line in table_lines(header, types, rows))


def _show_what_fits(result: duckdb.DuckDBPyConnection, width: int) -> None:
    description = result.description or []
    header = [visible(column[0]) for column in description]
    types = [str(column[1]) for column in description]
    rows = [[visible(text(cell)) for cell in row] for row in result.fetchmany(TERMINAL_ROWS)]
    # the other rows are only counted, so that a large result needs no memory
    total = len(rows)
    while total < MOST_COUNTED and (batch := result.fetchmany(_BATCH)):
        total += len(batch)
    shown = columns_that_fit(header, rows, width)
    lines = table_lines(
        [header[n] for n in shown],
        [types[n] for n in shown],
        [[row[n] for n in shown] for row in rows],
        width,
        gap_at=_gap(shown, len(header)),
    )
    for line in lines:
        typer.echo(line)
    more = "more than " if total >= MOST_COUNTED else ""
    counts = f"{more}{counted(total, 'row')}"
    if total > len(rows):
        counts += f" ({len(rows)} shown)"
    counts += f", {counted(len(header), 'column')}"
    if len(shown) < len(header):
        counts += f" ({len(shown)} shown)"
    is_cut = total > len(rows) or len(shown) < len(header) or any("…" in line for line in lines)
    for line in _wrapped(counts + ("; --all shows everything" if is_cut else ""), width):
        typer.echo(line)


def _gap(shown: Sequence[int], columns: int) -> int | None:
    """Return the position before which columns were left out; None if all are shown."""
    if len(shown) == columns:
        return None
    return next((place for place, column in enumerate(shown) if place != column), len(shown))


def _wrapped(line: str, width: int) -> list[str]:
    return [line[n : n + width] for n in range(0, len(line), width)] or [""]


def columns_that_fit(header: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """Return the positions of the columns to show; if not all fit, some between the first and the last are left out."""
    needed = [min(its, LEAST_WIDTH) for its in _widths(header, rows)]
    shown = list(range(len(header)))
    while len(shown) > 1 and sum(needed[n] + 2 for n in shown) + (3 if len(shown) < len(header) else 0) > width:
        shown.pop(len(shown) * 2 // 3)
    return shown


def table_lines(
    header: Sequence[str],
    types: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int | None = None,
    gap_at: int | None = None,
) -> list[str]:
    """Return a table as lines: numbers are right-aligned, and long cells are cut with … to fit the width.

    Args:
        header: names of the columns.
        types: their DuckDB types.
        rows: cells as text, without control characters.
        width: of the terminal, in characters; None for no limit.
        gap_at: the position before which columns were left out.
    """
    widths = _widths(header, rows)
    if width is not None:
        room = width - 2 * len(widths) - (3 if gap_at is not None else 0)
        widths = _shrunk(widths, room)
    is_number = [any(word in kind for word in ("INT", "DOUBLE", "FLOAT", "DECIMAL", "NUMBER")) for kind in types]

    def line(cells: Sequence[str], *, is_header: bool = False) -> str:
        parts = [
            _fitted(cell, its, to_right=number) for cell, its, number in zip(cells, widths, is_number, strict=True)
        ]
        if gap_at is not None:
            parts.insert(gap_at, "…" if is_header else " ")
        return "  ".join(parts).rstrip()

    rule = (
        "  ".join("─" * its for its in widths)
        if gap_at is None
        else "─" * min(width or 0, sum(widths) + 2 * len(widths))
    )
    return [line(header, is_header=True), rule, *(line(row) for row in rows)]


def _widths(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(_cells(cell) for cell in column) for column in zip(header, *rows, strict=True)]


def _shrunk(widths: Sequence[int], room: int) -> list[int]:
    """Return widths with a sum of at most `room`; the widest columns are cut first."""
    found = list(widths)
    if sum(found) <= room:
        return found
    # find, by bisection, the greatest width at which cutting all wider columns is enough
    low, high = 1, max(found)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if sum(min(its, middle) for its in found) <= room else (low, middle - 1)
    return [min(its, low) for its in found]


def _cells(value: str) -> int:
    """Return the width of a text on a terminal; Chinese and other wide characters count two."""
    from rich.cells import cell_len

    return cell_len(value)


def _fitted(cell: str, width: int, *, to_right: bool) -> str:
    from rich.cells import set_cell_size

    if _cells(cell) > width:
        cell = set_cell_size(cell, max(0, width - 1)) + "…"
    padding = " " * (width - _cells(cell))
    return padding + cell if to_right else cell + padding


def shell_command(lake: Lake) -> list[str]:
    """Return the command that opens DuckDB's own shell on the published file.

    Raises:
        NoWarehouse: when nothing was published.
        QueryRefused: when the shell is not installed.
    """
    from pulltasks.warehouse.read.published import published_file

    file = published_file(lake.published)
    # the shell beside this Python was installed with it; one in PATH may be too old for the file
    program = shutil.which("duckdb", path=str(Path(sys.executable).parent)) or shutil.which("duckdb")
    if program is None:
        raise QueryRefused("DuckDB's shell is not installed: pip install 'pulltasks[shell]', or put duckdb into PATH")
    return [program, "-cmd", f"attach '{escaped(file)}' as pulltasks (read_only)", "-cmd", "use pulltasks"]
