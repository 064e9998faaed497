"""pulltasks: a daily, provably complete record of Huawei Cloud Live's pull tasks.

Lives here: the analyst's door, `open_warehouse`.
Does not live here: anything that needs Dagster (assets/).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

__all__ = ["Warehouse", "open_warehouse"]


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

    def __enter__(self) -> Warehouse:
        """Use as a context manager to close it in the end."""
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()


def open_warehouse(path: str | Path | None = None) -> Warehouse:
    """Open the newest published warehouse.

    Args:
        path: the file (`…/warehouse/pulltasks.duckdb`); default: the one that the configuration points at.

    Raises:
        NoWarehouse: when nothing has been published there.
        ConfigError: when the configuration cannot be used.
    """
    from pipelines.lake import Lake
    from pipelines.warehouse import open_file, open_published

    if path is not None:
        return Warehouse(open_file(Path(path)))
    from pipelines.config import load

    return Warehouse(open_published(Lake(load(need_targets=False).lake.root)))
