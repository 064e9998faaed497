"""Closed months: merge the tidy files of a month's days into one sorted file per table, and split it if a day changes.

Lives here: writing, proving and opening a month, removing the daily files that it replaces.
Does not live here: making a day (normalise), when to compact (run.order, assets), what is removed (retention).

A month's manifest is written last. While it exists, readers use the month's files in place of the daily files. Only the
next run removes the daily files, so a reader that has listed them already still finds them. To open a month, its days
are written back first and its manifest is removed last.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb
import msgspec

from pulltasks import tables
from pulltasks.errors import LakeError
from pulltasks.lake.files import sha256_of, sync
from pulltasks.lake.manifests import (
    FileEntry,
    Manifest,
    MonthManifest,
    Sources,
    check_file,
    entry_of,
    read_if_valid,
    read_manifest,
    read_month_if_valid,
    read_month_manifest,
    refuse_newer,
    stale_dates,
    write_json,
)
from pulltasks.lake.parquet import ROW_GROUP_ROWS, TidyWriter
from pulltasks.lake.paths import month_of
from pulltasks.lake.strays import has_raw
from pulltasks.lake.tidy import tidy_rows
from pulltasks.lazily import pa
from pulltasks.words import counted

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import date
    from pathlib import Path

    from pulltasks.lake.lake import Lake
    from pulltasks.settings import LakeSettings


@dataclass(frozen=True)
class CompactedMonth:
    """The result of compacting a month: rows and bytes of all its tables."""

    month: date
    days: int
    rows: int
    bytes_before: int
    bytes_after: int


def months_to_compact(lake: Lake, settings: LakeSettings, today: date) -> list[date]:
    """Return the closed months with daily files, without the newest `keep_daily_months` and without stale ones.

    A month is closed when a later month has a valid day. Days after `today`, written under a wrong clock, do not count:
    else each run would open the present month and close it again.
    """
    months = sorted({month_of(day) for day in lake.tidy_dates() if day <= today})[:-1]  # the last month is still open
    closed = months[: max(0, len(months) - settings.keep_daily_months)]
    found = [month for month in closed if not lake.is_compacted(month)]
    # Usually no month is to be compacted, and finding stale days reads all raw files.
    stale = {month_of(day) for day in stale_dates(lake)} if found else set()
    return [month for month in found if month not in stale]


def compact_month(lake: Lake, month: date) -> CompactedMonth:
    """Write a month's files from the daily files, prove that both hold the same rows, and write its manifest.

    Args:
        lake: the caller holds its lock.
        month: its first day.

    Raises:
        LakeError: when a day's file differs from its manifest or is of a newer version, or the rows differ; nothing is
            changed then.
    """
    days = [day for day in lake.tidy_dates() if month_of(day) == month]
    manifests = {day: read_manifest(lake.manifest_file(day)) for day in days}
    for daily in manifests.values():
        refuse_newer(lake, daily)
    entries: dict[str, FileEntry] = {}
    for table in tables.TABLES:
        sources = [lake.tidy / manifest.tables[table.name].file for manifest in manifests.values()]
        for day, path in zip(days, sources, strict=True):
            check_file(path, manifests[day].tables[table.name], f"pulltasks rebuild --from {day} --to {day}")
        final = lake.month_file(table.name, month)
        with _sorted_file(lake, table, f"select * from ({tidy_rows(table, sources)})", is_month=True) as writer:
            # the raw files of these days may be removed later, so the month must not lose or repeat a row
            _prove_equal(table, writer.path, sources, month, lake.unfinished("sort"))
            entries[table.name] = entry_of(lake, writer, final)
            lake.put(writer.path, final)
    manifest = MonthManifest(
        snapshot_month=month,
        schema_version=tables.SCHEMA_VERSION,
        days={day: sha256_of(lake.manifest_file(day)) for day in days},
        tables=entries,
    )
    write_json(lake, lake.month_manifest_file(month), manifest)
    before = sum(entry.bytes for daily in manifests.values() for entry in daily.tables.values())
    after = sum(entry.bytes for entry in entries.values())
    return CompactedMonth(month, len(days), sum(entry.rows for entry in entries.values()), before, after)


def open_month(lake: Lake, month: date) -> bool:
    """Split a compacted month into daily files; return False when the month is not compacted.

    Readers see the month's files until all daily files are written.

    Raises:
        LakeError: when a file differs from its manifest, or a day is of a newer version; nothing is changed then.
    """
    path = lake.month_manifest_file(month)
    if not path.is_file():
        return False
    manifest = read_month_manifest(path)
    for daily in filter(None, map(read_if_valid, map(lake.manifest_file, manifest.days))):
        refuse_newer(lake, daily)
    for table in tables.TABLES:
        advice = f"rebuild the month: pulltasks rebuild --from {month} --to {max(manifest.days)}"
        check_file(lake.month_file(table.name, month), manifest.tables[table.name], advice)
    for day in manifest.days:
        _write_day_back(lake, month, day)
    path.unlink()
    sync(path.parent)
    return True


def clear_compacted_days(lake: Lake) -> None:
    """Remove daily files that an earlier run has replaced by the files of their month.

    Where a month's file is damaged and all daily files are still there, the month's manifest is removed instead, so
    that the daily files count again.
    """
    for month in lake.compacted_months():
        path = lake.month_manifest_file(month)
        manifest = read_month_if_valid(path)
        if manifest is None:
            continue  # a damaged manifest replaces nothing, so the daily files stay; `rebuild` writes the month again
        folders = [lake.tidy_file(table.name, day).parent for table in tables.TABLES for day in manifest.days]
        leftovers = [folder for folder in folders if folder.is_dir()]
        # hashing costs time, so it is done only while there are daily files that could replace the month's
        if leftovers and not _is_whole(lake, manifest):
            if leftovers == folders:
                path.unlink()
                sync(path.parent)
            continue
        for folder in leftovers:
            lake.remove_folder(folder)


def damaged_months(lake: Lake, months: Iterable[date]) -> list[date]:
    """Return those of the given months whose files or manifest are damaged."""
    found = []
    for month in months:
        path = lake.month_manifest_file(month)
        manifest = read_month_if_valid(path) if path.is_file() else None
        if path.is_file() and (manifest is None or not _is_whole(lake, manifest)):
            found.append(month)
    return found


def discard_damaged_month(lake: Lake, month: date) -> list[date]:
    """Remove a month that cannot be used, so that its days are rebuilt from their raw files; return the days.

    Raises:
        LakeError: when a day has no raw files any more; nothing is changed then.
    """
    days = [day for day in lake.tidy_dates() if month_of(day) == month]
    if missing := [str(day) for day in days if not has_raw(lake, day)]:
        raise LakeError(
            f"{lake.month_manifest_file(month)}: the month's files are damaged or of a newer pulltasks, and there is "
            f"no raw archive to rebuild {', '.join(missing)} from; restore the files from a backup, or install the "
            "newer version again"
        )
    for path in (*(lake.manifest_file(day) for day in days), lake.month_manifest_file(month)):
        path.unlink()
        sync(path.parent)
    return days


def _is_whole(lake: Lake, manifest: MonthManifest) -> bool:
    files = {lake.tidy / entry.file: entry.sha256 for entry in manifest.tables.values()}
    return all(path.is_file() and sha256_of(path) == expected for path, expected in files.items())


def _month_order(table: tables.Table) -> Sequence[str]:
    """Return the sort columns of a month: the key with the date last.

    The days of a task are then adjacent and almost equal, so they compress to almost nothing.
    """
    return [*(name for name in table.key if name != "snapshot_date"), "snapshot_date"]


@contextmanager
def _sorted_file(lake: Lake, table: tables.Table, rows: str, *, is_month: bool) -> Iterator[TidyWriter]:
    """Yield the writer of a finished file with the sorted rows of a select; remove the file unless it was moved."""
    # a daily file is sorted like those of `normalise`, so that a day written back has the same bytes as before
    order = _month_order(table) if is_month else [f"{name} nulls first" for name in table.key]
    spill = lake.unfinished("sort")
    names = ", ".join(f'"{name}"' for name in table.schema.names)
    with duckdb.connect(config={"temp_directory": str(spill)}) as connection:
        reader = connection.sql(f"select {names} from ({rows}) order by {', '.join(order)}").to_arrow_reader(
            ROW_GROUP_ROWS
        )
        with TidyWriter(table, lake.unfinished(f"sorted--{table.name}"), is_month=is_month) as writer:
            for batch in reader:
                writer.add(pa.Table.from_batches([batch]).cast(table.schema))
            writer.finish()
            yield writer


def _prove_equal(table: tables.Table, path: Path, sources: Sequence[Path], month: date, spill: Path) -> None:
    with duckdb.connect(config={"temp_directory": str(spill)}) as connection:
        connection.execute(f"create view whole as {tidy_rows(table, [path])}")
        connection.execute(f"create view parts as {tidy_rows(table, sources)}")
        # `except all` in both directions: equal row counts alone would not notice a changed row
        for one, other in (("whole", "parts"), ("parts", "whole")):
            differing = connection.sql(f"select count(*) from (from {one} except all from {other})").fetchall()
            if differing != [(0,)]:
                raise LakeError(
                    f"{month:%Y-%m}: {table.name} of the month differs from its days in "
                    f"{counted(differing[0][0], 'row')}; "
                    "nothing was changed. This is an error in pulltasks: please report it"
                )


def _write_day_back(lake: Lake, month: date, day: date) -> None:
    """Write the daily files of one day from the month's files, and a new manifest if their hashes have changed.

    The same rows give the same bytes, unless another version of the software wrote the day before. The day keeps its
    schema version: its rows lack what that version did not read, whatever columns the file has now.
    """
    manifest = read_if_valid(lake.manifest_file(day)) or Manifest(
        snapshot_date=day, schema_version=tables.SCHEMA_VERSION, tables={}, sources=Sources()
    )
    entries = {}
    for table in tables.TABLES:
        final = lake.tidy_file(table.name, day)
        of_month = tidy_rows(table, [lake.month_file(table.name, month)])
        rows = f"select * from ({of_month}) where snapshot_date = date '{day}'"
        with _sorted_file(lake, table, rows, is_month=False) as writer:
            entries[table.name] = entry_of(lake, writer, final)
            lake.put(writer.path, final)
    if entries != manifest.tables:
        write_json(lake, lake.manifest_file(day), msgspec.structs.replace(manifest, tables=entries))
