"""The lakes of a fleet: their names, and what their newest open tables are.

Lives here: reading `latest.json` from a folder or a bucket, and what it may say.
Does not live here: writing it (warehouse.build.open_tables), statements over the tables (statements).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pulltasks.errors import FleetError, NotReadable
from pulltasks.fleet.dialects import DIALECTS
from pulltasks.json_reading import decode_file
from pulltasks.lake.paths import LATEST, PATTERN, TABLE_FILE, TABLES_OF_VERSION
from pulltasks.warehouse.build.open_tables import Latest, described
from pulltasks.warehouse.sql.models import load_models

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pulltasks.backup.rclone import Rclone

CURRENT, NEWEST = "current", "newest"
# As a name of SQL in every engine, without quotes.
_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")
_VERSION = re.compile(r"[A-Za-z0-9-]+")
_SCHEMES = ("s3://", "s3a://", "obs://")
# Folders whose name says what they are, not whose.
_COMMON = frozenset({"lake", "published", "pulltasks", "readers"})


class Place(Protocol):
    """Where a lake's open tables lie."""

    def read(self, name: str) -> bytes | None:
        """A file below `published`; None where there is none."""

    def address(self, name: str) -> str:
        """How an engine is told of it."""


@dataclass(frozen=True)
class FleetLake:
    """One lake: its newest version, and whether its files are read as `current` or as those of the version.

    Attributes:
        name: as it stands in the column `lake`.
        latest: what its `latest.json` says.
        tables: the columns of each table with DuckDB's types, as far as this pulltasks knows them.
        folder: `current`, or the version.
        source: where the files are.
    """

    name: str
    latest: Latest
    tables: dict[str, dict[str, str]]
    folder: str
    source: Place

    def place(self, table: str) -> str:
        """The folder that holds a table's one file."""
        return self.source.address(f"tables/{self.folder}/{table}")

    def file(self, table: str) -> str:
        """The table's file."""
        return f"{self.place(table)}/{TABLE_FILE}"


class Folder:
    """A lake's folder, or a copy of its `published`."""

    def __init__(self, root: Path) -> None:
        if strange := PATTERN.search(str(root.absolute())):
            raise FleetError(
                f"{root}: holds {strange[0]!r}, which the database reads as a pattern of other names; give a folder "
                "without [ ] * ? and backslash"
            )
        inner = root / "published"
        try:
            self._root = inner if inner.is_dir() else root
        except OSError as error:
            raise FleetError(f"{root}: cannot be read ({error.strerror})") from None

    def read(self, name: str) -> bytes | None:
        """A file's content."""
        try:
            return (self._root / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise FleetError(f"{self._root / name}: cannot be read ({error.strerror})") from None

    def address(self, name: str) -> str:
        """Its absolute path."""
        return str((self._root / name).absolute())


class Bucket:
    """The readers' bucket of a lake."""

    def __init__(self, url: str, there: Rclone) -> None:
        self._url = url
        self.there = there

    def read(self, name: str) -> bytes | None:
        """An object's content."""
        return self.there.read(name)

    def address(self, name: str) -> str:
        """Its URL, with the scheme that was given."""
        return f"{self._url}/{name}"


def read_lakes(
    given: Sequence[str], reach: Callable[[str], Rclone], version: str | None = None
) -> tuple[FleetLake, ...]:
    """The lakes that `[NAME=]PATH_OR_URL` name.

    Args:
        given: a lake's folder (or a copy of its `published`), or the URL of its readers' bucket.
        reach: how a bucket's `s3://` URL is read.
        version: None for `current`; `newest` for the files of each lake's newest version; else one lake's version.

    Raises:
        FleetError: when a lake has no open tables, or the names cannot be told apart.
        BackupError: when a bucket cannot be read.
    """
    if version not in (None, NEWEST) and len(given) > 1:
        raise FleetError(f"--version {version}: lakes have versions of their own; for several say --version {NEWEST}")
    return tuple(_read(name, where, reach, version) for name, where in named_lakes(given).items())


def named_lakes(given: Sequence[str]) -> dict[str, str]:
    """The places by the names of the lakes.

    Raises:
        FleetError: when there are none, or two would have one name.
    """
    if not given:
        raise FleetError("name at least one lake: --lake PATH_OR_URL")
    named: dict[str, str] = {}
    for text in given:
        name, where = _split(text)
        if name in named:
            raise FleetError(
                f"two lakes would be called {name}: {named[name]} and {where}; name them: --lake NAME={where}"
            )
        named[name] = where
    return named


def _split(text: str) -> tuple[str, str]:
    name, equals, where = text.partition("=")
    if equals and "/" not in name:
        if not _NAME.fullmatch(name):
            raise FleetError(
                f"{name!r} cannot be a lake's name: small letters, digits and _, a letter first, at most 41"
            )
        if not where:
            raise FleetError(f"--lake {text}: names no place; write --lake {name}=PATH_OR_URL")
        return name, _without_slash(where)
    if not text:
        raise FleetError("--lake: names no place; write --lake PATH_OR_URL")
    where = _without_slash(text)
    parts = (where.partition("://")[2] if _is_url(where) else os.path.abspath(where)).split("/")  # noqa: PTH100 - `..` goes, links stay
    names = (re.sub(r"[^a-z0-9_]+", "_", part.lower()).strip("_")[:36] for part in reversed(parts))
    own = next((name for name in names if name and name not in _COMMON), "lake")
    return own if _NAME.fullmatch(own) else f"lake_{own}", where


def _without_slash(where: str) -> str:
    return where if where.endswith("://") else where.rstrip("/") or where


def _is_url(where: str) -> bool:
    return "://" in where


def _read(name: str, where: str, reach: Callable[[str], Rclone], version: str | None) -> FleetLake:
    source: Place
    if _is_url(where):
        scheme = next((each for each in _SCHEMES if where.startswith(each)), None)
        if scheme is None:
            raise FleetError(f"{where}: is neither a folder nor one of {', '.join(_SCHEMES)}")
        if not where.removeprefix(scheme).strip("/"):
            raise FleetError(f"{where}: names no bucket; write {scheme}BUCKET/PREFIX")
        source = Bucket(where, reach("s3://" + where.removeprefix(scheme)))
    else:
        source = Folder(Path(where))
    wanted = None if version in (None, NEWEST) else version
    if wanted is not None and not _VERSION.fullmatch(wanted):
        raise FleetError(f"--version {wanted}: is no version; latest.json names the newest")
    latest = _latest(where, source, LATEST if wanted is None else f"tables/{wanted}/{TABLES_OF_VERSION}", wanted)
    folder = CURRENT if version is None else latest.version
    return FleetLake(name, latest, _tables(where, latest), folder, source)


def _latest(where: str, source: Place, file: str, wanted: str | None) -> Latest:
    content = source.read(file)
    if content is None and wanted:
        raise FleetError(
            f"{where}: has no version {wanted}, or an earlier pulltasks wrote it; the newest three stay, and {LATEST} "
            "names the last"
        )
    if content is None:
        raise FleetError(
            f"{where}: has no open tables (no {LATEST}); set [publish] tables = true in its configuration and run "
            "`pulltasks snapshot`"
        )
    try:
        return decode_file(content, Latest)
    except NotReadable as error:
        raise FleetError(f"{where}: its {file} cannot be read ({error})") from None


def _tables(where: str, latest: Latest) -> dict[str, dict[str, str]]:
    """The columns by table, as far as this pulltasks knows them: what a later version adds is left out."""
    if not _VERSION.fullmatch(latest.version):
        raise FleetError(f"{where}: calls its version {latest.version!r}, which is none")
    found: dict[str, dict[str, str]] = {}
    for table, (_, known) in described(load_models()).items():
        if table in latest.tables:
            found[table] = {column.name: column.type for column in latest.tables[table].columns if column.name in known}
            if strange := {kind for kind in found[table].values() if kind not in DIALECTS["duckdb"].types}:
                raise FleetError(
                    f"{where}: {table} has {min(strange)!r}, which this pulltasks does not know; upgrade it"
                )
    return found
