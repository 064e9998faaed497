"""Manifests: which files make up a day or a closed month, and what they were made of.

Lives here: their form, reading them, telling from them which days must be made again.
Does not live here: paths (lake), making days and months (normalise, compaction), mending manifests (audit).
"""

from __future__ import annotations

from datetime import date  # noqa: TC003 - msgspec reads the annotations
from typing import TYPE_CHECKING, TypeVar

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from pulltasks.errors import LakeError, NotReadable
from pulltasks.json_reading import decode_file
from pulltasks.lake.lake import sha256_of
from pulltasks.lake.raw import read_capture_id
from pulltasks.tables import CAPTURES

if TYPE_CHECKING:
    from pathlib import Path

    from pulltasks.lake.lake import Lake

# Older raw files are looked at again only when `rebuild` asks for them: a day's cost may not grow with history.
REPAIR_WINDOW_DAYS = 31

_M = TypeVar("_M")


class FileEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One tidy file as its manifest names it; `file` is relative to `tidy/`."""

    file: str
    rows: int
    bytes: int
    sha256: str


class RawSource(msgspec.Struct, frozen=True, kw_only=True):
    """One raw file that a day was made of; `capture_id` is None where the file could not be read."""

    project_id: str
    region: str
    capture_id: str | None
    sha256: str

    @property
    def key(self) -> tuple[str, str]:
        """`(project_id, region)`."""
        return (self.project_id, self.region)


class Sources(msgspec.Struct, frozen=True, kw_only=True):
    """What a day was made of; `targets_sha256` is None where it had no target list."""

    targets_sha256: str | None
    captures: list[RawSource]


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The day's set of files; it is valid when all of them are as named here.

    `sources` is None where a version before 0.2 wrote the manifest.
    """

    snapshot_date: date
    schema_version: int
    tables: dict[str, FileEntry]
    sources: Sources | None = None


class MonthManifest(msgspec.Struct, frozen=True, kw_only=True):
    """A closed month's set of files, in the place of its days' files; `days` has the hash of each day's manifest."""

    snapshot_month: date
    schema_version: int
    days: dict[date, str]
    tables: dict[str, FileEntry]


def read_manifest(path: Path) -> Manifest:
    """The manifest of a day.

    Raises:
        LakeError: when it is missing or damaged.
    """
    return _read(path, Manifest)


def read_month_manifest(path: Path) -> MonthManifest:
    """The manifest of a closed month.

    Raises:
        LakeError: when it is missing or damaged.
    """
    return _read(path, MonthManifest)


def _read(path: Path, kind: type[_M]) -> _M:
    try:
        return decode_file(path.read_bytes(), kind)
    except (OSError, NotReadable) as error:
        raise LakeError(f"{path}: cannot be read as a manifest ({error}); rebuild that day or month") from None


def read_if_valid(path: Path) -> Manifest | None:
    """The manifest of a day; a damaged one is as good as a missing one."""
    try:
        return read_manifest(path)
    except LakeError:
        return None


def read_month_if_valid(path: Path) -> MonthManifest | None:
    """The manifest of a closed month, likewise."""
    try:
        return read_month_manifest(path)
    except LakeError:
        return None


def stale_dates(lake: Lake) -> list[date]:
    """Dates that have raw files and no valid manifest, or other raw files than those it names; in order.

    Which files those are is told by what stands in them, never by their times: copies and restored files have others.
    """
    raw_dates = lake.raw_dates()
    if not raw_dates:
        return []
    newest = set(raw_dates[-REPAIR_WINDOW_DAYS:])
    found = []
    for day in raw_dates:
        manifest = read_if_valid(lake.manifest_file(day))
        if manifest is None or (day in newest and not _is_made_of_what_is_there(lake, day, manifest)):
            found.append(day)
    return found


def targets_sha256(lake: Lake, day: date) -> str | None:
    """The hash of the day's target list, if there is one."""
    path = lake.targets_file(day)
    return sha256_of(path) if path.is_file() else None


def _is_made_of_what_is_there(lake: Lake, day: date, manifest: Manifest) -> bool:
    """Whether every raw file of a day is the one that its tables were made of; one that is gone says nothing."""
    if manifest.sources is None:
        return lake.is_compacted(day) or _captures_are_those_there(lake, day, manifest)
    if targets_sha256(lake, day) not in {None, manifest.sources.targets_sha256}:
        return False
    made_of = {source.key: source for source in manifest.sources.captures}
    for path in lake.raw_files(day):
        source = made_of.get(lake.target_of(path))
        if source is None:
            return False
        if source.capture_id is None:
            is_same = sha256_of(path) == source.sha256  # it was damaged: it is looked at again when it is another one
        else:
            is_same = read_capture_id(path) in {None, source.capture_id}  # what was read once stands, damaged or not
        if not is_same:
            return False
    return True


def _captures_are_those_there(lake: Lake, day: date, manifest: Manifest) -> bool:
    """The same for a day that an earlier version wrote: its own table says which captures it was made of."""
    try:
        file = pq.ParquetFile(lake.tidy / manifest.tables[CAPTURES.name].file)
        rows = file.read(columns=["project_id", "region", "capture_id"]).to_pylist()
    except (OSError, pa.ArrowException):
        return True  # the audit of what is built says what is wrong with it
    made_of = {(row["project_id"], row["region"]): row["capture_id"] for row in rows}
    return all(read_capture_id(raw) in {None, made_of.get(lake.target_of(raw))} for raw in lake.raw_files(day))
