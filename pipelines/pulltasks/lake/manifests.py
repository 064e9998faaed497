"""Manifests: which files make up a day or a closed month, and which raw files they were made from.

Lives here: their form, reading them, finding the days that must be rebuilt.
Does not live here: paths (lake), making days and months (normalise, compaction), repairing manifests (audit).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import date  # noqa: TC003 - msgspec reads the annotations
from typing import TYPE_CHECKING, TypeVar

import msgspec

from pulltasks.errors import LakeError, NewerForm, NotReadable, RemovedForm
from pulltasks.json_reading import decode_file
from pulltasks.lake.files import sha256_of
from pulltasks.lake.paths import month_of
from pulltasks.lake.strays import Stray, read_raw_day
from pulltasks.tables import SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from pulltasks.lake.lake import Lake
    from pulltasks.lake.parquet import TidyWriter
    from pulltasks.lake.strays import RawDay

# Older raw files are read again by `rebuild` only: the cost of a run must not grow with history.
REPAIR_WINDOW_DAYS = 31
# Raw files of up to this size on average are hashed in less time than their first lines are decompressed.
CHEAP_BYTES = 16_000
# The first schema whose manifests name the raw files that a day was made from.
OLDEST_SCHEMA = 3

_NOT_OF_ITS_PATH = "is the manifest of another day or month than its path says; rebuild that day or month"
_M = TypeVar("_M")


class FileEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One tidy file as its manifest names it; `file` is relative to `tidy/`."""

    file: str
    rows: int
    bytes: int
    sha256: str


class RawSource(msgspec.Struct, frozen=True, kw_only=True):
    """One raw file that a day was made from; `capture_id` is None where the file could not be read."""

    project_id: str
    region: str
    capture_id: str | None
    sha256: str

    @property
    def key(self) -> tuple[str, str]:
        """`(project_id, region)`."""
        return (self.project_id, self.region)


class Sources(msgspec.Struct, frozen=True, kw_only=True):
    """The raw files that a day was made from; `targets_sha256` is None where it had no target list."""

    targets_sha256: str | None = None
    captures: list[RawSource] = []


class _Version(msgspec.Struct):
    schema_version: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """A day's set of files; the day is valid when each file has the hash that is named here."""

    snapshot_date: date
    schema_version: int
    tables: dict[str, FileEntry]
    sources: Sources


class MonthManifest(msgspec.Struct, frozen=True, kw_only=True):
    """A closed month's set of files, which replace those of its days; `days` has the hash of each day's manifest."""

    snapshot_month: date
    schema_version: int
    days: dict[date, str]
    tables: dict[str, FileEntry]


def read_manifest(path: Path) -> Manifest:
    """Return the manifest of a day.

    Raises:
        LakeError: when it is missing or damaged, or names another day or files that lie elsewhere.
    """
    manifest = _read(path, Manifest)
    _require_own(path, f"snapshot_date={manifest.snapshot_date}", "daily", manifest.tables)
    return manifest


def read_month_manifest(path: Path) -> MonthManifest:
    """Return the manifest of a closed month.

    Raises:
        LakeError: when it is missing or damaged, or names another month, days of another one or files that lie
            elsewhere.
    """
    manifest = _read(path, MonthManifest)
    month = manifest.snapshot_month
    _require_own(path, f"snapshot_month={month:%Y-%m}", "monthly", manifest.tables)
    if any(month_of(day) != month for day in manifest.days):
        raise LakeError(f"{path}: {_NOT_OF_ITS_PATH}")
    return manifest


def _require_own(path: Path, name: str, folder: str, entries: Mapping[str, FileEntry]) -> None:
    """Refuse a manifest that was copied from another day or month, or that names files of another one."""
    files = {table: entry.file for table, entry in entries.items()}
    if path.stem != name or files != {table: f"{table}/{folder}/{name}/data.parquet" for table in entries}:
        raise LakeError(f"{path}: {_NOT_OF_ITS_PATH}")


def _read(path: Path, kind: type[_M]) -> _M:
    try:
        content = path.read_bytes()
        # the version is read alone first, as an older form may lack fields of `kind` and would look damaged
        version = decode_file(content, _Version).schema_version
        if version < OLDEST_SCHEMA:
            raise RemovedForm(path, f"schema {version}", f"schema {OLDEST_SCHEMA} and newer")
        return decode_file(content, kind)
    except (OSError, NotReadable) as error:
        raise LakeError(f"{path}: cannot be read as a manifest ({error}); rebuild that day or month") from None


def read_if_valid(path: Path) -> Manifest | None:
    """Return the manifest of a day; None when it is missing or damaged.

    Raises:
        RemovedForm: when it is of a schema that is no longer read.
    """
    try:
        return read_manifest(path)
    except RemovedForm:
        raise
    except LakeError:
        return None


def read_month_if_valid(path: Path) -> MonthManifest | None:
    """Return the manifest of a closed month; None when it is missing or damaged.

    Raises:
        RemovedForm: when it is of a schema that is no longer read.
    """
    try:
        return read_month_manifest(path)
    except RemovedForm:
        raise
    except LakeError:
        return None


def newer_days(lake: Lake) -> list[date]:
    """Return the days whose tables a newer version wrote, with columns that this one does not know; in order."""
    found = {day: read_if_valid(lake.manifest_file(day)) for day in lake.tidy_dates()}
    return [day for day, manifest in found.items() if manifest and manifest.schema_version > SCHEMA_VERSION]


def refuse_newer(lake: Lake, manifest: Manifest) -> None:
    """Refuse tables of a newer version: rows that this one takes from them would lose the columns that it lacks.

    Raises:
        NewerForm: with the one command for all such days.
    """
    if manifest.schema_version > SCHEMA_VERSION:
        days = newer_days(lake)
        raise NewerForm(
            f"{lake.manifest_file(manifest.snapshot_date)}: written by a newer pulltasks (schema "
            f"{manifest.schema_version}, this one knows {SCHEMA_VERSION}); install that version again, or let this one "
            f"write its tables from the raw files: pulltasks rebuild --from {days[0]} --to {days[-1]}"
        )


@dataclass(frozen=True)
class RawState:
    """The part of the raw archive that every run checks: the newest 31 days, and those without a valid manifest.

    Attributes:
        stale: days with raw files and no valid manifest, or with other raw files than it names; in order.
        strays: files whose header names another day or target than their path.
    """

    stale: tuple[date, ...]
    strays: tuple[Stray, ...]


def read_raw_state(lake: Lake) -> RawState:
    """Return the stale days and the strays.

    Raw files are compared by content, never by modification time: copied and restored files have new times.
    """
    raw_dates = lake.raw_dates()
    newest = set(raw_dates[-REPAIR_WINDOW_DAYS:])
    stale: list[date] = []
    strays: list[Stray] = []
    for day in raw_dates:
        manifest = read_if_valid(lake.manifest_file(day))
        if manifest is not None and (day not in newest or _is_of_same_bytes(lake, day, manifest)):
            continue
        raw = read_raw_day(lake, day)
        strays += raw.strays
        if not (raw.is_empty if manifest is None else _is_up_to_date(lake, day, manifest, raw)):
            stale.append(day)
    return RawState(tuple(stale), tuple(strays))


def stale_dates(lake: Lake) -> list[date]:
    """Return the days with raw files and no valid manifest, or with other raw files than it names; in order."""
    return list(read_raw_state(lake).stale)


def _is_of_same_bytes(lake: Lake, day: date, manifest: Manifest) -> bool:
    """Tell whether each raw file of a day has the hash of one that its tables were made from, so that none is opened.

    It is False also where the files are so large that reading their first lines costs less than hashing them.
    """
    known = {source.key: source.sha256 for source in manifest.sources.captures}
    files, targets = lake.raw_files(day), lake.targets_file(day)
    try:
        if sum(path.stat().st_size for path in files) > CHEAP_BYTES * len(files):
            return False
        if targets.is_file() and sha256_of(targets) != manifest.sources.targets_sha256:
            return False
        return all(hashlib.sha256(path.read_bytes()).hexdigest() == known.get(lake.target_of(path)) for path in files)
    except OSError:
        return False  # a file that may not be read is judged by itself


def _is_up_to_date(lake: Lake, day: date, manifest: Manifest, raw: RawDay) -> bool:
    """Tell whether a day's tables were made from the raw files that it has now; removed raw files do not count."""
    if raw.has_targets and sha256_of(lake.targets_file(day)) != manifest.sources.targets_sha256:
        return False
    made_of = {source.key: source for source in manifest.sources.captures}
    for path, header in raw.captures.items():
        source = made_of.get(lake.target_of(path))
        if source is None:
            return False
        if source.capture_id is None:
            # The file was damaged when the day was made: only another file gives the day a new chance.
            is_same = sha256_of(path) == source.sha256
        else:
            # A file that was read once and is damaged now (no header) changes nothing: its rows are in the tables.
            is_same = header is None or header.capture_id == source.capture_id
        if not is_same:
            return False
    return True


def entry_of(lake: Lake, writer: TidyWriter, final: Path) -> FileEntry:
    """Return the entry of a finished tidy file that will be moved to `final`."""
    return FileEntry(
        file=str(final.relative_to(lake.tidy)),
        rows=writer.rows,
        bytes=writer.path.stat().st_size,
        sha256=sha256_of(writer.path),
    )


def check_file(path: Path, entry: FileEntry, advice: str) -> None:
    """Refuse a tidy file whose hash differs from its manifest's entry.

    Raises:
        LakeError: with the advice.
    """
    if not path.is_file() or sha256_of(path) != entry.sha256:
        raise LakeError(f"{path}: is not what its manifest names; {advice}")


def write_json(lake: Lake, path: Path, content: msgspec.Struct) -> None:
    """Write a manifest, completely or not at all."""
    with lake.writing(path) as unfinished:
        unfinished.write_bytes(msgspec.json.format(msgspec.json.encode(content)) + b"\n")
