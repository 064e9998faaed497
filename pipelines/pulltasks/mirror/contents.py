"""What of a lake belongs into a version of its mirror, and where on disk it lies.

Lives here: reading a lake's manifests and files into the parts of a head, names that a head may use.
Does not live here: putting any of it (push), the form of a head (heads).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from pulltasks import tables
from pulltasks.errors import NotReadable
from pulltasks.json_reading import decode_file
from pulltasks.lake.lake import month_of, sha256_of
from pulltasks.lake.manifests import Manifest, MonthManifest, read_if_valid, read_month_if_valid
from pulltasks.lake.raw import read_capture_id
from pulltasks.mirror.heads import RAW_KEY, Blob, raw_key, targets_key
from pulltasks.mirror.store import sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import date
    from pathlib import Path

    from pulltasks.lake.lake import Lake
    from pulltasks.lake.manifests import FileEntry, RawSource
    from pulltasks.mirror.heads import Head

_M = TypeVar("_M", Manifest, MonthManifest)
# The files that stand for themselves; a head that names any other is none of ours.
_FILES = re.compile(
    r"warehouse/pulltasks-[A-Za-z0-9-]+\.duckdb|warehouse/dashboard\.html|alerts/sent\.json|runs\.ndjson"
    r"|redaction\.key(\.sha256)?"
)


@dataclass(frozen=True)
class Contents:
    """A lake as it lies there.

    Attributes:
        files, days, months, published: as a head has them.
        blobs: where each file lies, by its hash; small ones that others may change meanwhile are here as they were.
        damaged: days and months whose tables are not what their manifest says; they are left out.
    """

    files: dict[str, Blob]
    days: dict[date, str]
    months: dict[date, str]
    published: str | None
    blobs: dict[str, Path | bytes] = field(repr=False)
    damaged: tuple[str, ...] = ()


def contents_of(lake: Lake, *, with_key: bool, known: Head) -> Contents:
    """Everything of a lake that a version names, but for raw files.

    Args:
        lake: the caller holds its lock.
        with_key: whether the redaction key belongs to it.
        known: a version whose days and months are there already; the tables of all others are held against their
            manifests, and left out where they differ, as is a manifest that cannot be read.
    """
    blobs: dict[str, Path | bytes] = {}
    files: dict[str, Blob] = {}
    damaged: list[str] = []
    for name, path in _single_files(lake, with_key=with_key):
        content = None if path.suffix in {".duckdb", ".html"} else path.read_bytes()
        digest = sha256_of(path) if content is None else sha256(content)
        blobs[digest] = path if content is None else content
        files[name] = Blob(sha256=digest, bytes=path.stat().st_size if content is None else len(content))
    months: dict[date, str] = {}
    for month in lake.compacted_months():
        path = lake.month_manifest_file(month)
        of_month = read_month_if_valid(path)
        digest = sha256_of(path)
        if of_month and (known.months.get(month) == digest or _are_whole(lake, of_month.tables)):
            months[month] = digest
            blobs |= {digest: path} | _places(lake, of_month.tables)
        else:
            damaged.append(f"{month:%Y-%m}")
    days: dict[date, str] = {}
    for day in lake.tidy_dates():
        path = lake.manifest_file(day)
        of_day = read_if_valid(path)
        digest = sha256_of(path)
        is_of_month = lake.is_compacted(day)
        if of_day is None or (is_of_month and month_of(day) not in months):
            damaged.append(str(day))
        elif known.days.get(day) == digest or is_of_month or _are_whole(lake, of_day.tables):
            days[day] = digest
            blobs |= {digest: path} | ({} if is_of_month else _places(lake, of_day.tables))
        else:
            damaged.append(str(day))
    published = lake.published.resolve().name if lake.published.exists() else None
    return Contents(files, days, months, published, blobs, tuple(damaged))


def _single_files(lake: Lake, *, with_key: bool) -> Iterator[tuple[str, Path]]:
    """Files that stand for themselves, by their names in a lake."""
    key = {"redaction.key": lake.redaction_key} if with_key else {}
    candidates = {
        **{f"warehouse/{path.name}": path for path in lake.builds()},
        "warehouse/dashboard.html": lake.dashboard,
        "alerts/sent.json": lake.alerts_sent,
        "runs.ndjson": lake.run_log,
        "redaction.key.sha256": lake.redaction_key_checksum,
        **key,
    }
    return ((name, path) for name, path in candidates.items() if path.is_file())


def _are_whole(lake: Lake, entries: Mapping[str, FileEntry]) -> bool:
    paths = ((lake.tidy / entry.file, entry.sha256) for entry in entries.values())
    return all(path.is_file() and sha256_of(path) == digest for path, digest in paths)


def _places(lake: Lake, entries: Mapping[str, FileEntry]) -> dict[str, Path | bytes]:
    return {entry.sha256: lake.tidy / entry.file for entry in entries.values()}


def blobs_of(head: Head, read: Callable[[str], bytes]) -> dict[str, str]:
    """The hash of each lake path that a version names; `read` gives a blob by its hash. Equal files share a blob.

    Raises:
        NotReadable: when a manifest cannot be read, or a name is none that a lake has.
    """
    if strange := [name for name in head.files if not _FILES.fullmatch(name)]:
        raise NotReadable(f"the version names {strange[0]!r}, which is no file of a lake")
    if head.published is not None and f"warehouse/{head.published}" not in head.files:
        raise NotReadable(f"the version says that {head.published!r} is published, and does not have it")
    found = {path: blob.sha256 for path, blob in head.files.items()}
    for month, digest in head.months.items():
        found[f"tidy/manifests/snapshot_month={month:%Y-%m}.json"] = digest
        entries = decoded(read(digest), MonthManifest, digest).tables
        found |= _named(entries, f"monthly/snapshot_month={month:%Y-%m}")
    for day, digest in head.days.items():
        found[f"tidy/manifests/snapshot_date={day}.json"] = digest
        if month_of(day) not in head.months:
            entries = decoded(read(digest), Manifest, digest).tables
            found |= _named(entries, f"daily/snapshot_date={day}")
    return found


def _named(entries: Mapping[str, FileEntry], folder: str) -> dict[str, str]:
    """The tables of a manifest by their lake paths, which must be those that a lake gives them."""
    known = {f"{table.name}/{folder}/data.parquet" for table in tables.TABLES}
    if strange := [entry.file for entry in entries.values() if entry.file not in known]:
        raise NotReadable(f"a manifest names {strange[0]!r}, which is no table of a lake")
    return {f"tidy/{entry.file}": entry.sha256 for entry in entries.values()}


def decoded(content: bytes, kind: type[_M], digest: str) -> _M:
    """A manifest of the mirror.

    Raises:
        NotReadable: naming the blob.
    """
    try:
        return decode_file(content, kind)
    except NotReadable as error:
        raise NotReadable(f"blob {digest}: {error}") from None


def raw_files_of(lake: Lake, day: date) -> dict[str, Path]:
    """The raw files of a day that lie there, by the keys of their objects: what the day will be made of."""
    found: dict[str, Path] = {}
    targets = lake.targets_file(day)
    if targets.is_file():
        found[targets_key(day, sha256_of(targets))] = targets
    for path in lake.raw_files(day):
        found[raw_key(day, *lake.target_of(path), name_of_capture(read_capture_id(path), sha256_of(path)))] = path
    return found


def raw_on_disk(lake: Lake, day: date, manifest: Manifest) -> dict[str, Path]:
    """The raw files that a day was made of, by the keys that its manifest gives them, where they still lie there."""
    found: dict[str, Path] = {}
    for key, source in raw_of_manifest(day, manifest).items():
        if isinstance(source, str):
            path, digest = lake.targets_file(day), source
        else:
            path, digest = lake.raw_file(day, source.project_id, source.region), source.sha256
        if path.is_file() and sha256_of(path) == digest:
            found[key] = path
    return found


def name_of_capture(capture_id: str | None, sha256: str) -> str:
    """How a capture's object is called: by its identifier, or by its content where that cannot be read."""
    return capture_id or f"damaged-{sha256}"


def raw_of_manifest(day: date, manifest: Manifest) -> dict[str, RawSource | str]:
    """The raw files that a day was made of, by the keys of their objects: captures, and the target list's hash.

    Raises:
        NotReadable: when one has a name that no capture has.
    """
    if manifest.sources is None:
        return {}
    found: dict[str, RawSource | str] = {
        raw_key(day, source.project_id, source.region, name_of_capture(source.capture_id, source.sha256)): source
        for source in manifest.sources.captures
    }
    if (digest := manifest.sources.targets_sha256) is not None:
        found[targets_key(day, digest)] = digest
    if strange := [key for key in found if not RAW_KEY.fullmatch(key)]:
        raise NotReadable(f"a manifest names {strange[0]!r}, which is no raw file of a lake")
    return found
