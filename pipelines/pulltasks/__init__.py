"""pulltasks: a daily, provably complete record of Huawei Cloud Live's pull tasks.

Lives here: the doors of analysts, `open_warehouse` and `open_fleet`, and of the lake's owner, `tidy_files`.
Does not live here: anything that needs Dagster (assets/).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

    import duckdb
    import pandas as pd
    import pyarrow as pa

__all__ = ["Warehouse", "open_fleet", "open_warehouse", "tidy_files"]


class Warehouse:
    """A published warehouse, opened read-only; it keeps showing the build it was opened on."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self.connection = connection

    def df(self, query: str) -> pd.DataFrame:
        """The rows of a query as a DataFrame.

        Args:
            query: any SQL that reads, e.g. `select * from dim_pull_tasks where is_current`.
        """
        return self.connection.sql(query).df()

    def arrow(self, query: str) -> pa.Table:
        """The rows of a query as an Arrow table, for polars and whatever else reads Arrow."""
        return self.connection.sql(query).to_arrow_table()

    def tables(self) -> pd.DataFrame:
        """The tables and views that can be queried: `name` and `description`, ordered by name."""
        return self.df(
            """
            select table_name as name, comment as description from duckdb_tables() where not internal
            union all
            select view_name, comment from duckdb_views() where not internal and comment is not null
            order by name
            """
        )

    def as_of(self, day: date | str) -> pd.DataFrame:
        """The tasks as they were listed on a day, masked; `state_date` says how old the state of each is.

        Args:
            day: a snapshot date, or its text such as `2026-11-22`.
        """
        return self.connection.sql("from pull_tasks_as_of($day)", params={"day": str(day)}).df()

    def changes(self, since: date | str) -> pd.DataFrame:
        """What was added, removed, returned or changed on `since` and later, one row per changed field, in order.

        Args:
            since: a snapshot date, or its text such as `2026-11-22`.
        """
        query = "from fct_pull_task_changes where snapshot_date >= cast($since as date) order by all"
        return self.connection.sql(query, params={"since": str(since)}).df()

    def __enter__(self) -> Warehouse:
        """Use as a context manager to close it in the end."""
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()


def tidy_files(table: str, first: date | str, last: date | str, lake: str | Path | None = None) -> list[str]:
    """The Parquet files that hold a tidy table from one snapshot date to another, both included, in order of date.

    A closed month is one file, which may hold days beyond the range: filter by `snapshot_date`. Never read the folders
    by a pattern: after a month was closed both its file and those of its days may be there.

    Args:
        table: `pull_tasks`, `pull_task_source_urls`, `pull_task_callback_events`, `captures` or `data_quality`.
        first: a snapshot date, or its text such as `2026-11-16`.
        last: likewise.
        lake: the lake's folder; default: the one that the configuration points at.

    Raises:
        ValueError: when there is no such table.
        ConfigError: when the configuration cannot be used.
    """
    from datetime import date as day

    from pulltasks.lake.lake import Lake
    from pulltasks.tables import TABLES

    if table not in (names := [each.name for each in TABLES]):
        raise ValueError(f"{table!r} is no tidy table; there are {', '.join(names)}")
    if lake is None:
        from pulltasks.config import load

        lake = load(need_targets=False).lake.root
    begin, end = (day.fromisoformat(str(each)) for each in (first, last))
    return [str(path) for path in Lake(Path(lake)).files(table, begin, end)]


def open_warehouse(path: str | Path | None = None) -> Warehouse:
    """Open the newest published warehouse.

    Args:
        path: the file (`…/warehouse/pulltasks.duckdb`); default: the one that the configuration points at.

    Raises:
        NoWarehouse: when nothing has been published there.
        ConfigError: when the configuration cannot be used.
    """
    from pulltasks.lake.lake import Lake
    from pulltasks.warehouse.published import open_file, open_published

    if path is not None:
        return Warehouse(open_file(Path(path)))
    from pulltasks.config import load

    return Warehouse(open_published(Lake(load(need_targets=False).lake.root)))


def open_fleet(lakes: str | Path | Sequence[str | Path]) -> Warehouse:
    """Open the newest open tables of many lakes as one: the same tables, reports and macros, over all of them.

    Args:
        lakes: folders, or URLs of readers' buckets (read with the `[publish]` of the configuration);
            each may be given a name, `NAME=PATH_OR_URL`, which stands in the column `lake`.

    Raises:
        FleetError: when a lake has no open tables, or two would have one name.
        BackupError: when a bucket cannot be read.
    """
    from pulltasks.backup.rclone import Rclone, rclone_at
    from pulltasks.fleet.lakes import NEWEST, read_lakes
    from pulltasks.fleet.opened import Fleet

    def reach(url: str) -> Rclone:
        from pulltasks.config import load

        return rclone_at(url, load(need_targets=False))

    given = [lakes] if isinstance(lakes, str | Path) else lakes
    return Fleet(read_lakes([str(lake) for lake in given], reach, NEWEST))
