"""Read the tidy tables.

Lives here: a select over the files of a table, a connection to all tables.
Does not live here: writing them (normalise, parquet, compaction).
"""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import duckdb

from pulltasks.errors import LakeError, NoWarehouse
from pulltasks.sql_literals import escaped

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pulltasks.lake.lake import Lake
    from pulltasks.tables import Table


def open_tidy(lake: Lake) -> duckdb.DuckDBPyConnection:
    """Return a connection with views of the tidy tables of all dates, secrets included, for the lake's owner.

    Raises:
        NoWarehouse: when there are no tidy tables.
        LakeError: when they cannot be read.
    """
    from pulltasks.tables import TABLES  # imports Arrow, which a query of the published file does not need

    # what DuckDB spills to disk is as secret as the tables, so it goes into their private folder
    connection = duckdb.connect(":memory:", config={"temp_directory": str(lake.tidy / ".spill")})
    for table in TABLES:
        files = lake.files(table.name, date.min, date.max)
        if not files:
            raise NoWarehouse(f"{lake.root}: there are no tidy tables yet; run `pulltasks snapshot` first")
        _execute(connection, f"create view {table.name} as {tidy_rows(table, files)}")
    return connection


def read_service_messages(lake: Lake, day: date) -> dict[tuple[str, str], str]:
    """Return the service's messages when it refused targets on a day, unmasked, by `(project_id, region)`.

    Raises:
        LakeError: when the tidy tables cannot be read.
    """
    rows = open_tidy(lake).execute(
        "select project_id, region, service_message from captures where snapshot_date = $1 and service_message <> ''",
        [day],
    )
    return {(project_id, region): message for project_id, region, message in rows.fetchall()}


def tidy_rows(table: Table, files: Sequence[Path]) -> str:
    """Return a select over files of one tidy table; a column that an older file lacks is null there."""
    # the empty select gives every column its name and type, even if no file has it
    columns = ", ".join(f'cast(null as {c.sql_type}) as "{c.name}"' for c in table.columns)
    names = ", ".join(f"'{escaped(path)}'" for path in files)
    return (  # no injection: column names are constants of the code, paths are escaped
        f"select {columns} where false union all by name "
        f"from read_parquet([{names}], hive_partitioning = false, union_by_name = true)"
    )


def _execute(connection: duckdb.DuckDBPyConnection, statement: str) -> None:
    try:
        connection.execute(statement)
    except duckdb.Error as error:
        raise LakeError(f"the tidy tables cannot be read ({error}); `pulltasks rebuild` writes them again") from None
