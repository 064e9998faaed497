"""The class for analysts: an open published warehouse.

Lives here: queries as relations, DataFrames and Arrow tables, the list of tables, the most frequent questions.
Does not live here: finding the file (`pulltasks.open_warehouse`), many lakes as one (fleet.opened).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pulltasks.errors import UsageError
from pulltasks.sql_literals import quoted

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    import duckdb
    import pandas as pd
    import pyarrow as pa

# `show tables` lists no macro, and none of DuckDB's lists has an example.
_TABLES = """
select name, arguments, description, example
from (
    select table_name as name, null as arguments, comment as description from duckdb_tables() where not internal
    union all
    select view_name, null, comment from duckdb_views() where not internal and comment is not null
    union all
    select function_name, array_to_string(parameters, ', '), comment from duckdb_functions()
    where not internal and function_type = 'table_macro'
)
left join (values {examples}) as examples (name, example) using (name)
order by name
"""


def tables_sql() -> str:
    """Return the query of `Warehouse.tables`."""
    from pulltasks.warehouse.sql.models import load_models

    examples = [f"({quoted(each.name)}, {quoted(each.example)})" for each in load_models().in_order if each.example]
    return _TABLES.format(examples=", ".join(examples))


def _dataframe(relation: duckdb.DuckDBPyRelation) -> pd.DataFrame:
    try:
        return relation.df()
    except ModuleNotFoundError as lacking:  # DuckDB imports pandas and numpy only here
        raise UsageError(
            "a DataFrame needs pandas: pip install 'pulltasks[pandas]', or use sql() or arrow()"
        ) from lacking


class Warehouse:
    """A published warehouse, opened read-only; it shows the same build until it is closed."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection

    def __repr__(self) -> str:
        """Return the days that it shows, and which methods to use."""
        import duckdb

        name = type(self).__name__
        days = "select min(first_date), max(through_date) from meta_build"
        try:
            # a cursor: the connection may be in the middle of a result
            ((first, last),) = self.connection.cursor().execute(days).fetchall()
        except duckdb.Error:
            return f"<{name}, closed>"
        return f"<{name} of {first} to {last}: tables() lists what there is; sql(), df() and arrow() query it>"

    def sql(self, query: str, params: Mapping[str, Any] | None = None) -> duckdb.DuckDBPyRelation:
        """Return a query as a relation of DuckDB, which can be filtered and joined further and is run when it is read.

        A sum of whole numbers is a BIGINT in it. In DuckDB it is a HUGEINT, which pandas could hold as a float only.

        Args:
            query: any SQL that reads, e.g. `select status, count(*) from pull_tasks group by all`.
            params: the values of `$name` in the query.
        """
        found = self.connection.sql(query, params=params)
        kinds = [str(kind) for kind in found.types]
        if "HUGEINT" not in kinds:
            return found
        names = [f'"{name.replace(chr(34), chr(34) * 2)}"' for name in found.columns]
        # by position, because two columns may have one name
        return found.project(
            ", ".join(
                f"cast(#{place} as bigint) as {name}" if kind == "HUGEINT" else f"#{place} as {name}"
                for place, (name, kind) in enumerate(zip(names, kinds, strict=True), 1)
            )
        )

    def df(self, query: str) -> pd.DataFrame:
        """Return the rows of a query as a DataFrame.

        Args:
            query: any SQL that reads, e.g. `select * from pull_tasks`.
        """
        return _dataframe(self.sql(query))

    def arrow(self, query: str) -> pa.Table:
        """Return the rows of a query as an Arrow table, for polars and other Arrow readers."""
        return self.sql(query).to_arrow_table()

    def tables(self) -> pd.DataFrame:
        """Return what can be queried, ordered by name: `name`, `arguments` (macros), `description` and `example`."""
        return self.df(tables_sql())

    def as_of(self, day: date | str) -> pd.DataFrame:
        """Return the tasks as they were listed on a day, masked, one row per task; `state_date` dates each state.

        Args:
            day: a snapshot date, or its text such as `2026-11-22`.
        """
        return _dataframe(self.sql("from pull_tasks_as_of($day)", {"day": str(day)}))

    def changes(self, since: date | str) -> pd.DataFrame:
        """Return the changes on `since` and later: added, removed, returned, or one row per changed field, in order.

        Args:
            since: a snapshot date, or its text such as `2026-11-22`.
        """
        query = "from fct_pull_task_changes where snapshot_date >= cast($since as date) order by all"
        return _dataframe(self.sql(query, {"since": str(since)}))

    def __enter__(self) -> Warehouse:
        """Return itself; the `with` block closes the connection at its end."""
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()
