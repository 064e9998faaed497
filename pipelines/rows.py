"""One capture into tidy rows: every field into its typed column, every surprise into data_quality.

Lives here: which answers of a capture count, types, times, unknown fields, hashes; functions of their arguments alone.
Does not live here: files (normalise, parquet, lake), what columns there are (tables).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines import tables

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pipelines.raw import AnswerLine, RawCapture, TargetLine

_KNOWN = frozenset(f.name for f in tables.API_FIELDS)
_INT64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_WIRE_TYPES = {"text": str | None, "time": str | None, "integer": _INT64 | None, "texts": list[str | None] | None}
_ARROW_TYPES = {"text": tables.TEXT, "time": tables.TEXT, "integer": tables.COUNT, "texts": tables.TEXTS}
_KINDS = {f.name: f.kind for f in tables.API_FIELDS}
_Fields = dict[str, pa.Array]  # values of tasks by API field
# A task that is all as documented. Its fields stand in the order of canonical JSON and absent ones stay absent, so it
# is hashed as the object that came would be, at half the cost; a test holds the two to each other.
_Task = msgspec.defstruct(
    "_Task",
    [
        (f.name, _WIRE_TYPES[f.kind] | msgspec.UnsetType, msgspec.UNSET)
        for f in sorted(tables.API_FIELDS, key=lambda f: f.name)
    ],
    forbid_unknown_fields=True,
)
_Page = msgspec.defstruct("_Page", [("task_infos", list[_Task])])  # type: ignore[valid-type]  # made from API_FIELDS
_decode_page = msgspec.json.Decoder(_Page).decode
_TASKS_PER_PART = 1000  # fewer, and making arrays costs more than it saves
_LISTS = {"source_urls": "primary", "backup_source_urls": "backup"}

_canonical = msgspec.json.Encoder(order="deterministic").encode


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
    place = _Place(day, target.project_id, target.region)
    children = {tables.PULL_TASK_SOURCE_URLS.name: _source_urls(place, found, surprises)}
    children[tables.PULL_TASK_CALLBACK_EVENTS.name] = _callback_events(place, found, surprises)
    return {
        tables.PULL_TASKS.name: _pull_tasks(place, found, capture, surprises),
        **children,
        tables.CAPTURES.name: _captures(day, target, capture, found, is_listed),
        tables.DATA_QUALITY.name: place.table(tables.DATA_QUALITY, _columns(surprises.all_rows(), 6)),
    }


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
    for tasks in _in_parts(_answers_that_count(capture), surprises):
        pages.append((len(hashes), _fields(tasks) if all(type(task) is _Task for task in tasks) else tasks))
        for task in tasks:
            task_id, digest = _id_of(task), hashlib.sha256(_canonical(task)).hexdigest()
            before = newest.get(task_id)
            if before is not None and hashes[before] != digest:
                changed.add(task_id)
            newest[task_id] = len(hashes)
            hashes.append(digest)
    ids = sorted(newest)
    rows = [newest[task_id] for task_id in ids]
    counting = set(rows)
    odd = {
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
            [_typed(odd[row], surprises) if row in odd else _Task() for row in range(first, first + len(page))]
        )
        for first, page in pages
    ]
    order = pa.array(rows, pa.int64())
    return _Found(
        ids,
        {name: pa.concat_arrays([page[name] for page in fields]).take(order) for name in _KINDS},
        pa.array(hashes, tables.TEXT).take(order),
        pa.array([_extra(odd[row], surprises) if row in odd else None for row in rows], tables.TEXT),
        len(changed),
    )


def _answers_that_count(capture: RawCapture | None) -> Iterator[AnswerLine]:
    """The good answers; of a complete capture those of the sweep that is its listing."""
    if capture is not None:
        counted = capture.verdict.counted_sweep
        for answer in capture.answers:
            if answer.status == 200 and (counted is None or answer.sweep == counted):  # noqa: PLR2004 - OK
                yield answer


def _in_parts(answers: Iterable[AnswerLine], surprises: _Surprises) -> Iterator[list[Any]]:
    """The tasks that have an id, those of some answers at a time."""
    part: list[Any] = []
    for answer in answers:
        part += _with_ids(_task_infos(answer.readable), surprises)
        if len(part) >= _TASKS_PER_PART:
            yield part
            part = []
    yield part


def _id_of(task: Any) -> Any:
    if type(task) is _Task:
        return task.task_id  # type: ignore[attr-defined]
    return task.get("task_id") if isinstance(task, dict) else None


def _with_ids(tasks: list[Any], surprises: _Surprises) -> list[Any]:
    found = []
    for task in tasks:
        task_id = _id_of(task)
        if isinstance(task_id, str) and task_id:
            found.append(task)
        else:
            surprises.add(None, "task_id", "task_without_id", task)
    return found


def _task_infos(content: str | bytes) -> list[Any]:
    """The tasks of an answer, as `_Task` if all of them are as documented, else as plain objects."""
    try:
        return _decode_page(content).task_infos  # type: ignore[attr-defined,no-any-return]
    except msgspec.DecodeError:
        pass
    try:
        body = msgspec.json.decode(content)
    except msgspec.DecodeError:
        return []  # the verdict names the flaw, the raw file keeps the text
    infos = body.get("task_infos") if isinstance(body, dict) else None
    return infos if isinstance(infos, list) else []


def _fields(tasks: list[Any]) -> _Fields:
    """The values of typed tasks, one array a field."""
    names = _Task.__struct_fields__
    columns = _columns([msgspec.structs.astuple(task) for task in tasks], len(names))
    unset = msgspec.UNSET
    return {
        name: pa.array([None if value is unset else value for value in column], _ARROW_TYPES[_KINDS[name]])
        for name, column in zip(names, columns, strict=True)
    }


def _typed(task: Any, surprises: _Surprises) -> Any:
    """A task as `_Task`; a value of the wrong type becomes null there and a row of data_quality."""
    if type(task) is _Task:
        return task
    known = {name: value for name, value in task.items() if name in _KNOWN}
    try:
        return msgspec.convert(known, _Task)
    except msgspec.ValidationError:
        fitting: dict[str, Any] = {}
        for api_field in tables.API_FIELDS:
            value = known.get(api_field.name)
            if api_field.kind == "texts" and isinstance(value, list):
                fitting[api_field.name] = _texts(task["task_id"], api_field.name, value, surprises)
            elif _fits(value, _WIRE_TYPES[api_field.kind]):
                fitting[api_field.name] = value
            else:
                surprises.add(task["task_id"], api_field.name, "wrong_type", value)
        return msgspec.convert(fitting, _Task)


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
    if type(task) is _Task or task.keys() <= _KNOWN:
        return None
    extra = {name: value for name, value in task.items() if name not in _KNOWN}
    for name, value in extra.items():
        surprises.add_unknown(task["task_id"], name, value)
    return _canonical(extra).decode()


def _times(ids: list[str], name: str, raw: pa.Array, surprises: _Surprises) -> list[pa.Array]:
    """Texts as `[times, raw]`: UTC, and the text where it is no time (an empty one is no surprise, just not set)."""
    filled = pc.if_else(pc.equal(raw, ""), None, raw)
    zoned = pa.timestamp("us", tz="UTC")
    try:
        times = filled.cast(zoned)
    except pa.ArrowInvalid:
        values = []
        for task_id, text in zip(ids, raw.to_pylist(), strict=True):
            value, rule = _time(text, zoned)
            if rule is not None:
                surprises.add(task_id, name, rule, text)
            values.append(value)
        times = pa.array(values, zoned)
    return [times.cast(tables.TIME), pc.if_else(pc.is_null(times), raw, None)]


def _time(text: str | None, zoned: pa.DataType) -> tuple[datetime | None, str | None]:
    """One text as `(time, rule broken)`; without a zone it is taken for UTC, as the vendor's own client does."""
    if not text:
        return None, None
    try:
        return pa.scalar(text).cast(zoned).as_py(), None
    except pa.ArrowInvalid:
        pass
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None, "unreadable_time"
    if len(text) <= len("2006-01-02"):
        return None, "unreadable_time"  # a date says no time, and none is invented
    if moment.tzinfo is None:
        return moment.replace(tzinfo=UTC), "time_without_zone"
    return moment.astimezone(UTC), None


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


def _captures(day: date, target: TargetLine, capture: RawCapture | None, found: _Found, is_listed: bool) -> pa.Table:
    row: dict[str, Any] = dict.fromkeys(tables.CAPTURES.schema.names)
    row |= msgspec.structs.asdict(target) | {"snapshot_date": day, "is_listed": is_listed}
    if capture is not None:
        verdict = msgspec.structs.asdict(capture.verdict)
        row |= {name: value for name, value in verdict.items() if name in row}
        row |= {
            "capture_id": capture.capture.capture_id,
            "changed_while_listing": found.changed,
            "started_at": capture.capture.started_at.astimezone(UTC).replace(tzinfo=None),
            "finished_at": capture.verdict.finished_at.astimezone(UTC).replace(tzinfo=None),
        }
    return pa.Table.from_pylist([row], schema=tables.CAPTURES.schema)
