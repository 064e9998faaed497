"""The tasks of a capture that count, as arrays of typed values.

Lives here: which answers of a capture count, which content of a task counts, typing, hashes, unknown fields.
Does not live here: reading an answer (huawei.reading), tables and times (rows), what was found odd (findings).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa

from pulltasks import tables
from pulltasks.huawei.pages import contradicts_total
from pulltasks.huawei.reading import ANSWER, KNOWN_FIELDS, WIRE_TYPES, Oddity, Reading, Task, read_answer
from pulltasks.json_reading import original
from pulltasks.lake.findings import canonical_json

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pulltasks.lake.findings import Findings
    from pulltasks.lake.raw import AnswerLine, RawCapture

OK = 200
_ARROW_TYPES = {"text": tables.TEXT, "time": tables.TEXT, "integer": tables.COUNT, "texts": tables.TEXTS}
_KINDS = {f.name: f.kind for f in tables.API_FIELDS}
_TASKS_PER_PART = 1000  # fewer, and making arrays costs more than it saves


@dataclass(frozen=True)
class Tasks:
    """The tasks that count, in order of their ids.

    Attributes:
        ids: of all tasks.
        fields: their values by field of the API; times are texts as yet.
        hashes: of the objects that came.
        extras: their unknown fields as JSON; null where there are none.
        changed: how many of them were shown with different contents.
    """

    ids: list[str]
    fields: dict[str, pa.Array]
    hashes: pa.Array
    extras: pa.Array
    changed: int


@dataclass
class _OddTask:
    """What is not as documented in one row of an answer."""

    oddities: list[Oddity]
    wrong_types: list[tuple[str, object, int | None]] = field(default_factory=list)  # field, value, position
    unknown: dict[str, object] = field(default_factory=dict)

    def tell(self, task_id: str, findings: Findings) -> None:
        for oddity in self.oddities:
            findings.add_oddity(task_id, oddity)
        for name, value, position in self.wrong_types:
            findings.add(task_id, name, "wrong_type", value, position)
        for name, value in self.unknown.items():
            findings.add_unknown(task_id, name, value)


def counting_tasks(capture: RawCapture | None, findings: Findings) -> Tasks:
    """The tasks of the answers that count; of several contents of one task the answer received last wins.

    A few answers at a time become arrays, while their objects are in the processor's cache; at the end the rows that
    count are taken from all of them. Only of those is told what is odd.
    """
    hashes: list[str] = []  # of all rows, as they came
    newest: dict[str, int] = {}  # task -> its last row
    changed = set()
    parts: list[dict[str, pa.Array]] = []
    odd: dict[int, _OddTask] = {}  # by row
    of_answers: Counter[Oddity] = Counter()
    for part in _in_parts(_readings_that_count(capture)):
        tasks: list[Any] = []
        for reading in part:
            of_answers.update(reading.oddities)
            typed, odd_tasks = _typed(reading)
            tasks += typed
            odd |= {len(hashes) + place: odd_task for place, odd_task in odd_tasks.items()}
            for task_id, digest in zip(reading.ids, _hashes(reading), strict=True):
                before = newest.get(task_id)
                if before is not None and hashes[before] != digest:
                    changed.add(task_id)
                newest[task_id] = len(hashes)
                hashes.append(digest)
        parts.append(_arrays(tasks))
    ids = sorted(newest)
    rows = [newest[task_id] for task_id in ids]
    findings.add_of_answers(of_answers)
    for task_id, row in zip(ids, rows, strict=True):
        if row in odd:
            odd[row].tell(task_id, findings)
    order = pa.array(rows, pa.int64())
    parts = parts or [_arrays([])]
    return Tasks(
        ids,
        {name: pa.concat_arrays([part[name] for part in parts]).take(order) for name in _KINDS},
        pa.array(hashes, tables.TEXT).take(order),
        pa.array([_as_json(odd[row].unknown) if row in odd else None for row in rows], tables.TEXT),
        len(changed),
    )


def columns_of(rows: list[tuple[Any, ...]], width: int) -> list[tuple[Any, ...]]:
    """Rows as `width` columns; none of them have columns as well."""
    return list(zip(*rows, strict=True)) if rows else [()] * width


def _as_json(unknown: dict[str, object]) -> str | None:
    return canonical_json(unknown).decode() if unknown else None


def _hashes(reading: Reading) -> list[str]:
    """The hashes of tasks as received: where something of one was replaced, what stood there counts as well."""
    digests = [hashlib.sha256(canonical_json(task)).hexdigest() for task in reading.tasks]
    for place, oddities in reading.task_oddities.items():
        stood_there = [(each.field, each.rule, each.position, each.raw_text) for each in oddities]
        content = canonical_json(reading.tasks[place]) + canonical_json(stood_there)
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


def _arrays(tasks: list[Any]) -> dict[str, pa.Array]:
    """The values of typed tasks, one array a field."""
    names = Task.__struct_fields__
    columns = columns_of([msgspec.structs.astuple(task) for task in tasks], len(names))
    unset = msgspec.UNSET
    return {
        name: pa.array([None if value is unset else value for value in column], _ARROW_TYPES[_KINDS[name]])
        for name, column in zip(names, columns, strict=True)
    }


def _typed(reading: Reading) -> tuple[list[Any], dict[int, _OddTask]]:
    """The tasks of an answer, each as a `Task`, and what is odd, by place in the answer."""
    if reading.is_as_documented:
        return reading.tasks, {}
    odd = {place: _OddTask(reading.task_oddities.get(place, [])) for place in range(len(reading.tasks))}
    return [_typed_task(task, odd[place]) for place, task in enumerate(reading.tasks)], odd


def _typed_task(task: dict[str, Any], odd: _OddTask) -> Any:
    """A task as it came, as a `Task`; a value of the wrong type becomes null, and an unknown field is left out."""
    odd.unknown = {name: value for name, value in task.items() if name not in KNOWN_FIELDS}
    known = {name: value for name, value in task.items() if name in KNOWN_FIELDS}
    try:
        return msgspec.convert(known, Task)
    except msgspec.ValidationError:
        return msgspec.convert({f.name: _fitting(f, known.get(f.name), odd) for f in tables.API_FIELDS}, Task)


def _fitting(api_field: tables.ApiField, value: object, odd: _OddTask) -> object:
    """The value if it is of the field's type, else null; of a list of texts each element by itself."""
    if api_field.kind == "texts" and isinstance(value, list):
        is_text = [item is None or isinstance(item, str) for item in value]
        odd.wrong_types += [(api_field.name, item, n) for n, item in enumerate(value) if not is_text[n]]
        return [item if fits else None for item, fits in zip(value, is_text, strict=True)]
    if _fits(value, WIRE_TYPES[api_field.kind]):
        return value
    odd.wrong_types.append((api_field.name, value, None))
    return None


def _fits(value: object, wire_type: Any) -> bool:
    try:
        msgspec.convert(value, wire_type)
    except msgspec.ValidationError:
        return False
    return True
