"""The raw files of a day into its tidy files and the manifest that makes them valid.

Lives here: which captures make up a day, writing its files as one set, which days are to be written.
Does not live here: how answers become rows (rows), where files lie (lake), what is made of them (sql/).
"""

from __future__ import annotations

import gc
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import msgspec

from pipelines import tables
from pipelines.compaction import open_month
from pipelines.errors import LakeError
from pipelines.lake import FileEntry, Manifest, month_of, read_manifest, sha256_of, sync
from pipelines.parquet import TidyWriter
from pipelines.raw import TargetLine, read_capture, read_targets
from pipelines.rows import tidy_target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import date
    from pathlib import Path

    from pipelines.lake import Lake


def normalise_day(lake: Lake, day: date, on_target: Callable[[], None] = lambda: None) -> Manifest:
    """Write the tidy files of `day` from its raw files, then the manifest that makes them valid.

    Args:
        lake: raw files in, tidy files out; the caller holds its lock.
        day: the snapshot date.
        on_target: is called after each target.

    Raises:
        LakeError: when there is no raw archive of the day, or a raw file of it cannot be read.
    """
    if not lake.targets_file(day).is_file() and not lake.raw_files(day):
        raise LakeError(f"{day}: there is no raw archive of this day, so its tables cannot be built")
    open_month(lake, month_of(day))
    entries: dict[str, FileEntry] = {}
    with ExitStack() as stack:
        writers = {
            table.name: stack.enter_context(TidyWriter(table, lake.unfinished(f"{table.name}--{day}")))
            for table in tables.TABLES
        }
        for target, path, is_listed in _expected(lake, day):
            with _no_search_for_cycles():
                tidy = tidy_target(day, target, read_capture(path) if path else None, is_listed)
            for name, rows in tidy.items():
                writers[name].add(rows)
            on_target()
        for writer in writers.values():
            writer.finish()
            final = lake.tidy_file(writer.table.name, day)
            entries[writer.table.name] = FileEntry(
                file=str(final.relative_to(lake.tidy)),
                rows=writer.rows,
                bytes=writer.path.stat().st_size,
                sha256=sha256_of(writer.path),
            )
        manifest = Manifest(snapshot_date=day, schema_version=tables.SCHEMA_VERSION, tables=entries)
        _replace(lake, day, manifest, {name: writer.path for name, writer in writers.items()})
    return manifest


def days_to_normalise(lake: Lake, day: date) -> list[date]:
    """`day`, and after it every day whose raw files are newer than its manifest.

    The day that was asked for comes first: if it is today, it cannot be captured again, others can be mended any time.
    """
    return [day, *(stale for stale in lake.stale_dates() if stale != day)]


def normalise_days(lake: Lake, days: Iterable[date], on_day: Callable[[date, LakeError | None], None]) -> None:
    """Normalise several days; a damaged one does not keep the others from being written.

    Args:
        lake: raw files in, tidy files out; the caller holds its lock.
        days: the snapshot dates, in the order in which they are written.
        on_day: is told of each day as it ends, with what is wrong with it, if anything is.
    """
    for day in days:
        try:
            normalise_day(lake, day)
        except LakeError as error:
            on_day(day, error)
        else:
            on_day(day, None)


def _says_the_same(path: Path, manifest: Manifest) -> bool:
    try:
        return read_manifest(path).tables == manifest.tables
    except LakeError:
        return False  # damaged: it is written anew


@contextmanager
def _no_search_for_cycles() -> Iterator[None]:
    """Decoded JSON holds no cycles; the collector's search for them would cost as much as the decoding."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _replace(lake: Lake, day: date, manifest: Manifest, finished: dict[str, Path]) -> None:
    """Move the files into place; while they do not fit together there is no manifest, so nobody reads them."""
    path = lake.manifest_file(day)
    if path.is_file() and not _says_the_same(path, manifest):
        path.unlink()
        sync(path.parent)
    for name, unfinished in finished.items():
        lake.put(unfinished, lake.tidy_file(name, day))
    with lake.writing(path) as unfinished:
        unfinished.write_bytes(msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")


def _expected(lake: Lake, day: date) -> Iterator[tuple[TargetLine, Path | None, bool]]:
    """Every target that was to be listed or was captured on `day`, with its raw file, by project and region."""
    file = lake.targets_file(day)
    listed = {target.key: target for target in read_targets(file).targets} if file.is_file() else {}
    captured = {(path.parent.name, path.name.removesuffix(".ndjson.zst")): path for path in lake.raw_files(day)}
    for key in sorted({*listed, *captured}):
        path = captured.get(key)
        if key in listed:
            yield listed[key], path, True
        elif path is not None:
            yield read_capture(path, with_answers=False).capture.target, path, False
