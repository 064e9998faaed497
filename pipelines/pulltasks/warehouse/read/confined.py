"""A connection for a user's SQL: one select over the published file or the tidy tables, and nothing else.

Lives here: which statements are allowed, which files they can reach.
Does not live here: printing rows (cli.query), connections without these limits (published, lake.tidy).
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING

import duckdb

from pulltasks.errors import NoWarehouse, QueryRefused
from pulltasks.lake.tidy import tidy_rows
from pulltasks.sql_literals import escaped
from pulltasks.warehouse.read.published import not_opened, published_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pulltasks.lake.lake import Lake

CATALOG = "pulltasks"
_EXPLAIN = re.compile(r"\s*explain(?:\s+analyze)?\b", re.IGNORECASE)


def one_select(text: str) -> str:
    """Return the single statement of a text, without its `;`.

    Raises:
        QueryRefused: when the text has none or several, or when the statement does more than read.
    """
    try:
        statements = duckdb.extract_statements(text)
    except duckdb.Error as error:
        raise QueryRefused(f"the query cannot be read: {error}") from None
    if not statements:
        raise QueryRefused(
            "there is no query: the text is empty or a comment. `pulltasks query --tables` lists the tables"
        )
    if len(statements) > 1:
        raise QueryRefused(f"there are {len(statements)} statements; give one at a time")
    statement = statements[0]
    if not _reads_only(statement):
        raise QueryRefused(
            f"{_name(statement)} is not possible here: a query reads (select, from, show, describe, summarize, "
            "explain). For anything else open the file in Python: pulltasks.open_warehouse()"
        )
    return str(statement.query).strip().rstrip(";")


def _reads_only(statement: duckdb.Statement) -> bool:
    # `explain analyze` runs the statement behind it, so that one must be a select as well
    if statement.type == duckdb.StatementType.EXPLAIN:
        rest = _EXPLAIN.sub("", str(statement.query), count=1)
        try:
            return [inner.type for inner in duckdb.extract_statements(rest)] == [duckdb.StatementType.SELECT]
        except duckdb.Error:
            return False
    return bool(statement.type == duckdb.StatementType.SELECT)


def _name(statement: duckdb.Statement) -> str:
    words = re.findall(r"[A-Za-z]+", str(statement.query))
    return words[0].lower() if words else "this"


@contextmanager
def open_confined(
    lake: Lake, folder: Path, *, unredacted: bool = False, writes: Path | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection that reads one lake's tables and reaches no other file, no network and no setting.

    Args:
        lake: the lake to read.
        folder: a private temporary folder for data that does not fit into memory.
        unredacted: whether to read the tidy tables, secrets included, instead of the published ones.
        writes: a file that the caller itself writes rows to.

    Raises:
        NoWarehouse: when there are no tables.
        LakeError: when they cannot be opened.
    """
    settings: dict[str, str | bool | int | float | list[str]] = {
        "temp_directory": str(folder),
        "autoinstall_known_extensions": "false",
        "autoload_known_extensions": "false",
    }
    with duckdb.connect(":memory:", config=settings) as connection:
        allowed = [writes] if writes else []
        if unredacted:
            allowed += _attach_tidy(connection, lake)
        else:
            file = published_file(lake.published)
            try:
                connection.execute(f"attach '{escaped(file)}' as {CATALOG} (read_only)")
            except duckdb.Error as error:
                raise not_opened(file, error) from None
        connection.execute(f"use {CATALOG}")
        names = ", ".join(f"'{escaped(path)}'" for path in allowed)
        # The order matters: the published file is attached before access to files ends, allowed paths can be set only
        # before it ends, and the lock comes last, so that the query cannot undo any of it.
        connection.execute(f"set allowed_paths = [{names}]")
        connection.execute("set enable_external_access = false")
        connection.execute("set lock_configuration = true")
        yield connection


def _attach_tidy(connection: duckdb.DuckDBPyConnection, lake: Lake) -> list[Path]:
    """Create views of all tidy tables, and return the files that they read."""
    from pulltasks.tables import TABLES  # imports Arrow, which a query of the published file does not need

    connection.execute(f"attach ':memory:' as {CATALOG}")
    read = []
    for table in TABLES:
        files = lake.files(table.name, date.min, date.max)
        if not files:
            raise NoWarehouse(f"{lake.root}: there are no tidy tables yet; run `pulltasks snapshot` first")
        connection.execute(f"create view {CATALOG}.main.{table.name} as {tidy_rows(table, files)}")
        read += files
    return read
