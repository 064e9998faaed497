"""The published tables as Parquet that any engine reads: marts, reports and metadata of the build, masked.

Lives here: the choice of tables, their files by version and as `current`, `latest.json` that names them.
Does not live here: the rows (sql/), the tidy tables, which are private (lake).
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

# The first is a view that grows with tasks times days; the rows of the second are part of dim_pull_task_versions.
LEFT_OUT = frozenset({"fct_pull_task_days", "dim_pull_task_past_versions"})
ROWS_PER_GROUP = 100_000


class TableColumn(msgspec.Struct, frozen=True, kw_only=True):
    """One column: its name, its DuckDB type and its description."""

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
    """The content of `published/latest.json`: the newest complete version, its days and its tables.

    Attributes:
        timezone: the zone in which the lake's days are counted.
    """

    version: str
    built_at: datetime
    first_date: date
    through_date: date
    software_version: str
    timezone: str
    tables: dict[str, OpenTable]


def read_latest(lake: Lake) -> Latest | None:
    """Return the newest version; None when the file is missing or damaged: the next publish writes it again."""
    try:
        return decode_file(lake.latest_tables.read_bytes(), Latest)
    except (OSError, NotReadable):
        return None


def write_tables(lake: Lake, models: Models, timezone: str) -> Latest:
    """Write the tables of the published build, unless they exist; the caller holds the lake's lock.

    Args:
        lake: the lake with the published build.
        models: the models, for the descriptions.
        timezone: the zone in which the lake's days are counted.

    Raises:
        NoWarehouse: when nothing has been published.
        LakeError: when the published build shows secrets: everybody may read these files.
    """
    build = published_file(lake.published)
    if EXPOSED in build.name:
        raise LakeError(
            f"{build}: shows secrets in clear (warehouse.expose_secrets), and the open tables are for everybody; they "
            "are unchanged"
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
    content = msgspec.json.format(msgspec.json.encode(latest), indent=1)
    _write_public(lake, lake.open_tables / version / TABLES_OF_VERSION, content)
    for name, table in tables.items():
        _make_current(lake, name, lake.open_tables / table.file)
    # `latest.json` is written after all files that it names, and old versions are removed after it
    _write_public(lake, lake.latest_tables, content)
    _retire(lake, latest)
    return latest


def _write_public(lake: Lake, path: Path, content: bytes) -> None:
    with lake.writing(path, mode=PUBLIC_FILE) as unfinished:
        unfinished.write_bytes(content)


def described(models: Models) -> dict[str, tuple[str, dict[str, str]]]:
    """Return the open tables by name, each as `(description, {column: description})`."""
    found = {
        model.name: words_of(model)
        for model in models.in_order
        if model.is_published and not model.kind.takes_arguments and model.name not in LEFT_OUT
    }
    return found | {name: _meta_words(name) for name in (META_BUILD, META_RUNS)}


def _meta_words(name: str) -> tuple[str, dict[str, str]]:
    return META[name].description, {column.name: column.description for column in META[name].columns}


def words_of(model: Model) -> tuple[str, dict[str, str]]:
    """Return a model's description with its grain, and the descriptions of its columns by name."""
    return f"{model.description} Grain: {model.grain}.", {c.name: c.description for c in model.columns}


def _write(
    lake: Lake,
    connection: duckdb.DuckDBPyConnection,
    version: str,
    name: str,
    description: str,
    columns: dict[str, str],
) -> OpenTable:
    """Write one table into the folder of its version, and return its entry for `latest.json`."""
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
    """Remove all open tables, when nothing is published any more."""
    lake.latest_tables.unlink(missing_ok=True)
    if lake.open_tables.is_dir():
        shutil.rmtree(lake.open_tables)


def _is_whole(lake: Lake, latest: Latest) -> bool:
    description = lake.open_tables / latest.version / TABLES_OF_VERSION
    return description.is_file() and all(_is_there(lake, table) for table in latest.tables.values())


def _is_there(lake: Lake, table: OpenTable) -> bool:
    path = lake.open_tables / table.file
    current = lake.open_tables / "current" / path.parent.name / path.name
    # sizes, not hashes: a run with nothing new should not read every table
    return all(each.is_file() and each.stat().st_size == table.bytes for each in (path, current))


def _make_current(lake: Lake, name: str, path: Path) -> None:
    """Replace the file in `current` by a version's file, in one step, as a hard link, which takes no space."""
    unfinished = lake.unfinished(f"current--{name}")
    unfinished.unlink(missing_ok=True)
    # a hard link: readers and copies of the folder see a plain file
    os.link(path, unfinished)
    lake.put(unfinished, lake.open_tables / "current" / name / path.name, mode=PUBLIC_FILE)


def _retire(lake: Lake, latest: Latest) -> None:
    """Remove versions beyond the newest three or with other masks, and tables that no longer exist."""
    versions = sorted(path for path in lake.open_tables.iterdir() if path.is_dir() and path.name != "current")
    masks = _masks_of(lake.open_tables / latest.version)
    old = [path for place, path in enumerate(reversed(versions)) if place >= KEPT_VERSIONS or _masks_of(path) != masks]
    gone = [path for path in (lake.open_tables / "current").iterdir() if path.name not in latest.tables]
    for folder in (*old, *gone):
        shutil.rmtree(folder)


def _masks_of(version: Path) -> str | None:
    """Return the hash of the masks and the key of a version; None when the version cannot be read."""
    try:
        rules = pq.read_table(version / META_BUILD / TABLE_FILE, columns=["rules"]).column("rules")[0].as_py()
    except (OSError, pa.ArrowException):
        return None
    return str(rules).rpartition("|")[2]
