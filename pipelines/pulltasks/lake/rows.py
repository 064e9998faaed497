"""One capture into tidy rows: every field into its typed column, every surprise into data_quality.

Lives here: which answers of a capture count, types, times, unknown fields, hashes; functions of their arguments alone.
Does not live here: files (normalise, parquet, lake), what columns there are (tables).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pulltasks import tables
from pulltasks.huawei.pages import contradicts_total
from pulltasks.huawei.reading import ANSWER, KNOWN_FIELDS, WIRE_TYPES, Oddity, Reading, Task, read_answer
from pulltasks.json_reading import original
from pulltasks.lake.raw import ids_sha256
from pulltasks.times import read_times

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pulltasks.lake.raw import AnswerLine, RawCapture, TargetLine, VerdictLine

_ARROW_TYPES = {"text": tables.TEXT, "time": tables.TEXT, "integer": tables.COUNT, "texts": tables.TEXTS}
_KINDS = {f.name: f.kind for f in tables.API_FIELDS}
_Fields = dict[str, pa.Array]  # values of tasks by API field
_TASKS_PER_PART = 1000  # fewer, and making arrays costs more than it saves
_LISTS = {"source_urls": "primary", "backup_source_urls": "backup"}
_FILLER = Task(task_id="-")  # holds the place of a row that does not count

_canonical = msgspec.json.Encoder(order="deterministic").encode


OK = 200
# The reason of a day whose rows are not the tasks that its capture judged.
ROWS_DIFFER = "rows_differ_from_verdict"

_SurpriseRow = tuple[str | None, str, str, int | None, str, int]  # task, field, rule, position, raw text, tasks


@dataclass
class _Surprises:
    """Rows of data_quality for one target, in the making."""

    rows: list[_SurpriseRow] = field(default_factory=list)
    told: set[tuple[str | None, str, int | None]] = field(default_factory=set)  # task, field, position
    unknown: dict[str, tuple[str, bytes, int]] = field(default_factory=dict)  # field -> first task, value, tasks

    def add(self, task_id: str | None, name: str, rule: str, value: object, position: int | None = None) -> None:
        self.told.add((task_id, name, position))
        self.rows.append((task_id, name, rule, position, _canonical(value).decode(), 1))

    def add_oddity(self, task_id: str | None, oddity: Oddity) -> None:
        self.told.add((task_id, oddity.field, oddity.position))
        self.rows.append((task_id, oddity.field, oddity.rule, oddity.position, oddity.raw_text, 1))

    def add_of_answers(self, oddities: Counter[Oddity]) -> None:
        """What was odd about answers as a whole, each once with the number of answers."""
        for oddity, answers in oddities.items():
            self.rows.append((None, oddity.field, oddity.rule, oddity.position, oddity.raw_text, answers))

    def add_null(self, task_id: str, name: str, position: int) -> None:
        """A null in a list, unless it stands there for a value that was told already."""
        if (task_id, name, position) not in self.told:
            self.add(task_id, name, "null_element", None, position)

    def add_unknown(self, task_id: str, name: str, value: object) -> None:
        first = self.unknown.get(name)
        self.unknown[name] = (first[0], first[1], first[2] + 1) if first else (task_id, _canonical(value), 1)

    def all_rows(self) -> list[_SurpriseRow]:
        unknown: list[_SurpriseRow] = [
            (task, name, "unknown_field", None, v.decode(), n) for name, (task, v, n) in self.unknown.items()
        ]
        return sorted(self.rows + unknown, key=lambda row: (row[0] or "", row[1], row[2], row[3] or 0))


def tidy_target(
    day: date, target: TargetLine, capture: RawCapture | None, is_listed: bool = True
) -> dict[str, pa.Table]:
    """The rows of one target and day, one sorted Arrow table per tidy table; a function of its arguments alone."""
    surprises = _Surprises()
    found = _tasks(capture, surprises)
    capture = capture and _held_against(found.ids, capture)
    place = _Place(day, target.project_id, target.region)
    children = {tables.PULL_TASK_SOURCE_URLS.name: _source_urls(place, found, surprises)}
    children[tables.PULL_TASK_CALLBACK_EVENTS.name] = _callback_events(place, found, surprises)
    return {
        tables.PULL_TASKS.name: _pull_tasks(place, found, capture, surprises),
        **children,
        tables.CAPTURES.name: _captures(day, target, _of_capture(capture, found) if capture else {}, is_listed),
        tables.DATA_QUALITY.name: place.table(tables.DATA_QUALITY, _columns(surprises.all_rows(), 6)),
    }


def failed_target(day: date, target: TargetLine, reason: str, text: str, is_listed: bool) -> dict[str, pa.Table]:
    """The rows of a target whose raw file cannot be made into rows: none but that of its capture, which says why."""
    place = _Place(day, target.project_id, target.region)
    row = {"verdict": "failed", "verdict_reason": reason, "error_message": text}
    empty = {table.name: place.table(table, [()] * (len(table.columns) - 3)) for table in tables.TABLES}
    return empty | {tables.CAPTURES.name: _captures(day, target, row, is_listed)}


def _held_against(ids: list[str], capture: RawCapture) -> RawCapture:
    """The capture, incomplete if the rows are not the tasks that were judged complete."""
    verdict = capture.verdict
    if verdict.verdict != "complete" or _are_same(ids, verdict):
        return capture
    text = (
        f"{capture.capture.target.label}: not proved complete ({ROWS_DIFFER}); the rows of {len(ids)} tasks were made "
        f"of the raw file, and {verdict.task_count} had been judged. Capture the day again while it lasts, and report "
        "this: it is an error in pulltasks, or the file was changed"
    )
    incomplete = msgspec.structs.replace(
        verdict, verdict="incomplete", proof=None, verdict_reason=ROWS_DIFFER, error_message=text
    )
    return msgspec.structs.replace(capture, verdict=incomplete)


def _are_same(ids: list[str], verdict: VerdictLine) -> bool:
    return len(ids) == verdict.task_count and verdict.task_ids_sha256 in {None, ids_sha256(ids)}


@dataclass(frozen=True)
class _Found:
    """The tasks that count, in order of their ids.

    Attributes:
        ids: of all tasks.
        fields: their values by field.
        hashes: of the objects that came.
        extras: their unknown fields as JSON; null where there are none.
        changed: how many of them were shown with different contents.
    """

    ids: list[str]
    fields: _Fields
    hashes: pa.Array
    extras: pa.Array
    changed: int


@dataclass(frozen=True)
class _Place:
    """The columns that all rows of a target share."""

    day: date
    project_id: str
    region: str

    def table(self, table: tables.Table, columns: list[Any]) -> pa.Table:
        """The table from the values of its columns after the shared ones."""
        schema = table.schema
        rows = len(columns[0])
        shared = [
            pa.repeat(pa.scalar(value, schema.field(position).type), rows)
            for position, value in enumerate((self.day, self.project_id, self.region))
        ]
        types = [field.type for field in schema][len(shared) :]
        arrays = [c if isinstance(c, pa.Array) else pa.array(c, t) for c, t in zip(columns, types, strict=True)]
        return pa.Table.from_arrays([*shared, *arrays], schema=schema)


def _columns(rows: list[tuple[Any, ...]], width: int) -> list[tuple[Any, ...]]:
    return list(zip(*rows, strict=True)) if rows else [()] * width


def _tasks(capture: RawCapture | None, surprises: _Surprises) -> _Found:
    """The tasks of the answers that count; of several contents of one task the answer received last wins.

    A few answers at a time become arrays, while their objects are in the processor's cache; at the end the rows that
    count are taken from all of them. Those with a task that is not as documented wait until it is known which count.
    """
    hashes: list[str] = []  # of all rows, as they came
    newest: dict[str, int] = {}  # task -> its last row
    changed = set()
    pages: list[tuple[int, _Fields | list[Any]]] = []  # its first row, its tasks
    oddities: dict[int, list[Oddity]] = {}  # row -> what is odd about its task
    of_answers: Counter[Oddity] = Counter()
    for part in _in_parts(_readings_that_count(capture)):
        first = len(hashes)
        is_typed = all(reading.is_as_documented or not reading.tasks for reading in part)
        tasks = [task for reading in part for task in reading.tasks]
        pages.append((first, _fields(tasks) if is_typed else tasks))
        for reading in part:
            of_answers.update(reading.oddities)
            digests = _hashes(reading)
            oddities |= {len(hashes) + place: odd for place, odd in reading.task_oddities.items()}
            for task_id, digest in zip(reading.ids, digests, strict=True):
                before = newest.get(task_id)
                if before is not None and hashes[before] != digest:
                    changed.add(task_id)
                newest[task_id] = len(hashes)
                hashes.append(digest)
    surprises.add_of_answers(of_answers)
    ids = sorted(newest)
    rows = [newest[task_id] for task_id in ids]
    counting = set(rows)
    for task_id, row in zip(ids, rows, strict=True):
        for oddity in oddities.get(row, ()):
            surprises.add_oddity(task_id, oddity)
    waiting = {
        first + n: task
        for first, page in pages
        if isinstance(page, list)
        for n, task in enumerate(page)
        if first + n in counting
    }
    fields = [
        page
        if isinstance(page, dict)
        else _fields(
            [_typed(waiting[row], surprises) if row in waiting else _FILLER for row in range(first, first + len(page))]
        )
        for first, page in pages
    ]
    order = pa.array(rows, pa.int64())
    columns = {name: [page[name] for page in fields] or [pa.array([], _ARROW_TYPES[_KINDS[name]])] for name in _KINDS}
    return _Found(
        ids,
        {name: pa.concat_arrays(arrays).take(order) for name, arrays in columns.items()},
        pa.array(hashes, tables.TEXT).take(order),
        pa.array([_extra(waiting[row], surprises) if row in waiting else None for row in rows], tables.TEXT),
        len(changed),
    )


def _hashes(reading: Reading) -> list[str]:
    """The hashes of tasks as received: where something of one was replaced, what stood there counts as well."""
    digests = [hashlib.sha256(_canonical(task)).hexdigest() for task in reading.tasks]
    for place, oddities in reading.task_oddities.items():
        stood_there = [(each.field, each.rule, each.position, each.raw_text) for each in oddities]
        content = _canonical(reading.tasks[place]) + _canonical(stood_there)
        digests[place] = hashlib.sha256(content).hexdigest()
    return digests


def _readings_that_count(capture: RawCapture | None) -> Iterator[Reading]:
    """What the good answers say; of a complete capture the pages that its proof rests on."""
    if capture is None:
        return
    counted, is_by_page = capture.verdict.counted_sweep, capture.verdict.offset_unit == "pages"
    for answer in capture.answers:
        if answer.status != OK or (counted is not None and answer.sweep != counted):
            continue
        reading = read_answer(answer.readable)
        if counted is not None and (reading.flaw or _contradicts_total(reading, answer, is_by_page=is_by_page)):
            continue
        if answer.old_encoding:
            reading.oddities.append(Oddity(ANSWER, "old_encoding", original(answer.old_encoding)))
        yield reading


def _contradicts_total(reading: Reading, answer: AnswerLine, *, is_by_page: bool) -> bool:
    if answer.offset is None or answer.limit is None:
        return False
    rows_before = answer.offset * answer.limit if is_by_page else answer.offset
    return contradicts_total(len(reading.tasks), reading.total, rows_before, answer.limit)


def _in_parts(readings: Iterable[Reading]) -> Iterator[list[Reading]]:
    """Some readings at a time."""
    part: list[Reading] = []
    tasks = 0
    for reading in readings:
        part.append(reading)
        tasks += len(reading.tasks)
        if tasks >= _TASKS_PER_PART:
            yield part
            part, tasks = [], 0
    if part:
        yield part


def _fields(tasks: list[Any]) -> _Fields:
    """The values of typed tasks, one array a field."""
    names = Task.__struct_fields__
    columns = _columns([msgspec.structs.astuple(task) for task in tasks], len(names))
    unset = msgspec.UNSET
    return {
        name: pa.array([None if value is unset else value for value in column], _ARROW_TYPES[_KINDS[name]])
        for name, column in zip(names, columns, strict=True)
    }


def _typed(task: Any, surprises: _Surprises) -> Any:
    """A task as `Task`; a value of the wrong type becomes null there and a row of data_quality."""
    if type(task) is Task:
        return task
    known = {name: value for name, value in task.items() if name in KNOWN_FIELDS}
    try:
        return msgspec.convert(known, Task)
    except msgspec.ValidationError:
        fitting: dict[str, Any] = {}
        for api_field in tables.API_FIELDS:
            value = known.get(api_field.name)
            if api_field.kind == "texts" and isinstance(value, list):
                fitting[api_field.name] = _texts(task["task_id"], api_field.name, value, surprises)
            elif _fits(value, WIRE_TYPES[api_field.kind]):
                fitting[api_field.name] = value
            else:
                surprises.add(task["task_id"], api_field.name, "wrong_type", value)
        return msgspec.convert(fitting, Task)


def _texts(task_id: str, name: str, values: list[Any], surprises: _Surprises) -> list[str | None]:
    """The list with null in the place of what is no text."""
    texts: list[str | None] = []
    for position, value in enumerate(values):
        is_text = value is None or isinstance(value, str)
        if not is_text:
            surprises.add(task_id, name, "wrong_type", value, position)
        texts.append(value if is_text else None)
    return texts


def _fits(value: object, wire_type: Any) -> bool:
    try:
        msgspec.convert(value, wire_type)
    except msgspec.ValidationError:
        return False
    return True


def _pull_tasks(place: _Place, found: _Found, capture: RawCapture | None, surprises: _Surprises) -> pa.Table:
    columns: list[Any] = []
    for api_field in tables.API_FIELDS:
        values = found.fields[api_field.name]
        if api_field.kind == "time":
            columns += _times(found.ids, api_field.name, values, surprises)
        elif api_field.kind != "texts":
            columns.append(values)
    columns.append(pc.is_valid(found.fields["callback_events"]))
    columns += [found.hashes, found.extras]
    columns.append(pa.repeat(pa.scalar(capture.capture.capture_id if capture else None, tables.TEXT), len(found.ids)))
    columns.append(pa.repeat(bool(capture and capture.verdict.verdict == "complete"), len(found.ids)))
    return place.table(tables.PULL_TASKS, columns)


def _extra(task: Any, surprises: _Surprises) -> str | None:
    """The unknown fields of a task as JSON."""
    if type(task) is Task or task.keys() <= KNOWN_FIELDS:
        return None
    extra = {name: value for name, value in task.items() if name not in KNOWN_FIELDS}
    for name, value in extra.items():
        surprises.add_unknown(task["task_id"], name, value)
    return _canonical(extra).decode()


def _times(ids: list[str], name: str, raw: pa.Array, surprises: _Surprises) -> list[pa.Array]:
    """Texts as `[times, raw]`: UTC, and the text where it is no time (an empty one is no surprise, just not set)."""
    times, broken = read_times(raw)
    for place, rule in broken:
        surprises.add(ids[place], name, rule, raw[place].as_py())
    return [times.cast(tables.TIME), pc.if_else(pc.is_null(times), raw, None)]


def _source_urls(place: _Place, found: _Found, surprises: _Surprises) -> pa.Table:
    # The key orders by role: of each task first the backup list, then the primary one.
    names = ("backup_source_urls", "source_urls")
    ids = found.ids
    both = pa.concat_arrays([found.fields[name] for name in names])
    by_task = np.arange(2 * len(ids)).reshape(2, len(ids)).T.ravel()
    owners, positions, urls = _flattened(both.take(pa.array(by_task)))
    for place_of_null in _nulls(urls):
        task, name = ids[owners[place_of_null] // 2], names[owners[place_of_null] % 2]
        surprises.add_null(task, name, int(positions[place_of_null]))
    roles = pa.array([_LISTS[name] for name in names]).take(pa.array(owners % 2))
    task_ids = pa.array(ids, pa.string()).take(pa.array(owners // 2))
    return place.table(tables.PULL_TASK_SOURCE_URLS, [task_ids, roles, pa.array(positions), urls])


def _callback_events(place: _Place, found: _Found, surprises: _Surprises) -> pa.Table:
    ids = found.ids
    owners, positions, events = _flattened(found.fields["callback_events"])
    for place_of_null in _nulls(events):
        surprises.add_null(ids[owners[place_of_null]], "callback_events", int(positions[place_of_null]))
    task_ids = pa.array(ids, pa.string()).take(pa.array(owners))
    return place.table(tables.PULL_TASK_CALLBACK_EVENTS, [task_ids, pa.array(positions), events])


def _flattened(nested: pa.Array) -> tuple[np.ndarray, np.ndarray, pa.Array]:
    """All texts of many lists: for each the index of its list, its position in it, and the text."""
    owners = pc.list_parent_indices(nested).to_numpy()
    positions = np.arange(len(owners)) - nested.offsets.to_numpy()[owners]
    return owners, positions, nested.flatten()


def _nulls(values: pa.Array) -> list[int]:
    return np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False)).tolist() if values.null_count else []


def _of_capture(capture: RawCapture, found: _Found) -> dict[str, Any]:
    """What a row of `captures` says of a capture, by column."""
    verdict = msgspec.structs.asdict(capture.verdict)
    return {name: value for name, value in verdict.items() if name in tables.CAPTURES.schema.names} | {
        "capture_id": capture.capture.capture_id,
        "changed_while_listing": found.changed,
        "started_at": capture.capture.started_at.astimezone(UTC).replace(tzinfo=None),
        "finished_at": capture.verdict.finished_at.astimezone(UTC).replace(tzinfo=None),
    }


def _captures(day: date, target: TargetLine, of_capture: Mapping[str, Any], is_listed: bool) -> pa.Table:
    row: dict[str, Any] = dict.fromkeys(tables.CAPTURES.schema.names)
    row |= msgspec.structs.asdict(target) | {"snapshot_date": day, "is_listed": is_listed}
    return pa.Table.from_pylist([row | dict(of_capture)], schema=tables.CAPTURES.schema)
