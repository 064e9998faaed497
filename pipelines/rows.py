"""One capture into tidy rows: every field into its typed column, every surprise into data_quality.

Lives here: which answers of a capture count, types, times, unknown fields, hashes; functions of their arguments alone.
Does not live here: files (normalise, parquet, lake), what columns there are (tables).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines import tables

if TYPE_CHECKING:
    from pipelines.raw import RawCapture, TargetLine

_KNOWN = frozenset(f.name for f in tables.API_FIELDS)
_INT64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
_WIRE_TYPES = {"text": str | None, "time": str | None, "integer": _INT64 | None, "texts": list[str | None] | None}
_Fields = dict[str, Sequence[Any]]  # values of all tasks by API field
_Task = msgspec.defstruct("_Task", [(f.name, _WIRE_TYPES[f.kind], None) for f in tables.API_FIELDS])
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
    found = _Found({}, 0) if capture is None else _tasks(capture, surprises)
    ids = sorted(found.tasks)
    fields = _fields([found.tasks[task_id][0] for task_id in ids], surprises)
    place = _Place(day, target.project_id, target.region)
    children = {tables.PULL_TASK_SOURCE_URLS.name: _source_urls(place, ids, fields, surprises)}
    children[tables.PULL_TASK_CALLBACK_EVENTS.name] = _callback_events(place, ids, fields, surprises)
    return {
        tables.PULL_TASKS.name: _pull_tasks(place, fields, found, ids, capture, surprises),
        **children,
        tables.CAPTURES.name: _captures(day, target, capture, found, is_listed),
        tables.DATA_QUALITY.name: place.table(tables.DATA_QUALITY, _columns(surprises.all_rows(), 6)),
    }


@dataclass(frozen=True)
class _Found:
    """Tasks by id as `(object, hash)`, and how many were shown with different contents."""

    tasks: dict[str, tuple[dict[str, Any], str]]
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


def _tasks(capture: RawCapture, surprises: _Surprises) -> _Found:
    """The tasks of the answers that count; of several contents of one task the answer received last wins."""
    tasks: dict[str, tuple[dict[str, Any], str]] = {}
    changed = set()
    counted = capture.verdict.counted_sweep
    for answer in capture.answers:
        if answer.status != 200 or (counted is not None and answer.sweep != counted):  # noqa: PLR2004 - OK
            continue
        for task in _task_infos(answer.content):
            task_id = task.get("task_id") if isinstance(task, dict) else None
            if not isinstance(task_id, str) or not task_id:
                surprises.add(None, "task_id", "task_without_id", task)
                continue
            digest = hashlib.sha256(_canonical(task)).hexdigest()
            before = tasks.get(task_id)
            if before is not None and before[1] != digest:
                changed.add(task_id)
            tasks[task_id] = (task, digest)
    return _Found(tasks, len(changed))


def _task_infos(content: bytes) -> list[Any]:
    try:
        body = msgspec.json.decode(content)
    except msgspec.DecodeError:
        return []  # the verdict names the flaw, the raw file keeps the text
    infos = body.get("task_infos") if isinstance(body, dict) else None
    return infos if isinstance(infos, list) else []


def _fields(tasks: list[dict[str, Any]], surprises: _Surprises) -> _Fields:
    """The values of the tasks by field; one of the wrong type becomes null there and a row of data_quality."""
    typed: list[Any]
    try:
        typed = msgspec.convert(tasks, list[_Task])  # type: ignore[valid-type]  # made from tables.API_FIELDS
    except msgspec.ValidationError:
        typed = [_typed_one(task, surprises) for task in tasks]
    columns = _columns([msgspec.structs.astuple(task) for task in typed], len(tables.API_FIELDS))
    return {api_field.name: column for api_field, column in zip(tables.API_FIELDS, columns, strict=True)}


def _typed_one(task: dict[str, Any], surprises: _Surprises) -> Any:
    try:
        return msgspec.convert(task, _Task)
    except msgspec.ValidationError:
        fitting: dict[str, Any] = {}
        for api_field in tables.API_FIELDS:
            value = task.get(api_field.name)
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


def _pull_tasks(
    place: _Place, fields: _Fields, found: _Found, ids: list[str], capture: RawCapture | None, surprises: _Surprises
) -> pa.Table:
    columns: list[Any] = []
    for api_field in tables.API_FIELDS:
        if api_field.kind == "texts":
            continue
        values = fields[api_field.name]
        columns += [values] if api_field.kind != "time" else _times(ids, api_field.name, values, surprises)
    columns.append([events is not None for events in fields["callback_events"]])
    columns.append([found.tasks[task_id][1] for task_id in ids])
    columns.append([_extra(found.tasks[task_id][0], surprises) for task_id in ids])
    columns.append([capture.capture.capture_id if capture else None] * len(ids))
    columns.append([bool(capture and capture.verdict.verdict == "complete")] * len(ids))
    return place.table(tables.PULL_TASKS, columns)


def _extra(task: dict[str, Any], surprises: _Surprises) -> str | None:
    if task.keys() <= _KNOWN:
        return None
    extra = {name: value for name, value in task.items() if name not in _KNOWN}
    for name, value in extra.items():
        surprises.add_unknown(task["task_id"], name, value)
    return _canonical(extra).decode()


def _times(ids: list[str], name: str, texts: Sequence[str | None], surprises: _Surprises) -> list[pa.Array]:
    """Texts as `[times, raw]`: UTC, and the text where it is no time (an empty one is no surprise, just not set)."""
    raw = pa.array(texts, pa.string())
    filled = pc.if_else(pc.equal(raw, ""), None, raw)
    zoned = pa.timestamp("us", tz="UTC")
    try:
        times = filled.cast(zoned)
    except pa.ArrowInvalid:
        values = []
        for task_id, text in zip(ids, texts, strict=True):
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


def _source_urls(place: _Place, ids: list[str], fields: _Fields, surprises: _Surprises) -> pa.Table:
    # The key orders by role: of each task first the backup list, then the primary one.
    names = ("backup_source_urls", "source_urls")
    lists = [urls for pair in zip(*(fields[name] for name in names), strict=True) for urls in pair]
    owners, positions, urls = _flattened(lists)
    for place_of_null in _nulls(urls):
        task, name = ids[owners[place_of_null] // 2], names[owners[place_of_null] % 2]
        surprises.add_null(task, name, int(positions[place_of_null]))
    roles = pa.array([_LISTS[name] for name in names]).take(pa.array(owners % 2))
    task_ids = pa.array(ids, pa.string()).take(pa.array(owners // 2))
    return place.table(tables.PULL_TASK_SOURCE_URLS, [task_ids, roles, pa.array(positions), urls])


def _callback_events(place: _Place, ids: list[str], fields: _Fields, surprises: _Surprises) -> pa.Table:
    owners, positions, events = _flattened(fields["callback_events"])
    for place_of_null in _nulls(events):
        surprises.add_null(ids[owners[place_of_null]], "callback_events", int(positions[place_of_null]))
    task_ids = pa.array(ids, pa.string()).take(pa.array(owners))
    return place.table(tables.PULL_TASK_CALLBACK_EVENTS, [task_ids, pa.array(positions), events])


def _flattened(lists: Sequence[list[str | None] | None]) -> tuple[np.ndarray, np.ndarray, pa.Array]:
    """All texts of many lists: for each the index of its list, its position in it, and the text."""
    nested = pa.array(lists, pa.list_(pa.string()))
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
