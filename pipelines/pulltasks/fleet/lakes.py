"""The lakes of a fleet: their names, and their newest open tables.

Lives here: reading `latest.json` from a folder or a bucket, and checking it.
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
from pulltasks.names import lake_name
from pulltasks.warehouse.build.open_tables import Latest, described
from pulltasks.warehouse.sql.models import load_models

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from pulltasks.backup.rclone import Rclone

CURRENT, NEWEST = "current", "newest"
_VERSION = re.compile(r"[A-Za-z0-9-]+")
_SCHEMES = ("s3://", "s3a://", "obs://")
# Folders with these names exist in every lake, so they do not name one; the folder above is used instead.
_COMMON = frozenset({"lake", "published", "pulltasks", "readers"})


class Place(Protocol):
    """The place of a lake's open tables: a folder or a bucket."""

    def read(self, name: str) -> bytes | None:
        """Return the content of a file below `published`; None if it does not exist."""

    def address(self, name: str) -> str:
        """Return the path or URL of a file below `published`, for an engine."""


@dataclass(frozen=True)
class FleetLake:
    """One lake: its newest version, and whether its files are read as `current` or as those of the version.

    Attributes:
        name: its value in the column `lake`.
        latest: the content of its `latest.json`.
        tables: the columns of each table with their DuckDB types, without those that this pulltasks does not know.
        folder: `current`, or the version.
        source: the place of the files.
    """

    name: str
    latest: Latest
    tables: dict[str, dict[str, str]]
    folder: str
    source: Place

    def place(self, table: str) -> str:
        """Return the folder with the one file of a table."""
        return self.source.address(f"tables/{self.folder}/{table}")

    def file(self, table: str) -> str:
        """Return the path or URL of a table's file."""
        return f"{self.place(table)}/{TABLE_FILE}"


class Folder:
    """A lake's folder, or a copy of its `published`."""

    def __init__(self, root: Path) -> None:
        if strange := PATTERN.search(str(root.absolute())):
            raise FleetError(
                f"{root}: holds {strange[0]!r}, which the database reads as a pattern of other names; give a folder "
                "without [ ] * ? and backslash"
            )
        # a copy of `published` alone is a lake for readers as well
        inner = root / "published"
        try:
            if not root.exists():
                raise FleetError(f"{root}: there is no such folder; give a lake's folder or a copy of its `published`")
            self._root = inner if inner.is_dir() else root
        except OSError as error:
            raise FleetError(f"{root}: cannot be read ({error.strerror})") from None

    def read(self, name: str) -> bytes | None:
        """Return the content of a file; None if it does not exist."""
        try:
            return (self._root / name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise FleetError(f"{self._root / name}: cannot be read ({error.strerror})") from None

    def address(self, name: str) -> str:
        """Return the absolute path of a file."""
        return str((self._root / name).absolute())


class Bucket:
    """The readers' bucket of a lake."""

    def __init__(self, url: str, there: Rclone) -> None:
        self._url = url
        self.there = there

    def read(self, name: str) -> bytes | None:
        """Return the content of an object; None if it does not exist."""
        return self.there.read(name)

    def address(self, name: str) -> str:
        """Return the URL of an object, with the scheme that the user gave."""
        return f"{self._url}/{name}"


def read_lakes(
    given: Sequence[str], reach: Callable[[str], Rclone], version: str | None = None
) -> tuple[FleetLake, ...]:
    """Read the lakes that are given as `[NAME=]PATH_OR_URL`.

    Args:
        given: for each lake its folder (or a copy of its `published`), or the URL of its readers' bucket.
        reach: opens the `s3://` URL of a bucket.
        version: None for `current`; `newest` for the files of each lake's newest version; else the version of one lake.

    Raises:
        FleetError: when a lake has no open tables, or two lakes have the same name.
        BackupError: when a bucket cannot be read.
    """
    if version not in (None, NEWEST) and len(given) > 1:
        raise FleetError(f"--version {version}: lakes have versions of their own; for several use --version {NEWEST}")
    return tuple(_read(name, where, reach, version) for name, where in named_lakes(given).items())


def named_lakes(given: Sequence[str]) -> dict[str, str]:
    """Return the places of the lakes by name; a lake without a given name is named after its folder.

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
    # a path may contain `=`, as in /data/day=1/lake; a name has no slash before it
    if equals and "/" not in name:
        try:
            lake_name(name)
        except ValueError as error:
            raise FleetError(str(error)) from None
        if not where:
            raise FleetError(f"--lake {text}: names no place; write --lake {name}=PATH_OR_URL")
        return name, _without_slash(where)
    if not text:
        raise FleetError("--lake: names no place; write --lake PATH_OR_URL")
    where = _without_slash(text)
    parts = (where.partition("://")[2] if _is_url(where) else os.path.abspath(where)).split("/")  # noqa: PTH100 - `..` goes, links stay
    # 36 characters, so that `lake_` before it still gives at most 41
    names = (re.sub(r"[^a-z0-9_-]+", "_", part.lower()).strip("_-")[:36] for part in reversed(parts))
    own = next((name for name in names if name and name not in _COMMON), "lake")
    return f"lake_{own}" if own[0].isdecimal() else own, where


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
        raise FleetError(f"--version {wanted}: is not a valid version; latest.json names the newest")
    latest = _latest(where, source, LATEST if wanted is None else f"tables/{wanted}/{TABLES_OF_VERSION}", wanted)
    folder = CURRENT if version is None else latest.version
    return FleetLake(name, latest, _tables(where, latest), folder, source)


def _latest(where: str, source: Place, file: str, wanted: str | None) -> Latest:
    content = source.read(file)
    if content is None and wanted:
        raise FleetError(
            f"{where}: has no version {wanted}, or an earlier pulltasks wrote it; the newest three are retained, and "
            f"{LATEST} names the last"
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
    """Return the types of the columns by table; tables and columns that a later version added are left out."""
    # the version becomes part of a path, so it must not contain `..` or a slash
    if not _VERSION.fullmatch(latest.version):
        raise FleetError(f"{where}: its version {latest.version!r} is not a valid name")
    found: dict[str, dict[str, str]] = {}
    for table, (_, known) in described(load_models()).items():
        if table in latest.tables:
            found[table] = {column.name: column.type for column in latest.tables[table].columns if column.name in known}
            if strange := {kind for kind in found[table].values() if kind not in DIALECTS["duckdb"].types}:
                raise FleetError(
                    f"{where}: {table} has {min(strange)!r}, which this pulltasks does not know; upgrade it"
                )
    return found
