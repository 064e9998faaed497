"""The published tables as Parquet that any engine reads: marts, reports and what a build says of itself, masked.

Lives here: which tables, their files by version and as `current`, `latest.json` that names them.
Does not live here: what stands in them (sql/), the tidy tables, which are private (lake).
"""

from __future__ import annotations

import os
import shutil
from datetime import date, datetime  # noqa: TC003 - msgspec reads the annotations
from typing import TYPE_CHECKING

import msgspec

from pulltasks.errors import LakeError, NotReadable
from pulltasks.json_reading import decode_file
from pulltasks.lake.files import PUBLIC_FILE, sha256_of
from pulltasks.lake.paths import EXPOSED, KEPT_VERSIONS, TABLE_FILE, TABLES_OF_VERSION
from pulltasks.lazily import pa, pq
from pulltasks.warehouse.read.published import open_file, published_file
from pulltasks.warehouse.sql.meta import META, META_BUILD, META_RUNS

if TYPE_CHECKING:
    from pathlib import Path

    import duckdb

    from pulltasks.lake.lake import Lake
    from pulltasks.warehouse.sql.kinds import Model
    from pulltasks.warehouse.sql.models import Models

# The first is a view that grows with tasks times days; the rows of the second stand in dim_pull_task_versions.
LEFT_OUT = frozenset({"fct_pull_task_days", "dim_pull_task_past_versions"})
ROWS_PER_GROUP = 100_000


class TableColumn(msgspec.Struct, frozen=True, kw_only=True):
    """One column: DuckDB's name of its type, and what it means."""

    name: str
    type: str
    description: str


class OpenTable(msgspec.Struct, frozen=True, kw_only=True):
    """One file of a version; `file` is relative to `published/tables/`."""

    file: str
    rows: int
    bytes: int
    sha256: str
    description: str
    columns: list[TableColumn]


class Latest(msgspec.Struct, frozen=True, kw_only=True):
    """What `published/latest.json` says: the newest version, whole, and what it was built from.

    Attributes:
        timezone: in which the lake's days are counted.
    """

    version: str
    built_at: datetime
    first_date: date
    through_date: date
    software_version: str
    timezone: str
    tables: dict[str, OpenTable]


def read_latest(lake: Lake) -> Latest | None:
    """The newest version; None where there is none, or it cannot be read: then it is written anew."""
    try:
        return decode_file(lake.latest_tables.read_bytes(), Latest)
    except (OSError, NotReadable):
        return None


def write_tables(lake: Lake, models: Models, timezone: str) -> Latest:
    """Write the tables of what is published, unless they are there; the caller holds the lake's lock.

    Args:
        lake: what is published there.
        models: the tables' descriptions.
        timezone: in which the lake's days are counted.

    Raises:
        NoWarehouse: when nothing has been published.
        LakeError: when what is published shows secrets: these files are for everybody.
    """
    build = published_file(lake.published)
    if EXPOSED in build.name:
        raise LakeError(
            f"{build}: shows secrets in clear (warehouse.expose_secrets), and the open tables are for everybody; they "
            "stay as they were"
        )
    version = build.stem.removeprefix("pulltasks-")
    latest = read_latest(lake)
    if latest and latest.version == version and latest.timezone == timezone and _is_whole(lake, latest):
        return latest
    with open_file(build) as connection:
        tables = {
            name: _write(lake, connection, version, name, description, columns)
            for name, (description, columns) in described(models).items()
        }
        ((built_at, first, through, software),) = connection.execute(
            f"select built_at, first_date, through_date, software_version from {META_BUILD}"
        ).fetchall()
    latest = Latest(
        version=version,
        built_at=built_at,
        first_date=first,
        through_date=through,
        software_version=software,
        timezone=timezone,
        tables=tables,
    )
    said = msgspec.json.format(msgspec.json.encode(latest), indent=1)
    _say(lake, lake.open_tables / version / TABLES_OF_VERSION, said)
    for name, table in tables.items():
        _make_current(lake, name, lake.open_tables / table.file)
    _say(lake, lake.latest_tables, said)
    _retire(lake, latest)
    return latest


def _say(lake: Lake, path: Path, said: bytes) -> None:
    with lake.writing(path, mode=PUBLIC_FILE) as unfinished:
        unfinished.write_bytes(said)


def described(models: Models) -> dict[str, tuple[str, dict[str, str]]]:
    """Each open table with its description and those of its columns."""
    found = {
        model.name: words_of(model)
        for model in models.in_order
        if model.is_published and not model.kind.takes_arguments and model.name not in LEFT_OUT
    }
    return found | {name: _meta_words(name) for name in (META_BUILD, META_RUNS)}


def _meta_words(name: str) -> tuple[str, dict[str, str]]:
    return META[name].description, {column.name: column.description for column in META[name].columns}


def words_of(model: Model) -> tuple[str, dict[str, str]]:
    """What a model's table is, and what its columns mean."""
    return f"{model.description} Grain: {model.grain}.", {c.name: c.description for c in model.columns}


def _write(
    lake: Lake,
    connection: duckdb.DuckDBPyConnection,
    version: str,
    name: str,
    description: str,
    columns: dict[str, str],
) -> OpenTable:
    """One table into the folder of its version."""
    types = {row[0]: row[1] for row in connection.execute(f"describe {name}").fetchall()}
    relation = connection.sql(f"from {name}")
    reader = relation.to_arrow_reader(ROWS_PER_GROUP)
    schema = pa.schema(
        [field.with_metadata({"description": columns.get(field.name, "")}) for field in reader.schema],
        metadata={"pulltasks.table": name, "pulltasks.version": version, "description": description},
    )
    rows = 0
    path = lake.open_tables / version / name / TABLE_FILE
    with lake.writing(path, mode=PUBLIC_FILE) as unfinished:
        with pq.ParquetWriter(unfinished, schema, compression="zstd") as writer:
            for batch in reader:
                writer.write_batch(pa.record_batch(batch.columns, schema=schema))
                rows += batch.num_rows
        size, digest = unfinished.stat().st_size, sha256_of(unfinished)
    return OpenTable(
        file=path.relative_to(lake.open_tables).as_posix(),
        rows=rows,
        bytes=size,
        sha256=digest,
        description=description,
        columns=[TableColumn(name=each, type=types[each], description=columns.get(each, "")) for each in types],
    )


def remove_tables(lake: Lake) -> None:
    """Remove all open tables: nothing of what they hold is published any more."""
    lake.latest_tables.unlink(missing_ok=True)
    if lake.open_tables.is_dir():
        shutil.rmtree(lake.open_tables)


def _is_whole(lake: Lake, latest: Latest) -> bool:
    said = lake.open_tables / latest.version / TABLES_OF_VERSION
    return said.is_file() and all(_is_there(lake, table) for table in latest.tables.values())


def _is_there(lake: Lake, table: OpenTable) -> bool:
    path = lake.open_tables / table.file
    current = lake.open_tables / "current" / path.parent.name / path.name
    return all(each.is_file() and each.stat().st_size == table.bytes for each in (path, current))


def _make_current(lake: Lake, name: str, path: Path) -> None:
    """Let `current` show a version's file, in one step; it is the same file, so that it costs no room."""
    unfinished = lake.unfinished(f"current--{name}")
    unfinished.unlink(missing_ok=True)
    os.link(path, unfinished)
    lake.put(unfinished, lake.open_tables / "current" / name / path.name, mode=PUBLIC_FILE)


def _retire(lake: Lake, latest: Latest) -> None:
    """Let go of all but the newest versions, of those with other masks or another key, and of tables that went."""
    versions = sorted(path for path in lake.open_tables.iterdir() if path.is_dir() and path.name != "current")
    masks = _masks_of(lake.open_tables / latest.version)
    old = [path for place, path in enumerate(reversed(versions)) if place >= KEPT_VERSIONS or _masks_of(path) != masks]
    gone = [path for path in (lake.open_tables / "current").iterdir() if path.name not in latest.tables]
    for folder in (*old, *gone):
        shutil.rmtree(folder)


def _masks_of(version: Path) -> str | None:
    """What tells masks and keys apart; None of a version that does not say."""
    try:
        rules = pq.read_table(version / META_BUILD / TABLE_FILE, columns=["rules"]).column("rules")[0].as_py()
    except (OSError, pa.ArrowException):
        return None
    return str(rules).rpartition("|")[2]
