"""The four catalogs of a build: where models find what they read, and where they are written.

Lives here: attaching them, what of the base is taken over.
Does not live here: which base that is (plan), running models (working_copy).

`tidy` is the day that is entered; `staging` its staging models; `before` what models held before that day; `warehouse`
the unfinished file. Where there is but one day to add, `before` is the base itself and the file begins as a copy of
it, in which what is only appended to stays as it is: so a day's work does not grow with what lies behind it. Where the
descriptions have not changed either, its tables, views and macros stay with their comments, and only rows go.
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
_NAMED_THINGS = {
    "view": "select view_name from duckdb_views() where database_name = 'warehouse' and not internal",
    "macro table": "select function_name from duckdb_functions() where database_name = 'warehouse' and not internal",
    "table": "select table_name from duckdb_tables() where database_name = 'warehouse'",
}


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
    only_adds = {model.name for model in models.in_order if model.kind.only_adds}
    if plan.keeps_tables:
        _empty_tables(connection, kept=only_adds)
    elif plan.adds_one_day:
        _drop(connection, kept=only_adds)


def _empty_tables(connection: duckdb.DuckDBPyConnection, kept: set[str]) -> None:
    """Take the rows out of all tables of the copied base but `kept`; the room is used again."""
    names = [name for (name,) in connection.execute(_NAMED_THINGS["table"]).fetchall() if name not in kept]
    deletes = [f"delete from warehouse.main.{name}" for name in names]
    connection.execute(";\n".join([*deletes, "checkpoint warehouse"]))


def _drop(connection: duckdb.DuckDBPyConnection, kept: set[str]) -> None:
    """Drop all but `kept` of the copied base; the room is used again."""
    drops = [
        f"drop {noun} warehouse.main.{name}"
        for noun, query in _NAMED_THINGS.items()
        for (name,) in connection.execute(query).fetchall()
        if name not in kept
    ]
    connection.execute(";\n".join([*drops, "checkpoint warehouse"]))
