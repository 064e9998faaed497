"""The class for analysts: an open published warehouse.

Lives here: queries as DataFrames and Arrow tables, the most frequent questions.
Does not live here: finding the file (`pulltasks.open_warehouse`), many lakes as one (fleet.opened).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

    import duckdb
    import pandas as pd
    import pyarrow as pa


class Warehouse:
    """A published warehouse, opened read-only; it shows the same build until it is closed."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection

    def df(self, query: str) -> pd.DataFrame:
        """Return the rows of a query as a DataFrame.

        Args:
            query: any SQL that reads, e.g. `select * from dim_pull_tasks where is_current`.
        """
        return self.connection.sql(query).df()

    def arrow(self, query: str) -> pa.Table:
        """Return the rows of a query as an Arrow table, for polars and other Arrow readers."""
        return self.connection.sql(query).to_arrow_table()

    def tables(self) -> pd.DataFrame:
        """Return the tables and views that can be queried: `name` and `description`, ordered by name."""
        return self.df(
            """
            select table_name as name, comment as description from duckdb_tables() where not internal
            union all
            select view_name, comment from duckdb_views() where not internal and comment is not null
            order by name
            """
        )

    def as_of(self, day: date | str) -> pd.DataFrame:
        """Return the tasks as they were listed on a day, masked, one row per task; `state_date` dates each state.

        Args:
            day: a snapshot date, or its text such as `2026-11-22`.
        """
        return self.connection.sql("from pull_tasks_as_of($day)", params={"day": str(day)}).df()

    def changes(self, since: date | str) -> pd.DataFrame:
        """Return the changes on `since` and later: added, removed, returned, or one row per changed field, in order.

        Args:
            since: a snapshot date, or its text such as `2026-11-22`.
        """
        query = "from fct_pull_task_changes where snapshot_date >= cast($since as date) order by all"
        return self.connection.sql(query, params={"since": str(since)}).df()

    def __enter__(self) -> Warehouse:
        """Return itself; the `with` block closes the connection at its end."""
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()
