"""A fleet opened in DuckDB: the files of each lake's newest version, under one name each.

Lives here: downloading files of buckets, running the statements.
Does not live here: the statements themselves (statements), which lakes there are (lakes).
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import duckdb

from pulltasks.errors import FleetError
from pulltasks.fleet.lakes import Bucket, Folder
from pulltasks.fleet.statements import alike, statements, tables_read
from pulltasks.lake.files import sha256_of
from pulltasks.lake.paths import TABLE_FILE
from pulltasks.sql_literals import quoted
from pulltasks.warehouse.read.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pulltasks.fleet.lakes import FleetLake


class Fleet(Warehouse):
    """Many lakes as one; it shows the same versions until it is closed, if the lakes retain their files so long."""

    def __init__(self, lakes: Sequence[FleetLake]) -> None:
        super().__init__(duckdb.connect())
        self._fetched = TemporaryDirectory(prefix="pulltasks-")
        # an error in here closes the connection and removes the downloaded files
        with ExitStack() as undone:
            undone.callback(self.__exit__)
            here = [with_files_here(lake, Path(self._fetched.name), tables_read()) for lake in lakes]
            try:
                self._check(here)
                for statement in statements("duckdb", here):
                    self.connection.execute(statement.sql)
            except duckdb.Error as error:
                raise FleetError(f"the lakes' open tables cannot be read ({first_line(error)})") from None
            undone.pop_all()

    def _check(self, lakes: Sequence[FleetLake]) -> None:
        """Read the schema of every file, because the views are bound to the first file of a list alone."""
        for name in tables_read():
            for each in alike(lakes, name):
                lacking = self.connection.execute(
                    "select file_name from parquet_schema($files) group by all "
                    "having count(distinct name) filter (list_contains($columns, name)) < len($columns)",
                    {"files": [lake.file(name) for lake in each], "columns": list(each[0].tables[name])},
                ).fetchall()
                if lacking:
                    raise FleetError(f"the lakes' open tables cannot be read ({lacking[0][0]} lacks a column)")

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self._fetched.cleanup()


def first_line(error: Exception) -> str:
    """Return the first line of an error, without the statement that DuckDB shows below it."""
    return str(error).partition("\n")[0]


def show_tables_of(lake: FleetLake, tables: Sequence[str], folder: Path, connection: duckdb.DuckDBPyConnection) -> None:
    """Create or replace views of some tables of one lake; files of a bucket are downloaded to a folder.

    Raises:
        FleetError: when a table is missing or cannot be read.
        BackupError: when the bucket cannot be read.
    """
    lake = with_files_here(lake, folder, tables)
    try:
        for table in tables:
            # names of folders are not read as columns
            rows = f"read_parquet({quoted(lake.file(table))}, hive_partitioning = false)"
            connection.execute(f"create or replace view {table} as from {rows}")
    except duckdb.Error as error:
        raise FleetError(f"its open tables cannot be read ({first_line(error)})") from None


def with_files_here(lake: FleetLake, folder: Path, tables: Iterable[str]) -> FleetLake:
    """Return the lake with the files of some tables on this disk; files of a bucket are downloaded.

    The files of a version are used, not `current`, because a publish during the download would replace those.

    Raises:
        FleetError: when the hash of a file differs from `latest.json`.
        BackupError: when the bucket cannot be read.
    """
    if not isinstance(lake.source, Bucket):
        return lake
    named = {
        f"tables/{lake.latest.version}/{table}/{TABLE_FILE}": lake.latest.tables[table].sha256
        for table in tables
        if table in lake.latest.tables
    }
    lake.source.there.fetch("", folder / lake.name, named)
    for name, sha256 in named.items():
        path = folder / lake.name / name
        if not path.is_file() or sha256_of(path) != sha256:
            raise FleetError(f"{lake.source.address(name)}: differs from latest.json; try again, it may be new")
    return replace(lake, source=Folder(folder / lake.name), folder=lake.latest.version)
