"""The files of a lake that belong in its backup, and their state by the lake itself.

Lives here: names, sizes and times; damage by the manifests; files that were removed for a reason.
Does not live here: copying (backup), the format of manifests (lake.manifests).
"""

from __future__ import annotations

import os
import re
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pulltasks.errors import LakeError
from pulltasks.lake.files import sha256_of
from pulltasks.lake.manifests import read_manifest, read_month_manifest
from pulltasks.lake.raw import read_capture_id

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from pulltasks.lake.lake import Lake
    from pulltasks.lake.manifests import FileEntry, Manifest

# Left out: locks, unfinished files, caches, files that are made from others (open tables, bases), forgotten days and
# the records of the backup itself. Of the builds only the published one is copied.
_LEFT_OUT = (".lock", ".unfinished", "bases", "dashboard", "published", "forgotten", "backup")
# A run writes these at its end, so they are always new: they are copied with others, but alone do not cause a backup.
JOURNALS = re.compile(r"runs\.ndjson|alerts/.*|errors/.*|warehouse/dashboard\.html")
_DAY = re.compile(r"(raw|tidy)/(?:[a-z_]+/daily/)?snapshot_date=(\d{4}-\d\d-\d\d)/.*")


def files_of(lake: Lake) -> dict[str, tuple[int, int]]:
    """Return the files that belong in the backup as `name -> (bytes, time of change in nanoseconds)`."""
    found = {}
    published = lake.published.resolve()
    for top in sorted(lake.root.iterdir()):
        if top.name in _LEFT_OUT:
            continue
        for path in [top] if top.is_file() else _below(top):
            is_old_build = path.parent == lake.warehouse and path.suffix == ".duckdb" and path.resolve() != published
            if path.is_symlink() or is_old_build or path.name == ".lock" or "\n" in path.name:
                continue
            stat = path.stat()
            found[path.relative_to(lake.root).as_posix()] = (stat.st_size, stat.st_mtime_ns)
    return found


def _below(folder: Path) -> Iterator[Path]:
    for place, _, names in os.walk(folder):
        yield from (Path(place, name) for name in names)


def damaged_files(lake: Lake, read: Collection[str] | None = None) -> dict[str, str]:
    """Return the files that are missing or differ from a manifest, as `name -> sentence`.

    Args:
        lake: the lake.
        read: the names of files to read; None for all. The others are only checked for presence.
    """
    found: dict[str, str] = {}

    def is_read(path: Path) -> bool:
        return read is None or path.relative_to(lake.root).as_posix() in read

    def look(path: Path, sha256: str, named_by: Path) -> None:
        if not path.is_file():
            found[path.relative_to(lake.root).as_posix()] = f"{path}: is missing, though {named_by.name} names it"
        elif is_read(path) and sha256_of(path) != sha256:
            found[path.relative_to(lake.root).as_posix()] = f"{path}: is not what {named_by.name} names"

    for file, entries, manifest in _manifests(lake, found):
        for entry in entries:
            look(lake.tidy / entry.file, entry.sha256, file)
        if manifest and manifest.sources and lake.targets_file(manifest.snapshot_date).is_file():
            for source in manifest.sources.captures:
                path = lake.raw_file(manifest.snapshot_date, source.project_id, source.region)
                # A capture with another identifier is newer than the tables: the next run rebuilds them.
                if not (path.is_file() and is_read(path)) or read_capture_id(path) in {None, source.capture_id}:
                    look(path, source.sha256, file)
    return found


def _manifests(lake: Lake, found: dict[str, str]) -> Iterator[tuple[Path, list[FileEntry], Manifest | None]]:
    """Yield `(path, entries, manifest)` of each manifest; one that cannot be read is added to `found` instead."""
    for month in lake.compacted_months():
        path = lake.month_manifest_file(month)
        try:
            yield path, list(read_month_manifest(path).tables.values()), None
        except LakeError as error:
            found[path.relative_to(lake.root).as_posix()] = str(error)
    for day in lake.tidy_dates():
        path = lake.manifest_file(day)
        try:
            manifest = read_manifest(path)
        except LakeError as error:
            found[path.relative_to(lake.root).as_posix()] = str(error)
        else:
            yield path, [] if lake.is_compacted(day) else list(manifest.tables.values()), manifest


def unexplained(lake: Lake, gone: Collection[str], keep_raw_days: int | None) -> list[str]:
    """Return those of the missing files whose removal the lake cannot explain.

    It can explain older builds, days that are part of a month's files, forgotten days, and raw files that are older
    than the settings keep, if their day has its tables.
    """
    days = lake.tidy_dates()
    horizon = days[-1] - timedelta(days=keep_raw_days) if days and keep_raw_days is not None else date.min
    forgotten = {
        path.relative_to(folder).as_posix()
        for folder in (lake.forgotten.iterdir() if lake.forgotten.is_dir() else ())
        for path in _below(folder)
    }

    def is_explained(name: str) -> bool:
        if name in forgotten or name.startswith("warehouse/") or JOURNALS.fullmatch(name):
            return True
        match = _DAY.fullmatch(name)
        day = date.fromisoformat(match[2]) if match else date.max
        return lake.is_compacted(day) if name.startswith("tidy/") else day in days and day <= horizon

    return [name for name in sorted(gone) if not is_explained(name)]
