"""Write the tidy files of a day from its raw files, and the manifest that makes them valid.

Lives here: which captures make up a day, writing its files as one set, several days in a row.
Does not live here: turning answers into rows (rows), paths (lake), the models that read the tables (sql/).
"""

from __future__ import annotations

import gc
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pulltasks import tables
from pulltasks.errors import UNEXPECTED, LakeError, NewerForm, reraise
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
    refuse_newer,
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
    from collections.abc import Iterable, Iterator, Sequence
    from datetime import date
    from pathlib import Path

    from pulltasks.errors import Reporter
    from pulltasks.lake.lake import Lake
    from pulltasks.lake.strays import RawDay
    from pulltasks.tables import Table


@dataclass(frozen=True)
class NormalisedDay:
    """The result of normalising a day.

    Attributes:
        day: the snapshot date.
        manifest: names the files that were written; None when none were.
        troubles: the raw files that could not be made into rows, each with the reason, one line each.
    """

    day: date
    manifest: Manifest | None
    troubles: tuple[str, ...]


def normalise_day(lake: Lake, day: date, report: Reporter = reraise, begun: BegunDay | None = None) -> NormalisedDay:
    """Write the tidy files of `day` from its raw files, then the manifest that makes them valid.

    A raw file that cannot be made into rows affects its own target only: earlier rows of the day stay, if there are
    any; else its capture counts as failed.

    Args:
        lake: the lake with the raw files, which gets the tidy files; the caller holds its lock.
        day: the snapshot date.
        report: is called with each unexpected error, and returns a sentence that names the report.
        begun: files of the day that have its first targets already; they are used if no other target precedes these.

    Raises:
        LakeError: when there is no raw archive of the day.
    """
    raw = read_raw_day(lake, day)
    if raw.is_empty:
        text = f"{day}: there is no raw archive of this day, so its tables cannot be built"
        raise LakeError("; ".join([text, *map(str, raw.strays)]))
    # a month's files hold this day as well; it has to be split before one of its days can change
    open_month(lake, month_of(day))
    of_day = _TargetsOfDay(lake, day, raw)
    expected = [of_day.expected(key) for key in of_day.keys]
    if begun is None or not begun.has_first_of(expected):
        if begun:
            begun.close()
        begun = BegunDay(lake, day, report)
    with begun as files:
        files.add_rest_of(expected)
        manifest = files.put(sha256_of(lake.targets_file(day)) if raw.has_targets else None)
    # a build follows in the same process: the memory that the largest target took is given back before it
    pa.default_memory_pool().release_unused()
    troubles = [*map(str, raw.strays), *of_day.troubles, *files.troubles]
    return NormalisedDay(day, manifest, tuple(troubles))


class BegunDay:
    """The tidy files of a day under temporary names, to which targets are added in their order; a context manager.

    A capture adds each target as soon as its listing, and that of all before it, has ended.

    Attributes:
        day: the snapshot date.
        troubles: the raw files that could not be made into rows, one line each.
    """

    def __init__(self, lake: Lake, day: date, report: Reporter = reraise) -> None:
        self.troubles: list[str] = []
        self.day = day
        self._lake, self._report = lake, report
        self._written: list[_Expected] = []
        self._sources: list[RawSource] = []
        self._of_day: _TargetsOfDay | None = None
        self._stack = ExitStack()
        self._writers: dict[str, TidyWriter] = {}  # opened for the first target

    def __enter__(self) -> BegunDay:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the temporary files."""
        self._stack.close()

    def add_through(self, key: tuple[str, str]) -> None:
        """Add all targets of the day through `key`; their raw files are final and the day's target list exists."""
        if self._of_day is None:
            self._of_day = _TargetsOfDay(self._lake, self.day, read_raw_day(self._lake, self.day))
        keys = self._of_day.keys
        while len(self._written) < len(keys) and keys[len(self._written)] <= key:
            self._add(self._of_day.expected(keys[len(self._written)]))

    def has_first_of(self, expected: Sequence[_Expected]) -> bool:
        """Tell whether the targets so far are the first ones of a day, and their raw files the same."""
        return self._written == list(expected[: len(self._written)])

    def add_rest_of(self, expected: Sequence[_Expected]) -> None:
        """Add the targets of a day that are not yet added."""
        for each in expected[len(self._written) :]:
            self._add(each)

    def _add(self, expected: _Expected) -> None:
        made = _tidy(self._lake, self.day, expected, self._report)
        self._open()
        for name, rows in made.tables.items():
            self._writers[name].add(rows)
        self._sources += [_source_of(expected, made.capture_id, expected.path)] if expected.path else []
        self.troubles += [made.trouble] if made.trouble else []
        self._written.append(expected)

    def _open(self) -> None:
        for table in TABLES if not self._writers else ():
            path = self._lake.unfinished(f"{table.name}--{self.day}")
            self._writers[table.name] = self._stack.enter_context(TidyWriter(table, path))

    def put(self, targets_sha256: str | None) -> Manifest:
        """Move the files into place; write the day's manifest, which has the hash of its target list, and return it."""
        self._open()
        entries: dict[str, FileEntry] = {}
        for name, writer in self._writers.items():
            writer.finish()
            entries[name] = entry_of(self._lake, writer, self._lake.tidy_file(name, self.day))
        manifest = Manifest(
            snapshot_date=self.day,
            schema_version=tables.SCHEMA_VERSION,
            tables=entries,
            sources=Sources(targets_sha256=targets_sha256, captures=self._sources),
        )
        _replace(self._lake, self.day, manifest, {name: writer.path for name, writer in self._writers.items()})
        return manifest


def _source_of(expected: _Expected, capture_id: str | None, path: Path) -> RawSource:
    target = expected.target
    return RawSource(project_id=target.project_id, region=target.region, capture_id=capture_id, sha256=sha256_of(path))


@dataclass(frozen=True)
class _Expected:
    """A target that was expected or captured on a day, with its raw file or the stray in place of it."""

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
    """Return the rows of one target, or the reason why there are none."""
    target = expected.target
    if expected.stray:
        # a stray holds other data: the target counts as not captured, unless the right file gave rows before
        earlier = _earlier_rows(lake, day, target)
        missing = tidy_target(day, target, None, expected.is_listed) if expected.is_listed else {}
        return _Made(missing if earlier is None else earlier)
    try:
        with _no_search_for_cycles():
            capture = stream_own_capture(lake, expected.path) if expected.path else None
            made = tidy_target(day, target, capture, expected.is_listed)
        return _Made(made, capture.capture.capture_id if capture else None)
    except NewerForm:
        raise  # the file is whole: a later version must not find that its target failed
    except LakeError as error:
        reason, text = "raw_file_damaged", str(error)
    except Exception as error:  # noqa: BLE001 - an error in one target must not stop the others
        reason, text = UNEXPECTED, f"{target.label}: {report(error, f'the rows of {target.label} on {day}')}"
    earlier = _earlier_rows(lake, day, target)
    if earlier is not None:
        return _Made(earlier, None, f"{day}: {text}; the rows that were made from it before are unchanged")
    return _Made(failed_target(day, target, reason, text, expected.is_listed), None, f"{day}: {text}")


def _earlier_rows(lake: Lake, day: date, target: TargetLine) -> dict[str, pa.Table] | None:
    """Return the rows of a target in the day's present tidy files; None if it was not captured when they were made.

    Raises:
        NewerForm: when a newer version wrote them.
    """
    manifest = read_if_valid(lake.manifest_file(day))
    if manifest is None:
        return None
    refuse_newer(lake, manifest)
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
    # a file of an earlier schema lacks columns, or has them with other types
    columns = [
        found[field.name].cast(field.type) if field.name in found.column_names else pa.nulls(found.num_rows, field.type)
        for field in table.schema
    ]
    return pa.Table.from_arrays(columns, schema=table.schema)


def normalise_days(
    lake: Lake, days: Iterable[date], report: Reporter = reraise, begun: BegunDay | None = None
) -> Iterator[NormalisedDay]:
    """Normalise several days, in their order; a damaged day does not stop the others.

    Args:
        lake: the lake with the raw files, which gets the tidy files; the caller holds its lock.
        days: the snapshot dates.
        report: is called with each unexpected error, and returns a sentence that names the report.
        begun: files of one of the days that have its first targets already.

    Raises:
        OSError: when the files cannot be written.
    """
    for day in days:
        try:
            yield normalise_day(lake, day, report, begun if begun and begun.day == day else None)
        except LakeError as error:
            yield NormalisedDay(day, None, (f"{day}: {error}",))
        except OSError:
            raise  # a full disk would fail the following days as well
        except Exception as error:  # noqa: BLE001 - an error in one day must not stop the others
            yield NormalisedDay(day, None, (f"{day}: {report(error, f'the tables of {day}')}",))


def _names_same_files(path: Path, manifest: Manifest) -> bool:
    present = read_if_valid(path)
    return present is not None and present.tables == manifest.tables


@contextmanager
def _no_search_for_cycles() -> Iterator[None]:
    """Pause the garbage collector: JSON has no cycles, and searching for them would cost as much as decoding."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _replace(lake: Lake, day: date, manifest: Manifest, finished: dict[str, Path]) -> None:
    """Move the files into place; meanwhile the day has no manifest, so that no reader mixes old and new files."""
    path = lake.manifest_file(day)
    # with the same hashes every file is replaced by an equal one, so readers need not miss the day meanwhile
    if path.is_file() and not _names_same_files(path, manifest):
        path.unlink()
        sync(path.parent)
    for name, unfinished in finished.items():
        lake.put(unfinished, lake.tidy_file(name, day))
    write_json(lake, path, manifest)


class _TargetsOfDay:
    """Every target that was expected or captured on a day.

    The target of a stray's path is among them, because the right file may have given rows before.

    Attributes:
        keys: of all targets, in order.
        troubles: one line if the target list is damaged.
    """

    def __init__(self, lake: Lake, day: date, raw: RawDay) -> None:
        self.troubles: list[str] = []
        self._lake, self._day = lake, day
        self._listed: dict[tuple[str, str], TargetLine] = {}
        self._is_damaged = False
        try:
            found = read_own_targets(lake, day)
            self._listed = {target.key: target for target in found.targets} if found else {}
        except Stray:
            self._is_damaged = True  # `raw.strays` has given a trouble for it already
        except LakeError as error:
            self._is_damaged = True
            self.troubles = [f"{day}: {error}; the day's targets are those of its raw files"]
        self._strays = {lake.target_of(stray.path): stray for stray in raw.strays if stray.capture_id}
        captured = [lake.target_of(path) for path in raw.captures]
        self.keys = sorted({*self._listed, *captured, *self._strays})

    def expected(self, key: tuple[str, str]) -> _Expected:
        """Return a target with its raw file, which may have come since."""
        stray = self._strays.get(key)
        file = self._lake.raw_file(self._day, *key)
        path = file if stray is None and file.is_file() else None
        # with a damaged list every captured target counts as expected, so that none is lost from the coverage
        target = self._listed.get(key) or _target_in(self._lake, path, key)
        return _Expected(target, path, is_listed=key in self._listed or (self._is_damaged and bool(path)), stray=stray)


def _target_in(lake: Lake, path: Path | None, key: tuple[str, str]) -> TargetLine:
    """Return the target in the header of its raw file; for a damaged file only what the path tells."""
    try:
        if path:
            return read_own_capture(lake, path, with_answers=False).capture.target
    except LakeError:
        pass
    return TargetLine(project_id=key[0], region=key[1], name=None, endpoint="", query_region=key[1])
