"""Check, before a build, that the tidy files of the days to add match their manifests.

Lives here: repairing manifests that cannot be read, finding files that were changed.
Does not live here: making a day or a month (normalise, compaction), the verdicts of their captures (stg_captures).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from pulltasks import tables
from pulltasks.errors import LakeError
from pulltasks.lake.compaction import damaged_months, discard_damaged_month
from pulltasks.lake.files import sha256_of
from pulltasks.lake.manifests import (
    FileEntry,
    Manifest,
    MonthManifest,
    Sources,
    check_file,
    read_if_valid,
    read_manifest,
    read_month_if_valid,
    read_month_manifest,
    write_json,
)
from pulltasks.lake.normalise import normalise_days
from pulltasks.lake.paths import month_of
from pulltasks.lake.strays import has_raw
from pulltasks.lazily import pa, pq

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date
    from pathlib import Path

    from pulltasks.errors import Reporter
    from pulltasks.lake.lake import Lake


@dataclass(frozen=True)
class Audit:
    """The result of checking some days.

    Attributes:
        rebuilt: days that were rebuilt from their raw files.
        left_out: days whose tables cannot be used and cannot be rebuilt.
        troubles: messages for the operator, one line each.
    """

    rebuilt: tuple[date, ...] = ()
    left_out: tuple[date, ...] = ()
    troubles: tuple[str, ...] = ()


def repair_manifests(lake: Lake) -> list[str]:
    """Rewrite damaged manifests from the tidy files that they named; return one message for each.

    A day with raw files is skipped: it counts as stale and the run rebuilds it, with the list of its sources.
    """
    repaired = []
    for month in lake.compacted_months():
        path = lake.month_manifest_file(month)
        if not read_month_if_valid(path):
            adopted = _month_of_files(lake, month)
            if adopted is None:
                continue  # the files are damaged as well: `audit_days` rebuilds or reports the days
            write_json(lake, path, adopted)
            repaired.append(f"{path} could not be read; it was written again from the month's files")
    for day in lake.tidy_dates():
        path = lake.manifest_file(day)
        if read_if_valid(path) is None and not has_raw(lake, day):
            # the files of a day in a closed month are in the manifest of the month
            files = (
                {}
                if lake.is_compacted(day)
                else _entries(lake, {t.name: lake.tidy_file(t.name, day) for t in tables.TABLES}, day, day)
            )
            if files is None:
                continue
            adopted_day = Manifest(
                snapshot_date=day, schema_version=_schema_version(lake, day), tables=files, sources=Sources()
            )
            write_json(lake, path, adopted_day)
            repaired.append(f"{path} could not be read; it was written again from the day's files")
    return repaired


def audit_days(lake: Lake, days: Sequence[date], report: Reporter) -> Audit:
    """Check the days that a build will add; rebuild damaged ones, leave out those that cannot be rebuilt.

    Args:
        lake: the caller holds its lock.
        days: in order.
        report: is called with each unexpected error.
    """
    damaged = _damaged(lake, days)
    troubles: list[str] = []
    to_make = [day for day in damaged if has_raw(lake, day)]
    for month in damaged_months(lake, sorted({month_of(day) for day in damaged})):
        try:
            to_make = sorted({*to_make, *discard_damaged_month(lake, month)})
        except LakeError as error:
            # Without all its raw files the month stays as it is: rebuilding single days would need the month's file.
            troubles.append(str(error))
            to_make = [day for day in to_make if month_of(day) != month]
    rebuilt = []
    for made in normalise_days(lake, to_make, report):
        troubles += made.troubles
        if made.manifest:
            rebuilt.append(made.day)
            damaged.pop(made.day, None)
    troubles += [f"{day}: left out, its tables cannot be used: {text}" for day, text in damaged.items()]
    return Audit(tuple(rebuilt), tuple(damaged), tuple(troubles))


def _damaged(lake: Lake, days: Iterable[date]) -> dict[date, str]:
    """Return the days whose manifest or files cannot be used, each with the reason."""
    found = {}
    checked: dict[Path, str | None] = {}  # the days of a closed month share its files: each file is hashed once
    for day in days:
        try:
            entries = read_manifest(lake.manifest_file(day)).tables
            if lake.is_compacted(day):
                entries = read_month_manifest(lake.month_manifest_file(month_of(day))).tables
        except LakeError as error:
            found[day] = str(error)
            continue
        for entry in entries.values():
            path = lake.tidy / entry.file
            if path not in checked:
                checked[path] = _error_of(path, entry)
            if text := checked[path]:
                found[day] = text
    return found


def _error_of(path: Path, entry: FileEntry) -> str | None:
    """Return the message of a file that differs from its manifest's entry; None for a sound one."""
    try:
        check_file(path, entry, "restore it from a backup")
    except LakeError as error:
        return str(error)
    return None


def _entries(lake: Lake, files: dict[str, Path], first: date, last: date) -> dict[str, FileEntry] | None:
    """Return the manifest entries of files.

    None when one of them is missing, cannot be read, or holds rows of a day that is not from `first` to `last`: a file
    that was copied from another day would otherwise become a valid part of this one.
    """
    found = {}
    for name, path in files.items():
        try:
            dates = pq.ParquetFile(path).read(columns=["snapshot_date"])["snapshot_date"]
        except (OSError, pa.ArrowException):
            return None
        if any(not first <= day <= last for day in dates.unique().to_pylist()):
            return None
        rows = len(dates)
        found[name] = FileEntry(
            file=str(path.relative_to(lake.tidy)), rows=rows, bytes=path.stat().st_size, sha256=sha256_of(path)
        )
    return found


def _month_of_files(lake: Lake, month: date) -> MonthManifest | None:
    """Return a month's manifest, remade from the month's files; None when they cannot be read."""
    files = {table.name: lake.month_file(table.name, month) for table in tables.TABLES}
    entries = _entries(lake, files, month, month_of(month + timedelta(days=31)) - timedelta(days=1))
    days = [day for day in lake.tidy_dates() if month_of(day) == month]
    if entries is None:
        return None
    return MonthManifest(
        snapshot_month=month,
        schema_version=_schema_version(lake, month),
        days={day: sha256_of(lake.manifest_file(day)) for day in days},
        tables=entries,
    )


def _schema_version(lake: Lake, day: date) -> int:
    """Return the schema version in the metadata of a day's files."""
    path, *_ = lake.files(tables.CAPTURES.name, day, day) or [lake.month_file(tables.CAPTURES.name, month_of(day))]
    version = (pq.read_schema(path).metadata or {}).get(b"pulltasks.schema_version", b"")
    return int(version) if version.isdigit() else tables.SCHEMA_VERSION
