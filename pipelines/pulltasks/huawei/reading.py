"""What an answer of the service says: the one reading that the proof, the tables and `doctor` rest on.

Lives here: tasks, `total`, what is wrong with an answer as a whole, what is odd in it and is kept all the same.
Does not live here: bytes as JSON (json_reading), what follows from a flaw (listing), columns (lake.rows).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Annotated, Any

import msgspec

from pulltasks import tables
from pulltasks.errors import NotReadable
from pulltasks.json_reading import MAX_BYTES, MAX_DEPTH, clean_name, cleaned, original, parse, rules_broken

KNOWN_FIELDS = frozenset(f.name for f in tables.API_FIELDS)
_INT64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
WIRE_TYPES: dict[str, Any] = {
    "text": str | None,
    "time": str | None,
    "integer": _INT64 | None,
    "texts": list[str | None] | None,
}
# A task that is all as documented. Its fields stand in the order of canonical JSON and absent ones stay absent, so it
# is hashed as the object that came would be, at half the cost; a test holds the two to each other.
Task: Any = msgspec.defstruct(
    "Task",
    [
        ("task_id", Annotated[str, msgspec.Meta(min_length=1)])
        if f.name == "task_id"
        else (f.name, WIRE_TYPES[f.kind] | msgspec.UnsetType, msgspec.UNSET)
        for f in sorted(tables.API_FIELDS, key=lambda f: f.name)
    ],
    forbid_unknown_fields=True,
    kw_only=True,
    gc=False,  # JSON holds no cycles
)


MAX_TOTAL = 10**18


class _Named(msgspec.Struct, gc=False):
    """Of a task what a listing is proved by."""

    task_id: Annotated[str, msgspec.Meta(min_length=1)]
    create_time: str | None = None
    region: str | None = None


class _Envelope(msgspec.Struct, kw_only=True):
    """What stands around the tasks; an answer that says an error is read the long way, and does not fit here."""

    request_id: str
    total: Annotated[int, msgspec.Meta(ge=0, le=MAX_TOTAL)] | None = None
    error_code: None = None
    error_code_too: None = msgspec.field(default=None, name="errorCode")
    error: None = None


class _Shown(_Envelope, kw_only=True):
    """Of an answer what a listing is proved by; all else is passed over unread."""

    task_infos: list[_Named]


class _Answer(_Envelope, kw_only=True):
    """An answer that is all as documented."""

    task_infos: list[Task]


_decode_answer = msgspec.json.Decoder(_Answer).decode
_decode_shown = msgspec.json.Decoder(_Shown).decode
# What is passed over may be nested deeper than `parse` allows, unless there are too few brackets for that.
MAX_BRACKETS = MAX_DEPTH - 10
# `total` as a text: digits and nothing else, few enough for 64 bits.
_WHOLE_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)

# Fields of data_quality for what is odd about an answer as a whole; no field of the API is called so.
ANSWER = "(answer)"
# An answer 200 that says an error: it is no list, whatever else it says.
ERROR_IN_ANSWER, ERROR_BESIDE_ROWS = "error_in_answer", "error_code_beside_rows"


@dataclass(frozen=True)
class Oddity:
    """One thing that was kept although it is not as documented.

    Attributes:
        field: the API's field, or `ANSWER`.
        rule: what is not as documented.
        raw_text: what stood there, as JSON; what is no text is escaped.
        position: place in a list; None for the field as a whole.
    """

    field: str
    rule: str
    raw_text: str
    position: int | None = None


@dataclass(frozen=True)
class Reading:
    """What an answer says.

    Attributes:
        tasks: those that have an id, in order: all of them `Task`, or all dicts where one is not as documented.
        total: how many tasks there are, if the answer says so.
        flaw: why the answer cannot be believed, one snake_case word; None if it can.
        oddities: what is odd about the answer as a whole.
        task_oddities: what is odd about single tasks, by their place in `tasks`.
    """

    tasks: list[Any]
    total: int | None = None
    flaw: str | None = None
    oddities: list[Oddity] = field(default_factory=list)
    task_oddities: dict[int, list[Oddity]] = field(default_factory=dict)

    @property
    def is_as_documented(self) -> bool:
        """Whether all tasks are `Task`."""
        return bool(self.tasks) and type(self.tasks[0]) is Task

    @property
    def ids(self) -> list[str]:
        """The tasks' ids, in order."""
        if self.is_as_documented:
            return [task.task_id for task in self.tasks]
        return [task["task_id"] for task in self.tasks]

    def texts(self, name: str) -> list[str | None]:
        """What the tasks have in a field of text, in order; None where that is no text."""
        if self.is_as_documented:
            return [None if (value := getattr(task, name)) is msgspec.UNSET else value for task in self.tasks]
        values = [task.get(name) for task in self.tasks]
        return [value if isinstance(value, str) else None for value in values]


def read_answer(content: str | bytes) -> Reading:
    """What an answer with status 200 says; any bytes give a reading, and equal bytes give equal ones.

    An empty list is believed only from an object that has a `request_id` and says so (`task_infos: []` or `total: 0`);
    anything else that is not a list of tasks is a flaw, never an empty list.
    """
    if len(content) <= MAX_BYTES:
        try:
            answer = _decode_answer(content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
        else:
            return Reading(answer.task_infos, answer.total)
    return _read_odd(content)


@dataclass(frozen=True)
class Shown:
    """What an answer shows: ids and times of creation in order, the regions named, `total` and flaw as in `Reading`."""

    ids: tuple[str, ...]
    create_times: tuple[str | None, ...]
    regions: frozenset[str | None]
    total: int | None
    flaw: str | None


def read_shown(content: bytes) -> Shown:
    """What an answer shows; equal to `read_answer` for all bytes, at a third of its cost.

    What is passed over is well-formed, may hold only numbers and texts that `parse` cleans, and is not too deep.
    """
    if len(content) <= MAX_BYTES and content.count(b"[") + content.count(b"{") <= MAX_BRACKETS:
        try:
            shown = _decode_shown(content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            pass
        else:
            tasks = shown.task_infos
            ids = tuple([task.task_id for task in tasks])
            times = tuple([task.create_time for task in tasks])
            return Shown(ids, times, frozenset([task.region for task in tasks]), shown.total, None)
    reading = read_answer(content)
    times = tuple(reading.texts("create_time"))
    return Shown(tuple(reading.ids), times, frozenset(reading.texts("region")), reading.total, reading.flaw)


def read_object(content: str | bytes) -> dict[str, Any] | None:
    """Any answer that is a JSON object, with null and U+FFFD for what cannot be read; else None."""
    try:
        json = parse(content)
    except NotReadable:
        return None
    if not isinstance(json.value, dict):
        return None
    found: dict[str, Any] = cleaned(json.value) if json.may_be_odd else json.value
    return found


def read_error(content: str | bytes) -> tuple[str | None, str | None]:
    """`(code, message)` of an error body in any of the service's forms; None where there is none."""
    body = read_object(content)
    if body is not None and body.get("error") and isinstance(body["error"], dict):
        body = body["error"]
    if body is None:
        return None, None
    code = next((body[key] for key in ("error_code", "errorCode", "code") if key in body), None)
    text = next((body[key] for key in ("error_msg", "errorMsg", "message") if key in body), None)
    return (str(code) if code is not None else None), (str(text) if text is not None else None)


def says_error(content: bytes) -> bool:
    """Whether an answer 200 is a refusal: an error and no task. A bare `code` is none: gateways add it."""
    return b'"error' in content and read_answer(content).flaw == ERROR_IN_ANSWER


def _has_error(body: dict[str, Any]) -> bool:
    said = (body.get("error_code"), body.get("errorCode"))
    return any(code not in {None, "", "0", 0} for code in said if not isinstance(code, dict | list)) or bool(
        body.get("error") or any(code for code in said if isinstance(code, dict | list))
    )


def read_time(text: str | None) -> datetime | None:
    """The moment that a header says (`Date`, `Retry-After`), UTC; None where it says none."""
    try:
        return parsedate_to_datetime(text).astimezone(UTC) if text else None
    except (ValueError, TypeError, OverflowError):
        return None


def _read_odd(content: str | bytes) -> Reading:
    try:
        json = parse(content)
    except NotReadable as error:
        return Reading([], flaw=str(error))
    body = json.value
    if not isinstance(body, dict):
        return Reading([], flaw="answer_not_json_object")
    oddities = [Oddity(ANSWER, "byte_order_mark", '"\\ufeff"')] if json.has_mark else []
    total, is_known = _total(body, oddities)
    tasks = body.get("task_infos")
    has_error = _has_error(body)
    rows = tasks if isinstance(tasks, list) and all(isinstance(task, dict) for task in tasks) else None
    is_recognised = is_known and isinstance(body.get("request_id"), str)
    if (rows and has_error) or (rows is not None and is_recognised and not has_error):
        reading = _read_tasks(rows, total, oddities, may_be_odd=json.may_be_odd)
        return replace(reading, flaw=ERROR_BESIDE_ROWS) if has_error else reading
    if has_error:
        return Reading([], total, ERROR_IN_ANSWER, oddities)
    if is_recognised and tasks is None and total == 0:
        return Reading([], 0, None, oddities)
    is_null = is_recognised and tasks is None and "task_infos" in body
    return Reading([], total, "tasks_null_beside_total" if is_null else "answer_not_recognised", oddities)


def _total(body: dict[str, Any], oddities: list[Oddity]) -> tuple[int | None, bool]:
    """`total`, and whether what stands there can be believed; written as a text or a whole float it counts."""
    value = body.get("total")
    if value is None:
        return None, "total" not in body or isinstance(body.get("task_infos"), list)
    total = value
    if (isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value)) or (isinstance(value, float) and value.is_integer()):
        total = int(value)
    if type(total) is not int or not 0 <= total <= MAX_TOTAL:
        return None, False
    if total is not value:
        oddities.append(Oddity("total", "wrong_type", original(value)))
    return total, True


def _read_tasks(rows: list[dict[str, Any]], total: int | None, oddities: list[Oddity], *, may_be_odd: bool) -> Reading:
    tasks: list[Any] = []
    task_oddities: dict[int, list[Oddity]] = {}
    flaws = set()
    for row in rows:
        flaw = _flaw_of_id(row.get("task_id"))
        if flaw is not None:
            flaws.add(flaw)
            oddities.append(Oddity("task_id", flaw, original(row)))
        elif may_be_odd and (found := _oddities_of(row)):
            task_oddities[len(tasks)] = found
            tasks.append(cleaned(row))
        else:
            tasks.append(row)
    return Reading(tasks, total, min(flaws, default=None), oddities, task_oddities)


def _flaw_of_id(task_id: object) -> str | None:
    """The flaw of an id that is missing or no valid text; cleaning could make two such ids equal."""
    if not isinstance(task_id, str) or not task_id:
        return "task_without_id"
    return "task_id_not_unicode" if rules_broken(task_id) else None


def _oddities_of(task: dict[str, Any]) -> list[Oddity]:
    """What must be cleaned of a task: for a list by its places, for anything else as a whole."""
    found = []
    for name, value in task.items():
        places = list(enumerate(value)) if isinstance(value, list) and name in KNOWN_FIELDS else [(None, value)]
        for position, item in places:
            found += [Oddity(clean_name(name), rule, original(item), position) for rule in rules_broken(item)]
        if rules_broken(name):
            found.append(Oddity(clean_name(name), "name_not_unicode", original(name)))
    return found
