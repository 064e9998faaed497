"""What of a lake belongs into a version of its mirror, and where on disk it lies.

Lives here: reading a lake's manifests and files into the parts of a head.
Does not live here: putting any of it (push), the form of a head (heads).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import TYPE_CHECKING, TypeVar

from pulltasks.errors import NotReadable
from pulltasks.json_reading import decode_file
from pulltasks.lake.lake import month_of, sha256_of
from pulltasks.lake.manifests import Manifest, MonthManifest, read_if_valid, read_month_if_valid
from pulltasks.lake.raw import read_capture_id
from pulltasks.mirror.heads import Blob, raw_key, targets_key

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from pulltasks.lake.lake import Lake
    from pulltasks.lake.manifests import RawSource
    from pulltasks.mirror.heads import Head

_M = TypeVar("_M", Manifest, MonthManifest)


@dataclass(frozen=True)
class Contents:
    """A lake as it lies there.

    Attributes:
        files, days, months, published: as a head has them.
        blobs: where each file lies, by its hash.
    """

    files: dict[str, Blob]
    days: dict[date, str]
    months: dict[date, str]
    published: str | None
    blobs: dict[str, Path] = field(repr=False)


def contents_of(lake: Lake, *, with_key: bool) -> Contents:
    """Everything of a lake that a version names, but for raw files.

    Days and months whose manifest cannot be read are left out: the next run makes them again.
    """
    blobs: dict[str, Path] = {}
    files: dict[str, Blob] = {}
    for path in _single_files(lake, with_key=with_key):
        digest = sha256_of(path)
        blobs[digest] = path
        files[path.relative_to(lake.root).as_posix()] = Blob(sha256=digest, bytes=path.stat().st_size)
    months: dict[date, str] = {}
    for month in lake.compacted_months():
        manifest = read_month_if_valid(lake.month_manifest_file(month))
        if manifest is None:
            continue
        months[month] = _add(blobs, lake.month_manifest_file(month))
        blobs |= {entry.sha256: lake.tidy / entry.file for entry in manifest.tables.values()}
    days: dict[date, str] = {}
    for day in lake.tidy_dates():
        if (of_day := read_if_valid(lake.manifest_file(day))) is None:
            continue
        days[day] = _add(blobs, lake.manifest_file(day))
        if month_of(day) not in months:
            blobs |= {entry.sha256: lake.tidy / entry.file for entry in of_day.tables.values()}
    published = lake.published.resolve().name if lake.published.exists() else None
    return Contents(files, days, months, published, blobs)


def _single_files(lake: Lake, *, with_key: bool) -> Iterator[Path]:
    """Files that stand for themselves."""
    candidates = [*lake.builds(), lake.dashboard, lake.alerts_sent, lake.run_log, lake.redaction_key_checksum]
    for path in [*candidates, *([lake.redaction_key] if with_key else [])]:
        if path.is_file():
            yield path


def _add(blobs: dict[str, Path], path: Path) -> str:
    digest = sha256_of(path)
    blobs[digest] = path
    return digest


def blobs_of(head: Head, read: Callable[[str], bytes]) -> dict[str, str]:
    """The hash of each lake path that a version names; `read` gives a blob by its hash. Equal files share a blob."""
    found = {path: blob.sha256 for path, blob in head.files.items()}
    manifests = "tidy/manifests"
    for month, digest in head.months.items():
        found[f"{manifests}/snapshot_month={month:%Y-%m}.json"] = digest
        of_month = decoded(read(digest), MonthManifest, digest)
        found |= {f"tidy/{entry.file}": entry.sha256 for entry in of_month.tables.values()}
    for day, digest in head.days.items():
        found[f"{manifests}/snapshot_date={day}.json"] = digest
        if month_of(day) not in head.months:
            of_day = decoded(read(digest), Manifest, digest)
            found |= {f"tidy/{entry.file}": entry.sha256 for entry in of_day.tables.values()}
    return found


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
    """The raw files of a day that lie there, by the keys of their objects."""
    found: dict[str, Path] = {}
    targets = lake.targets_file(day)
    if targets.is_file():
        found[targets_key(day, sha256_of(targets))] = targets
    for path in lake.raw_files(day):
        found[raw_key(day, *lake.target_of(path), name_of_capture(read_capture_id(path), sha256_of(path)))] = path
    return found


def name_of_capture(capture_id: str | None, sha256: str) -> str:
    """How a capture's object is called: by its identifier, or by its content where that cannot be read."""
    return capture_id or f"damaged-{sha256}"


def raw_of_manifest(day: date, manifest: Manifest) -> dict[str, RawSource | str]:
    """The raw files that a day was made of, by the keys of their objects: captures, and the target list's hash."""
    if manifest.sources is None:
        return {}
    found: dict[str, RawSource | str] = {
        raw_key(day, source.project_id, source.region, name_of_capture(source.capture_id, source.sha256)): source
        for source in manifest.sources.captures
    }
    if (digest := manifest.sources.targets_sha256) is not None:
        found[targets_key(day, digest)] = digest
    return found


def days_without_raw(
    lake: Lake, days: Collection[date], today: date, keep_raw_days: int | None, before: Collection[date]
) -> list[date]:
    """Days whose raw files `compact` removed: those of before, and those that have none and are older than is kept."""
    come = [day for day in days if day <= today]
    if keep_raw_days is None or not come:
        return sorted(set(before) & set(days))
    horizon = max(come) - timedelta(days=keep_raw_days)
    there = set(lake.raw_dates())
    removed = {day for day in days if day <= horizon and day not in there}
    return sorted((set(before) & set(days) - there) | removed)


def forgotten_captures(lake: Lake) -> list[str]:
    """Identifiers of the captures that lie in `forgotten/`, in order."""
    paths = lake.forgotten.glob("*/raw/snapshot_date=*/*/*.ndjson.zst")
    return sorted({found for path in paths if (found := read_capture_id(path))})


def forgotten_days(lake: Lake) -> set[date]:
    """Days that were taken out, whether they were captured again or not."""
    return {date.fromisoformat(path.name[:10]) for path in lake.forgotten.glob("????-??-??-*")}
