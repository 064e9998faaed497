"""The raw files of a day into its tidy files and the manifest that makes them valid.

Lives here: which captures make up a day, writing its files as one set, which days are to be written.
Does not live here: how answers become rows (rows), where files lie (lake), what is made of them (sql/).
"""

from __future__ import annotations

import gc
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pulltasks import tables
from pulltasks.errors import UNEXPECTED, LakeError, reraise
from pulltasks.lake.compaction import open_month
from pulltasks.lake.files import sha256_of, sync
from pulltasks.lake.manifests import (
    FileEntry,
    Manifest,
    RawSource,
    Sources,
    check_file,
    entry_of,
    read_if_valid,
    write_json,
)
from pulltasks.lake.parquet import TidyWriter
from pulltasks.lake.paths import month_of
from pulltasks.lake.raw import TargetLine
from pulltasks.lake.rows import failed_target, tidy_target
from pulltasks.lake.strays import Stray, read_own_capture, read_own_targets, read_raw_day, stream_own_capture
from pulltasks.lazily import pa, pc, pq
from pulltasks.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from datetime import date
    from pathlib import Path

    from pulltasks.errors import Reporter
    from pulltasks.lake.lake import Lake
    from pulltasks.lake.strays import RawDay
    from pulltasks.tables import Table


@dataclass(frozen=True)
class NormalisedDay:
    """What became of a day.

    Attributes:
        day: the snapshot date.
        manifest: names the files that were written; None when none were.
        troubles: what could not be made into rows, and why, a line each.
    """

    day: date
    manifest: Manifest | None
    troubles: tuple[str, ...]


def normalise_day(
    lake: Lake, day: date, report: Reporter = reraise, on_target: Callable[[], None] = lambda: None
) -> NormalisedDay:
    """Write the tidy files of `day` from its raw files, then the manifest that makes them valid.

    A raw file that cannot be made into rows costs its target the day and no other target anything: rows of it that
    stand stay, else its capture counts as failed.

    Args:
        lake: raw files in, tidy files out; the caller holds its lock.
        day: the snapshot date.
        report: is told of an unexpected error, and says in a sentence where it is reported.
        on_target: is called after each target.

    Raises:
        LakeError: when there is no raw archive of the day.
    """
    raw = read_raw_day(lake, day)
    if raw.is_empty:
        text = f"{day}: there is no raw archive of this day, so its tables cannot be built"
        raise LakeError("; ".join([text, *map(str, raw.strays)]))
    open_month(lake, month_of(day))
    entries: dict[str, FileEntry] = {}
    sources: list[RawSource] = []
    troubles = [str(stray) for stray in raw.strays]
    with ExitStack() as stack:
        writers = {
            table.name: stack.enter_context(TidyWriter(table, lake.unfinished(f"{table.name}--{day}")))
            for table in tables.TABLES
        }
        for expected in _expected(lake, day, raw, troubles):
            made = _tidy(lake, day, expected, report)
            for name, rows in made.tables.items():
                writers[name].add(rows)
            sources += [_source_of(expected, made.capture_id, expected.path)] if expected.path else []
            troubles += [made.trouble] if made.trouble else []
            on_target()
        for writer in writers.values():
            writer.finish()
            entries[writer.table.name] = entry_of(lake, writer, lake.tidy_file(writer.table.name, day))
        manifest = Manifest(
            snapshot_date=day,
            schema_version=tables.SCHEMA_VERSION,
            tables=entries,
            sources=Sources(
                targets_sha256=sha256_of(lake.targets_file(day)) if raw.has_targets else None, captures=sources
            ),
        )
        _replace(lake, day, manifest, {name: writer.path for name, writer in writers.items()})
    # a build follows in the same process: what the largest target took is given back before it
    pa.default_memory_pool().release_unused()
    return NormalisedDay(day, manifest, tuple(troubles))


def _source_of(expected: _Expected, capture_id: str | None, path: Path) -> RawSource:
    target = expected.target
    return RawSource(project_id=target.project_id, region=target.region, capture_id=capture_id, sha256=sha256_of(path))


@dataclass(frozen=True)
class _Expected:
    """A target that was to be listed or was captured on a day, its raw file, or the stray in the place of that."""

    target: TargetLine
    path: Path | None
    is_listed: bool
    stray: Stray | None = None


@dataclass(frozen=True)
class _Made:
    """The rows of one target; `capture_id` is None where its raw file could not be made into rows."""

    tables: dict[str, pa.Table]
    capture_id: str | None = None
    trouble: str | None = None


def _tidy(lake: Lake, day: date, expected: _Expected, report: Reporter) -> _Made:
    """The rows of one target, or why there are none."""
    target = expected.target
    if expected.stray:
        standing = _standing_rows(lake, day, target)
        missing = tidy_target(day, target, None, expected.is_listed) if expected.is_listed else {}
        return _Made(missing if standing is None else standing)
    try:
        with _no_search_for_cycles():
            capture = stream_own_capture(lake, expected.path) if expected.path else None
            made = tidy_target(day, target, capture, expected.is_listed)
        return _Made(made, capture.capture.capture_id if capture else None)
    except LakeError as error:
        reason, text = "raw_file_damaged", str(error)
    except Exception as error:  # noqa: BLE001 - one target's trouble is not the others'
        reason, text = UNEXPECTED, f"{target.label}: {report(error, f'the rows of {target.label} on {day}')}"
    standing = _standing_rows(lake, day, target)
    if standing is not None:
        return _Made(standing, None, f"{day}: {text}; the rows that were made of it before stand")
    return _Made(failed_target(day, target, reason, text, expected.is_listed), None, f"{day}: {text}")


def _standing_rows(lake: Lake, day: date, target: TargetLine) -> dict[str, pa.Table] | None:
    """Return the rows of a target that an earlier reading of the day gave, if it was captured then."""
    manifest = read_if_valid(lake.manifest_file(day))
    if manifest is None:
        return None
    try:
        for entry in manifest.tables.values():
            check_file(lake.tidy / entry.file, entry, "")
        found = {table.name: _rows_of(lake.tidy / manifest.tables[table.name].file, table, target) for table in TABLES}
    except (LakeError, KeyError, pa.ArrowException):
        return None
    captures = found[tables.CAPTURES.name].to_pylist()
    return found if captures and captures[0]["capture_id"] is not None else None


def _rows_of(path: Path, table: Table, target: TargetLine) -> pa.Table:
    rows = pq.ParquetFile(path).read()
    of_target = pc.and_(pc.equal(rows["project_id"], target.project_id), pc.equal(rows["region"], target.region))
    found = rows.filter(of_target)
    columns = [
        found[field.name].cast(field.type) if field.name in found.column_names else pa.nulls(found.num_rows, field.type)
        for field in table.schema
    ]
    return pa.Table.from_arrays(columns, schema=table.schema)


def normalise_days(lake: Lake, days: Iterable[date], report: Reporter = reraise) -> Iterator[NormalisedDay]:
    """Normalise several days, in their order; a damaged one does not keep the others from being written.

    Args:
        lake: raw files in, tidy files out; the caller holds its lock.
        days: the snapshot dates.
        report: is told of an unexpected error, and says in a sentence where it is reported.

    Raises:
        OSError: when the disk does not take the files.
    """
    for day in days:
        try:
            yield normalise_day(lake, day, report)
        except LakeError as error:
            yield NormalisedDay(day, None, (f"{day}: {error}",))
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001 - one day's trouble is not the others'
            yield NormalisedDay(day, None, (f"{day}: {report(error, f'the tables of {day}')}",))


def _says_the_same(path: Path, manifest: Manifest) -> bool:
    standing = read_if_valid(path)
    return standing is not None and standing.tables == manifest.tables


@contextmanager
def _no_search_for_cycles() -> Iterator[None]:
    """Pause the garbage collector; JSON holds no cycles, and the search would cost as much as decoding."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _replace(lake: Lake, day: date, manifest: Manifest, finished: dict[str, Path]) -> None:
    """Move the files into place; meanwhile there is no manifest, so no reader takes them."""
    path = lake.manifest_file(day)
    if path.is_file() and not _says_the_same(path, manifest):
        path.unlink()
        sync(path.parent)
    for name, unfinished in finished.items():
        lake.put(unfinished, lake.tidy_file(name, day))
    write_json(lake, path, manifest)


def _expected(lake: Lake, day: date, raw: RawDay, troubles: list[str]) -> Iterator[_Expected]:
    """Yield every target that was to be listed or was captured on `day`, by project and region.

    A place that holds a stray is among them, as rows may be there that were made of the right file before.
    """
    listed: dict[tuple[str, str], TargetLine] = {}
    is_damaged = False
    try:
        found = read_own_targets(lake, day)
        listed = {target.key: target for target in found.targets} if found else {}
    except Stray:
        is_damaged = True  # it is among the troubles already
    except LakeError as error:
        is_damaged = True
        troubles.append(f"{day}: {error}; the day's targets are those of its raw files")
    captured = {lake.target_of(path): path for path in raw.captures}
    strays = {lake.target_of(stray.path): stray for stray in raw.strays if stray.capture_id}
    for key in sorted({*listed, *captured, *strays}):
        path = captured.get(key)
        target = listed.get(key) or _target_in(lake, path, key)
        yield _Expected(target, path, is_listed=key in listed or (is_damaged and bool(path)), stray=strays.get(key))


def _target_in(lake: Lake, path: Path | None, key: tuple[str, str]) -> TargetLine:
    """Return the target as its raw file has it; of a damaged one what its path says."""
    try:
        if path:
            return read_own_capture(lake, path, with_answers=False).capture.target
    except LakeError:
        pass
    return TargetLine(project_id=key[0], region=key[1], name=None, endpoint="", query_region=key[1])
