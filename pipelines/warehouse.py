"""Opening what a lake holds: the published warehouse, and the tidy tables behind it.

Lives here: read-only connections.
Does not live here: building and publishing (build).
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import duckdb

from pipelines.errors import LakeError, NoWarehouse
from pipelines.literals import escaped

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipelines.lake import Lake
    from pipelines.tables import Table


def open_published(lake: Lake) -> duckdb.DuckDBPyConnection:
    """A read-only connection to the published file of this moment.

    Raises:
        NoWarehouse: when nothing has been published.
    """
    return open_file(lake.published)


def open_file(path: Path) -> duckdb.DuckDBPyConnection:
    """A read-only connection to a warehouse file.

    Raises:
        NoWarehouse: when there is none.
    """
    if not path.exists():
        if path.is_symlink():
            raise LakeError(f"{path}: the build that it points at is gone; run `pulltasks snapshot` to publish again")
        raise NoWarehouse(f"{path}: nothing has been published yet; run `pulltasks snapshot` first")
    try:
        # The link is followed here: a connection to the link's own path would keep showing an older file that is open.
        return duckdb.connect(str(path.resolve()), read_only=True)
    except duckdb.Error as error:
        raise LakeError(f"{path}: cannot be opened ({error}); remove it and run `pulltasks snapshot` again") from None


def open_tidy(lake: Lake) -> duckdb.DuckDBPyConnection:
    """A connection whose tables are the tidy tables of all dates, unredacted, for the lake's owner."""
    from pipelines.tables import TABLES

    # what does not fit into memory is as private as the tables themselves
    connection = duckdb.connect(":memory:", config={"temp_directory": str(lake.tidy / ".spill")})
    for table in TABLES:
        files = lake.files(table.name, date.min, date.max)
        if not files:
            raise NoWarehouse(f"{lake.root}: there are no tidy tables yet; run `pulltasks snapshot` first")
        _execute(connection, f"create view {table.name} as {tidy_rows(table, files)}")
    return connection


def tidy_rows(table: Table, files: Sequence[Path]) -> str:
    """A select over files of one tidy table; a column that an older file does not have is null there."""
    columns = ", ".join(f'cast(null as {c.sql_type}) as "{c.name}"' for c in table.columns)
    names = ", ".join(f"'{escaped(path)}'" for path in files)
    return (  # column names are the code's own, paths are escaped
        f"select {columns} where false union all by name "
        f"from read_parquet([{names}], hive_partitioning = false, union_by_name = true)"
    )


def _execute(connection: duckdb.DuckDBPyConnection, statement: str) -> None:
    try:
        connection.execute(statement)
    except duckdb.Error as error:
        raise LakeError(f"the tidy tables cannot be read ({error}); `pulltasks rebuild` writes them again") from None
