"""The four catalogs of a build: where models find what they read, and where they are written.

Lives here: attaching them, what of the base is taken over.
Does not live here: which base that is (plan), the empty file (template), running models (working_copy).

`tidy` is the day that is entered; `staging` its staging models; `before` what models held before that day; `warehouse`
the unfinished file. It is a copy, in which tables, views and macros are: of the base, where there is but one day to
add, else of the empty file. In a copied base only the rows of the past that the day changes are written, and `before`
is the base itself: so a day's work grows neither with what lies behind it nor with what is current.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pulltasks.sql_literals import escaped
from pulltasks.warehouse.sql.kinds import columns_of

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from pulltasks.warehouse.build.plan import Plan
    from pulltasks.warehouse.sql.models import Models

# What a name without a catalog means on the last day of a build: what is built already, else a masking macro. On a day
# that is passed nothing is built in the file yet: what models hold is held before the next day.
_LAST_DAY = "warehouse.main,staging.main,memory.main"
_DAY_THAT_IS_PASSED = "before.main,staging.main,memory.main"
# Rows that are replaced leave room behind that is not used again; of a table with more of it than this, the rows are
# written anew.
MOST_DEAD_ROWS = 0.1


def open_catalogs(connection: duckdb.DuckDBPyConnection, path: Path, plan: Plan, models: Models) -> None:
    """Attach all four; `path` is the unfinished file, as it begins."""
    connection.execute(f"attach '{escaped(path)}' as warehouse")
    attach_memory(connection)
    if plan.base is None:
        make_empty_past(connection, models)
        return
    connection.execute(f"attach '{escaped(plan.base)}' as base (read_only)")
    with_past = [model for model in models.in_order if model.has_past]
    for model in with_past:
        noun = "view" if plan.adds_one_day else "table"
        connection.execute(f"create {noun} {model.place_before} as from base.main.{model.name}")
    if plan.adds_one_day:
        make_room(connection, {model.name for model in with_past})


def attach_memory(connection: duckdb.DuckDBPyConnection) -> None:
    """Attach the catalogs that are gone after a build, beside `warehouse`."""
    connection.execute(
        ";\n".join(f"attach ':memory:' as {catalog}" for catalog in ("staging", "before", "whole_day", "tidy"))
    )
    set_names(connection)


def set_names(connection: duckdb.DuckDBPyConnection, *, is_last_day: bool = True) -> None:
    """Say where names without a catalog are looked for."""
    connection.execute(f"set search_path = '{_LAST_DAY if is_last_day else _DAY_THAT_IS_PASSED}'")


def make_empty_past(connection: duckdb.DuckDBPyConnection, models: Models) -> None:
    """Let models find that nothing was held before the day."""
    for model in models.in_order:
        if model.has_past:
            connection.execute(f"create table {model.place_before} ({columns_of(model.columns)})")


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
