"""The tasks of a capture that count, as arrays of typed values.

Lives here: which answers of a capture count, which content of a task counts, typing, hashes, unknown fields.
Does not live here: reading an answer (huawei.reading), tables and times (rows), collecting surprises (findings).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from pulltasks import tables
from pulltasks.huawei.reading import (
    ANSWER,
    KNOWN_FIELDS,
    WIRE_TYPES,
    Oddity,
    Reading,
    Task,
    canonical_json,
    read_answer,
)
from pulltasks.json_reading import original
from pulltasks.lazily import pa
from pulltasks.proof.pages import contradicts_total

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pulltasks.lake.findings import Findings
    from pulltasks.lake.raw import AnswerLine, RawCapture

OK = 200
# The most memory, in bytes, that the rows of one target and day may take: so its tables and its build stay below 1 GB.
# Beyond it a complete target is set aside by name; of an incomplete one the later answers are left out.
MOST_COST = 100_000_000
# Bytes beside the text: a row has its keys in each table, a surprise is an object of its own.
COST_OF_TASK = 100
COST_OF_ELEMENT = 50
COST_OF_SURPRISE = 500
_ARROW_TYPES = {"text": tables.TEXT, "time": tables.TEXT, "integer": tables.COUNT, "texts": tables.TEXTS}
_KINDS = {f.name: f.kind for f in tables.API_FIELDS}
_LISTS = [f.name for f in tables.API_FIELDS if f.kind == "texts"]
# With fewer tasks per part, making arrays costs more than it saves. The bytes bound the objects that are in memory.
_TASKS_PER_PART = 1000
_BYTES_PER_PART = 16_000_000


@dataclass(frozen=True)
class Tasks:
    """The tasks that count, in order of their ids.

    Attributes:
        ids: the ids of all tasks.
        fields: by API field, an array with one value per task; times are still texts.
        hashes: per task the SHA-256, in hex, of the object that was received.
        extras: per task its unknown fields as JSON; null where there are none.
        changed: the number of tasks that were shown with different contents.
        answer_bytes: size of all answers, whether they count or not.
        left_out: the number of answers that count but are left out, as their rows would exceed `MOST_COST`.
    """

    ids: list[str]
    fields: dict[str, pa.Array]
    hashes: pa.Array
    extras: pa.Array
    changed: int
    answer_bytes: int = 0
    left_out: int = 0


@dataclass
class _OddTask:
    """The surprises in one row of an answer."""

    oddities: list[Oddity]
    wrong_types: list[tuple[str, object, int | None]] = field(default_factory=list)  # field, value, position
    unknown: dict[str, msgspec.Raw] = field(default_factory=dict)  # as canonical JSON: a tenth of the objects' memory

    @property
    def surprises(self) -> int:
        return len(self.oddities) + len(self.wrong_types) + len(self.unknown)

    def report_to(self, findings: Findings, task_id: str) -> None:
        for oddity in self.oddities:
            findings.add_oddity(task_id, oddity)
        for name, value, position in self.wrong_types:
            findings.add(task_id, name, "wrong_type", value, position)
        for name, value in self.unknown.items():
            findings.add_unknown(task_id, name, value)


class _OverBudget(Exception):
    """The rows of a target would take more memory than they may."""


@dataclass
class _Budget:
    """The bytes that the rows of a target may still take."""

    left: int

    def spend(self, cost: int) -> None:
        self.left -= cost
        if self.left < 0:
            raise _OverBudget


@dataclass
class _Gathered:
    """The rows of all answers that count, as arrays; each array holds a few answers."""

    hashes: list[str] = field(default_factory=list)  # of all rows, in the order of arrival
    newest: dict[str, int] = field(default_factory=dict)  # task -> its last row
    changed: set[str] = field(default_factory=set)
    arrays: list[dict[str, pa.Array]] = field(default_factory=list)
    odd: dict[int, _OddTask] = field(default_factory=dict)  # by row
    of_answers: Counter[Oddity] = field(default_factory=Counter)

    def add(self, part: list[Reading], budget: _Budget) -> None:
        """Add the rows of a few answers: all of them, or none if they exceed the budget."""
        tasks: list[Any] = []
        odd: dict[int, _OddTask] = {}
        for reading in part:
            typed, odd_tasks = _typed(reading, budget)
            odd |= {len(self.hashes) + len(tasks) + place: odd_task for place, odd_task in odd_tasks.items()}
            tasks += typed
        arrays = _arrays(tasks)
        elements = sum(len(arrays[name].flatten()) for name in _LISTS)
        budget.spend(COST_OF_TASK * len(tasks) + COST_OF_ELEMENT * elements)
        # nothing of `self` was changed before this line, so an exceeded budget leaves no half of a part behind
        self.arrays.append(arrays)
        self.odd |= odd
        for reading in part:
            self.of_answers.update(reading.oddities)
            for task_id, digest in zip(reading.ids, _hashes(reading), strict=True):
                # pages overlap, so most tasks at their edges come twice with the same content
                before = self.newest.get(task_id)
                if before is not None and self.hashes[before] != digest:
                    self.changed.add(task_id)
                self.newest[task_id] = len(self.hashes)
                self.hashes.append(digest)


def counting_tasks(capture: RawCapture | None, findings: Findings) -> Tasks:
    """Return the tasks of the answers that count; of several contents of one task the last one received wins.

    A few answers at a time become arrays, while their objects are in the processor's cache; at the end the rows that
    count are taken from all arrays. Surprises are reported for these rows only. Once the budget is spent, the answers
    that follow are counted and not read.
    """
    answers = _Answers(capture, _Budget(MOST_COST))
    gathered = _Gathered()
    for part in _in_parts(answers.readings()):
        try:
            gathered.add([reading for reading, _ in part], answers.budget)
        except _OverBudget:
            answers.left_out += len(part)
    newest, odd = gathered.newest, gathered.odd
    ids = sorted(newest)
    rows = [newest[task_id] for task_id in ids]
    findings.add_of_answers(gathered.of_answers)
    for task_id, row in zip(ids, rows, strict=True):
        if row in odd:
            odd[row].report_to(findings, task_id)
    order = pa.array(rows, pa.int64())
    extras = _extras(odd, rows)
    return Tasks(
        ids,
        _in_order(gathered.arrays or [_arrays([])], order),
        pa.array(gathered.hashes, pa.string()).take(order),
        extras,
        len(gathered.changed),
        answers.bytes,
        answers.left_out,
    )


def no_tasks() -> Tasks:
    """Return empty arrays, for a target whose tasks are left out."""
    texts = pa.array([], pa.string())
    return Tasks([], _arrays([]), texts, texts, 0)


def _extras(odd: dict[int, _OddTask], rows: list[int]) -> pa.Array:
    """Return the unknown fields of rows as an array of JSON; remove them from `odd` on the way, to free memory."""
    parts = [pa.array([], pa.string())]
    for begin in range(0, len(rows), _TASKS_PER_PART):
        found = [odd.pop(row, None) for row in rows[begin : begin + _TASKS_PER_PART]]
        parts.append(pa.array([_as_json(task.unknown) if task else None for task in found], pa.string()))
    return pa.concat_arrays(parts)


def _in_order(parts: list[dict[str, pa.Array]], order: pa.Array) -> dict[str, pa.Array]:
    """Return the rows that count, by field; one field at a time, so that only one is in memory twice."""
    fields = {}
    for name in _KINDS:
        whole = pa.concat_arrays([part.pop(name) for part in parts])
        fields[name] = whole.take(order)
    return fields


def columns_of(rows: list[tuple[Any, ...]], width: int) -> list[tuple[Any, ...]]:
    """Return rows as `width` columns; no rows give `width` empty columns."""
    return list(zip(*rows, strict=True)) if rows else [()] * width


def _as_json(unknown: dict[str, msgspec.Raw]) -> str | None:
    return canonical_json(unknown).decode() if unknown else None


def _hashes(reading: Reading) -> list[str]:
    """Return the SHA-256, in hex, of each task; if a value of it was replaced, the original is part of the hash."""
    encoded = reading.encoded or [canonical_json(task) for task in reading.tasks]
    digests = [hashlib.sha256(content).hexdigest() for content in encoded]
    for place, oddities in reading.task_oddities.items():
        # two tasks that differ only in an unreadable value would have the same hash without its original text
        originals = [(each.field, each.rule, each.position, each.raw_text) for each in oddities]
        content = canonical_json(reading.tasks[place]) + canonical_json(originals)
        digests[place] = hashlib.sha256(content).hexdigest()
    return digests


class _Answers:
    """The good answers of a capture, read within a budget; for a complete capture those that prove it."""

    def __init__(self, capture: RawCapture | None, budget: _Budget) -> None:
        self.budget = budget
        self.bytes = 0
        self.left_out = 0
        self._capture = capture

    def readings(self) -> Iterator[tuple[Reading, int]]:
        """Yield each answer that counts, with its size in bytes; go through all answers to sum their sizes."""
        if self._capture is None:
            return
        verdict = self._capture.verdict
        counted, is_by_page = verdict.counted_sweep, verdict.offset_unit == "pages"
        for answer in self._capture.answers:
            size = answer.size
            self.bytes += size
            if answer.status != OK or (counted is not None and answer.sweep != counted):
                continue
            try:
                self.budget.spend(size)
            except _OverBudget:
                self.left_out += 1
                continue
            reading = read_answer(answer.readable)
            # the proof has skipped flawed pages and read them again, so they do not count here either
            if counted is not None and (reading.flaw or _contradicts_total(reading, answer, is_by_page=is_by_page)):
                continue
            if answer.old_encoding:
                reading.oddities.append(Oddity(ANSWER, "old_encoding", original(answer.old_encoding)))
            yield reading, size


def _contradicts_total(reading: Reading, answer: AnswerLine, *, is_by_page: bool) -> bool:
    if answer.offset is None or answer.limit is None:
        return False
    rows_before = answer.offset * answer.limit if is_by_page else answer.offset
    return contradicts_total(len(reading.tasks), reading.total, rows_before, answer.limit)


def _in_parts(readings: Iterable[tuple[Reading, int]]) -> Iterator[list[tuple[Reading, int]]]:
    """Yield lists of readings with their sizes, each of about 1,000 tasks or 16 MB."""
    part: list[tuple[Reading, int]] = []
    tasks = size = 0
    for reading, bytes_read in readings:
        part.append((reading, bytes_read))
        tasks += len(reading.tasks)
        size += bytes_read
        if tasks >= _TASKS_PER_PART or size >= _BYTES_PER_PART:
            yield part
            part, tasks, size = [], 0, 0
    if part:
        yield part


def _arrays(tasks: list[Any]) -> dict[str, pa.Array]:
    """Return the values of typed tasks, one array per field."""
    names = Task.__struct_fields__
    columns = columns_of([msgspec.structs.astuple(task) for task in tasks], len(names))
    unset = msgspec.UNSET
    return {
        name: pa.array(
            [None if value is unset else value for value in column], tables.arrow_type(_ARROW_TYPES[_KINDS[name]])
        )
        for name, column in zip(names, columns, strict=True)
    }


def _typed(reading: Reading, budget: _Budget) -> tuple[list[Any], dict[int, _OddTask]]:
    """Return the tasks of an answer, each as a `Task`, and their surprises by place in the answer."""
    if reading.is_as_documented:
        return reading.tasks, {}
    typed, odd = [], {}
    for place, task in enumerate(reading.tasks):
        odd[place] = _OddTask(reading.task_oddities.get(place, []))
        # spent before the lists are read: objects for millions of elements would already take too much memory
        budget.spend(COST_OF_ELEMENT * sum(len(value) for value in task.values() if isinstance(value, list)))
        typed.append(_typed_task(task, odd[place]))
        budget.spend(COST_OF_SURPRISE * odd[place].surprises)
    return typed, odd


def _typed_task(task: dict[str, Any], odd: _OddTask) -> Any:
    """Return a task as a `Task`: values of a wrong type become null, unknown fields are moved to `odd`."""
    odd.unknown = {name: msgspec.Raw(canonical_json(v)) for name, v in task.items() if name not in KNOWN_FIELDS}
    known = {name: value for name, value in task.items() if name in KNOWN_FIELDS}
    # a task that only has unknown fields converts at once; each field is checked only where one has a wrong type
    try:
        return msgspec.convert(known, Task)
    except msgspec.ValidationError:
        return msgspec.convert({f.name: _fitting(f, known.get(f.name), odd) for f in tables.API_FIELDS}, Task)


def _fitting(api_field: tables.ApiField, value: object, odd: _OddTask) -> object:
    """Return the value if it has the field's type, else None; in a list of texts each element is checked by itself."""
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
