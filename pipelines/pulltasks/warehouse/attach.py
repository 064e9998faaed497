"""The four catalogs of a build: where models find what they read, and where they are written.

Lives here: attaching them, what of the base is taken over.
Does not live here: which base that is (plan), running models (working_copy).

`tidy` is the day that is entered; `staging` its staging models; `before` what models held before that day; `warehouse`
the unfinished file. Where there is but one day to add, `before` is the base itself and the file begins as a copy of
it, in which tables, views and macros stay, and of what has a past only the rows that the day changes are written: so a
day's work grows neither with what lies behind it nor with what stands.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from pulltasks.sql_literals import escaped

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from pulltasks.warehouse.models import Models
    from pulltasks.warehouse.plan import Plan

STORAGE_VERSION = "v1.2.0"  # what DuckDB 1.2 and later can open
BLOCK_BYTES = 1 << 16  # a quarter of DuckDB's own: with many narrow columns the file is a fifth smaller
# What a name without a catalog means: what is built already, else what was held before, else a masking macro.
_SEARCH_PATH = "warehouse.main,staging.main,before.main,memory.main"
# Rows that are replaced leave room behind that is not used again; of a table with more of it than this, the rows are
# written anew.
MOST_DEAD_ROWS = 0.1


def open_catalogs(connection: duckdb.DuckDBPyConnection, path: Path, plan: Plan, models: Models) -> None:
    """Attach all four; `path` is the unfinished file and not there yet."""
    if plan.base is not None and plan.adds_one_day:
        shutil.copyfile(plan.base, path)
        connection.execute(f"attach '{escaped(path)}' as warehouse")
    else:
        options = f"storage_version '{STORAGE_VERSION}', block_size {BLOCK_BYTES}"
        connection.execute(f"attach '{escaped(path)}' as warehouse ({options})")
    for catalog in ("staging", "before", "whole_day", "tidy"):
        connection.execute(f"attach ':memory:' as {catalog}")
    connection.execute(f"set search_path = '{_SEARCH_PATH}'")
    with_past = [model for model in models.in_order if model.has_past]
    if plan.base is None:
        for model in with_past:
            columns = ", ".join(f'"{column.name}" {column.type}' for column in model.columns)
            connection.execute(f"create table {model.place_before} ({columns})")
        return
    connection.execute(f"attach '{escaped(plan.base)}' as base (read_only)")
    for model in with_past:
        noun = "view" if plan.adds_one_day else "table"
        connection.execute(f"create {noun} {model.place_before} as from base.main.{model.name}")
    if plan.adds_one_day:
        make_room(connection, {model.name for model in with_past})


def make_room(connection: duckdb.DuckDBPyConnection, with_past: set[str]) -> None:
    """Take the rows out of the copied base's tables that are made anew, and of those with too many replaced rows."""
    query = "select table_name from duckdb_tables() where database_name = 'warehouse'"
    names = [name for (name,) in connection.execute(query).fetchall()]
    sparse = {name for name in names if name in with_past and _is_sparse(connection, f"warehouse.main.{name}")}
    emptied = [name for name in names if name not in with_past or name in sparse]
    deletes = [f"delete from warehouse.main.{name}" for name in emptied]
    again = [f"insert into warehouse.main.{name} from base.main.{name}" for name in sorted(sparse)]
    connection.execute(";\n".join([*deletes, "checkpoint warehouse", *again]))


def _is_sparse(connection: duckdb.DuckDBPyConnection, table: str) -> bool:
    """Whether many of a table's rows were replaced: they are gone, and their numbers are not given again."""
    ((rows, last),) = connection.execute(f"select count(*), max(rowid) from {table}").fetchall()
    return bool(rows and last + 1 - rows > MOST_DEAD_ROWS * rows)
