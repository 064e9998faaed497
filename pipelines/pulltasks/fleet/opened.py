"""A fleet opened in DuckDB: the files of each lake's newest version, under one name each.

Lives here: fetching what lies in a bucket, running the statements.
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
from pulltasks.fleet.statements import rows_of, statements, tables_read
from pulltasks.lake.files import sha256_of
from pulltasks.lake.paths import TABLE_FILE
from pulltasks.warehouse.read.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pulltasks.fleet.lakes import FleetLake


class Fleet(Warehouse):
    """Many lakes as one; it keeps showing the versions that it was opened on, as long as the lakes keep their files."""

    def __init__(self, lakes: Sequence[FleetLake]) -> None:
        super().__init__(duckdb.connect())
        self._fetched = TemporaryDirectory(prefix="pulltasks-")
        with ExitStack() as undone:
            undone.callback(self.__exit__)
            here = [with_files_here(lake, Path(self._fetched.name), tables_read()) for lake in lakes]
            try:
                for statement in statements("duckdb", here):
                    self.connection.execute(statement.sql)
            except duckdb.Error as error:
                raise FleetError(f"the lakes' open tables cannot be read ({first_line(error)})") from None
            undone.pop_all()

    def __exit__(self, *_: object) -> None:
        super().__exit__()
        self._fetched.cleanup()


def first_line(error: Exception) -> str:
    """What went wrong, without the statement that the database shows below it."""
    return str(error).partition("\n")[0]


def open_tables_of(lake: FleetLake, tables: Sequence[str], folder: Path) -> duckdb.DuckDBPyConnection:
    """Some tables of one lake, as they lie there; those in a bucket are fetched into a folder.

    Raises:
        FleetError: when one is not there, or cannot be read.
        BackupError: when the bucket cannot be read.
    """
    lake = with_files_here(lake, folder, tables)
    connection = duckdb.connect()
    try:
        for table in tables:
            connection.execute(f"create view {table} as from {rows_of(lake.file(table))}")
    except duckdb.Error as error:
        connection.close()
        raise FleetError(f"its open tables cannot be read ({first_line(error)})") from None
    return connection


def with_files_here(lake: FleetLake, folder: Path, tables: Iterable[str]) -> FleetLake:
    """The lake with the files of some tables on this disk; those of a version, which nobody replaces.

    Raises:
        FleetError: when a file is not what `latest.json` says.
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
            raise FleetError(f"{lake.source.address(name)}: is not what latest.json says; ask again, it may be new")
    return replace(lake, source=Folder(folder / lake.name), folder=lake.latest.version)
