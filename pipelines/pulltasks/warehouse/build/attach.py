"""The four catalogs of a build: the tables that models read, and the tables that they write.

Lives here: attaching them, taking over the rows of the base.
Does not live here: choosing the base (plan), the empty file (template), running models (working_copy).

`tidy` has the tidy tables of the current day, `staging` its staging models, `before` the rows of models from earlier
days, and `warehouse` is the unfinished file. That file starts as a copy of the base if only one day is added, else as a
copy of the empty file; both have all tables, views and macros. In a copied base only the earlier rows that the day
changes are written, and `before` is the base itself. So the work for a day grows neither with the length of the history
nor with the number of current tasks.
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

# Where names without a catalog are looked up; the masking macros are in `memory`. On the last day the models are in the
# file. On the days before it they are in `before`, where the next day finds them.
_LAST_DAY = "warehouse.main,staging.main,memory.main"
_EARLIER_DAY = "before.main,staging.main,memory.main"
# DuckDB does not reuse the space of replaced rows. A table with more replaced rows than this share is written again.
MOST_DEAD_ROWS = 0.1


def open_catalogs(connection: duckdb.DuckDBPyConnection, path: Path, plan: Plan, models: Models) -> None:
    """Attach all four catalogs; `path` is the unfinished file, a copy of the base or of the empty file."""
    connection.execute(f"attach '{escaped(path)}' as warehouse")
    attach_memory(connection)
    if plan.base is None:
        make_empty_past(connection, models)
        return
    connection.execute(f"attach '{escaped(plan.base)}' as base (read_only)")
    # With one day to add nothing writes to `before`, so views are enough; with more days it has to be a copy.
    with_past = [model for model in models.in_order if model.has_past]
    for model in with_past:
        noun = "view" if plan.adds_one_day else "table"
        connection.execute(f"create {noun} {model.place_before} as from base.main.{model.name}")
    if plan.adds_one_day:
        make_room(connection, {model.name for model in with_past})


def attach_memory(connection: duckdb.DuckDBPyConnection) -> None:
    """Attach the catalogs that are discarded after a build, which are all but `warehouse`."""
    connection.execute(
        ";\n".join(f"attach ':memory:' as {catalog}" for catalog in ("staging", "before", "whole_day", "tidy"))
    )
    set_names(connection)


def set_names(connection: duckdb.DuckDBPyConnection, *, is_last_day: bool = True) -> None:
    """Set the catalogs in which names without a catalog are looked up."""
    connection.execute(f"set search_path = '{_LAST_DAY if is_last_day else _EARLIER_DAY}'")


def make_empty_past(connection: duckdb.DuckDBPyConnection, models: Models) -> None:
    """Create an empty table in `before` for each model with a past."""
    for model in models.in_order:
        if model.has_past:
            connection.execute(f"create table {model.place_before} ({columns_of(model.columns)})")


def make_room(connection: duckdb.DuckDBPyConnection, with_past: set[str]) -> None:
    """Empty the tables of the copied base that are built afresh, and rewrite those with too many replaced rows."""
    query = "select table_name from duckdb_tables() where database_name = 'warehouse'"
    names = [name for (name,) in connection.execute(query).fetchall()]
    sparse = {name for name in names if name in with_past and _is_sparse(connection, f"warehouse.main.{name}")}
    emptied = [name for name in names if name not in with_past or name in sparse]
    deletes = [f"delete from warehouse.main.{name}" for name in emptied]
    again = [f"insert into warehouse.main.{name} from base.main.{name}" for name in sorted(sparse)]
    # only after the checkpoint is the space of the deleted rows free for the rows that are inserted again
    connection.execute(";\n".join([*deletes, "checkpoint warehouse", *again]))


def _is_sparse(connection: duckdb.DuckDBPyConnection, table: str) -> bool:
    """Tell whether many rows of a table were replaced: DuckDB gives a row number only once, so gaps count them."""
    ((rows, last),) = connection.execute(f"select count(*), max(rowid) from {table}").fetchall()
    return bool(rows and last + 1 - rows > MOST_DEAD_ROWS * rows)
