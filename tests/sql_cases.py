"""The cases of tests/sql as tidy tables of a lake; no test by itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from pulltasks.lake.files import sha256_of
from pulltasks.lake.manifests import FileEntry, Manifest, Sources
from pulltasks.tables import SCHEMA_VERSION, TABLES

if TYPE_CHECKING:
    from datetime import date

    import duckdb

    from pulltasks.lake.lake import Lake
    from pulltasks.tables import Table

FOLDER = Path(__file__).parent / "sql"
CASES = sorted(path.parent for path in FOLDER.glob("*/*/expected.csv"))


def read_csv(path: Path, types: dict[str, str]) -> str:
    """A select over a file of a case, in which every column that it names is one of `types`."""
    names = path.read_text(encoding="utf-8").splitlines()[0].split(",")
    typed = ", ".join(f"'{name}': 'VARCHAR'" for name in names)
    columns = ", ".join(f'cast("{name}" as {types[name]}) as "{name}"' for name in names)
    return (
        f"select {columns} from read_csv('{path}', header = true, auto_detect = false, nullstr = 'NULL', "
        f"quote = '\"', escape = '\"', delim = ',', columns = {{{typed}}})"
    )


def tidy_rows(folder: Path, table: Table) -> str:
    nothing = ", ".join(f'cast(null as {column.sql_type}) as "{column.name}"' for column in table.columns)
    file = folder / f"{table.name}.csv"
    given = read_csv(file, {c.name: c.sql_type for c in table.columns}) if file.is_file() else None
    return f"select {nothing} where false" + (f" union all by name {given}" if given else "")


def of_place(rows: str, place: int) -> str:
    """The rows, whose project ids begin with a number: so the same projects of several folders are different ones."""
    return f"select * replace ('{place:04x}' || substr(project_id, 5) as project_id) from ({rows})"


def tidy_rows_of(folders: tuple[Path, ...], table: Table) -> str:
    if len(folders) == 1:
        return tidy_rows(folders[0], table)
    return " union all ".join(of_place(tidy_rows(folder, table), place) for place, folder in enumerate(folders))


def write_days(connection: duckdb.DuckDBPyConnection, lake: Lake, *folders: Path) -> None:
    """Put the tidy tables of the folders into the lake, with their manifests."""
    rows = f"select distinct snapshot_date from ({tidy_rows_of(folders, TABLES[3])}) order by all"
    days: list[date] = [day for (day,) in connection.sql(rows).fetchall()]
    for day in days:
        entries = {}
        for table in TABLES:
            path = lake.tidy_file(table.name, day)
            path.parent.mkdir(parents=True, exist_ok=True)
            of_day = f"select * from ({tidy_rows_of(folders, table)}) where snapshot_date = date '{day}' order by all"
            connection.execute(f"copy ({of_day}) to '{path}' (format parquet)")
            entries[table.name] = FileEntry(
                file=str(path.relative_to(lake.tidy)), rows=0, bytes=path.stat().st_size, sha256=sha256_of(path)
            )
        manifest = Manifest(snapshot_date=day, schema_version=SCHEMA_VERSION, tables=entries, sources=Sources())
        lake.manifest_file(day).parent.mkdir(parents=True, exist_ok=True)
        lake.manifest_file(day).write_bytes(msgspec.json.encode(manifest))
