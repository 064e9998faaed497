"""The parser of the service's answers, which the proof, the tables and `doctor` share.

Lives here: tasks, `total`, flaws that make an answer useless, oddities that are stored with their rows.
Does not live here: bytes as JSON (json_reading), the consequence of a flaw (listing), columns (lake.rows).
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
from pulltasks.json_reading import MAX_BYTES, MAX_DEPTH, Json, clean_name, cleaned, original, parse, rules_broken
from pulltasks.proof.beside import NOTHING_MORE, More, has_words_of_error, more_of

KNOWN_FIELDS = frozenset(f.name for f in tables.API_FIELDS)
_INT64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]
WIRE_TYPES: dict[str, Any] = {
    "text": str | None,
    "time": str | None,
    "integer": _INT64 | None,
    "texts": list[str | None] | None,
}
# A task that is entirely as documented. Its fields are in the order of canonical JSON and absent ones stay absent, so
# it has the same hash as the received object, at half the cost; a test compares the two.
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


# Far more tasks than any account has; the number fits into 64 bits.
MAX_TOTAL = 10**18


class _Named(msgspec.Struct, gc=False):
    """The fields of a task that the proof of a listing needs; all others are skipped unread."""

    task_id: Annotated[str, msgspec.Meta(min_length=1)]
    create_time: str | None = None
    region: str | None = None


_Total = Annotated[int, msgspec.Meta(ge=0, le=MAX_TOTAL)] | None


class _Answer(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An answer that is entirely as documented."""

    request_id: str
    total: _Total = None
    task_infos: list[Task]


_decode_answer = msgspec.json.Decoder(_Answer).decode
_decode_tasks = msgspec.json.Decoder(list[Task]).decode
_decode_named = msgspec.json.Decoder(list[_Named]).decode
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode
_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_total = msgspec.json.Decoder(_Total).decode
_decode_text = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode
canonical_json = msgspec.json.Encoder(order="deterministic").encode
_NOT_DECODED = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_ENVELOPE = ("request_id", "total", "task_infos")
_ERRORS = frozenset({"error_code", "errorCode", "error"})
# A letter of a field name that is written as an escape: then occurrences of names cannot be counted.
_ESCAPED_LETTER = re.compile(rb"\\u00(?:5f|6[1-9a-f]|7[0-9a])", re.IGNORECASE)
_LIST_BEGINS = re.compile(rb'"task_infos"\s*:\s*\Z')
# Skipped values may be nested deeper than `parse` allows, unless there are too few brackets for that.
MAX_BRACKETS = MAX_DEPTH - 10
# `total` as a text: only digits, few enough for 64 bits.
_WHOLE_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)

# The field name in data_quality for oddities of an answer as a whole; the API has no field of this name.
ANSWER = "(answer)"
# A 200 response with an error: it is not a list, whatever else it contains.
ERROR_IN_ANSWER, ERROR_BESIDE_ROWS = "error_in_answer", "error_code_beside_rows"
# An empty list is not believed beside words of an error that has no code.
EMPTY_BESIDE_ERROR = "empty_beside_error"
# A name that an object has twice. Twice `total`, `task_infos` or `task_id` leaves open which tasks there are.
REPEATED_KEY, _DECIDING = "repeated_key", frozenset({"total", "task_infos"})
# A field of the answer beside the documented ones.
UNKNOWN_ANSWER_FIELD = "unknown_answer_field"


@dataclass(frozen=True)
class Oddity:
    """One value that is stored although it is not as documented.

    Attributes:
        field: the API's field, or `ANSWER`.
        rule: the broken rule, one snake_case word.
        raw_text: the received value as JSON; characters that are not valid text are escaped.
        position: index in a list, from 0; None for the field as a whole.
    """

    field: str
    rule: str
    raw_text: str
    position: int | None = None


@dataclass(frozen=True)
class Reading:
    """The content of an answer.

    Attributes:
        tasks: the tasks with an id, in order: all of them `Task`, or all dicts if one is not as documented.
        total: the number of tasks by this answer, or None.
        flaw: the reason why the answer cannot be used, one snake_case word; None if it can.
        oddities: the oddities of the answer as a whole.
        more: hints at more tasks in its other fields.
        encoded: the tasks as canonical JSON if all are as documented; None if they are not encoded yet.
        task_oddities: the oddities of single tasks, by their index in `tasks`.
    """

    tasks: list[Any]
    total: int | None = None
    flaw: str | None = None
    oddities: list[Oddity] = field(default_factory=list)
    task_oddities: dict[int, list[Oddity]] = field(default_factory=dict)
    more: More = NOTHING_MORE
    encoded: list[bytes] | None = None

    @property
    def is_as_documented(self) -> bool:
        """Tell whether all tasks are `Task`."""
        return bool(self.tasks) and type(self.tasks[0]) is Task

    @property
    def ids(self) -> list[str]:
        """The ids of the tasks, in order."""
        if self.is_as_documented:
            return [task.task_id for task in self.tasks]
        return [task["task_id"] for task in self.tasks]

    def texts(self, name: str) -> list[str | None]:
        """Return a text field of all tasks, in order; None where the value is not a text."""
        if self.is_as_documented:
            return [None if (value := getattr(task, name)) is msgspec.UNSET else value for task in self.tasks]
        values = [task.get(name) for task in self.tasks]
        return [value if isinstance(value, str) else None for value in values]


def read_answer(content: str | bytes) -> Reading:
    """Return the content of a 200 response; any bytes give a reading, and equal bytes give equal readings.

    An empty list counts only in an object with a `request_id`, with `task_infos: []` or `total: 0`, and without words
    of an error. Anything else that is not a list of tasks is a flaw, never an empty list.
    """
    found = _documented(content)
    if found is None:
        return _read_odd(content)
    encoded = [canonical_json(task) for task in found.tasks]
    if not _has_each_name_once(content, found, encoded):
        return _read_odd(content)
    more = more_of(found.fields) if found.fields else NOTHING_MORE
    flaw = _flaw_of_empty(found.tasks, found.fields)
    return Reading(found.tasks, found.total, flaw, _unknown_fields(found.fields), more=more, encoded=encoded)


@dataclass(frozen=True)
class _Documented:
    """An answer whose tasks are all as documented; `fields` has its undocumented fields."""

    tasks: list[Any]
    request_id: str
    total: int | None
    fields: dict[str, Any]


def _documented(content: str | bytes) -> _Documented | None:
    """Return the answer by the fast path; None if it needs the slow one (`_read_odd`).

    An answer with other fields is split into its fields first, which costs only a second pass.
    """
    if len(content) > MAX_BYTES:
        return None
    try:
        answer = _decode_answer(content)
    except msgspec.ValidationError:
        pass
    except _NOT_DECODED:
        return None
    else:
        return _Documented(answer.task_infos, answer.request_id, answer.total, _NO_FIELDS)
    try:
        fields = _decode_fields(content)
        if not _ERRORS.isdisjoint(fields):
            return None
        request_id = _decode_text(fields.pop("request_id", b""))
        total = _decode_total(fields.pop("total", b"null"))
        tasks = _decode_tasks(fields.pop("task_infos", b""))
        return _Documented(tasks, request_id, total, {name: msgspec.json.decode(raw) for name, raw in fields.items()})
    except _NOT_DECODED:
        return None


_NO_FIELDS: dict[str, Any] = {}


def _has_each_name_once(content: str | bytes, found: _Documented, encoded: list[bytes]) -> bool:
    """Tell whether every name was read, as the decoder silently drops all but the last of equal names in an object.

    Encoded again without blanks, an answer without repeated names has its old length. If it was formatted differently,
    it has the same number of colons after quotes. If neither is true, the slow path looks for repeated names.
    """
    again = {"request_id": found.request_id, "total": found.total, "task_infos": [], **found.fields}
    if found.total is None:
        del again["total"]
    around = _encode(again)
    length = len(content) if isinstance(content, bytes) or content.isascii() else len(content.encode())
    if length == len(around) + sum(map(len, encoded)) + max(0, len(encoded) - 1):
        return True
    names = around.count(b'":') + sum(task.count(b'":') for task in encoded)
    return names == (content.count('":') if isinstance(content, str) else content.count(b'":'))


def _unknown_fields(fields: dict[str, Any]) -> list[Oddity]:
    return [
        Oddity(clean_name(name), UNKNOWN_ANSWER_FIELD, original(value))
        for name, value in fields.items()
        if value is not None and value not in ("", [], {})
    ]


def _flaw_of_empty(tasks: list[Any], fields: dict[str, Any]) -> str | None:
    return EMPTY_BESIDE_ERROR if not tasks and has_words_of_error(fields) else None


@dataclass(frozen=True)
class Shown:
    """The part of an answer that the proof needs; ids and creation times are in order, the rest as in `Reading`."""

    ids: tuple[str, ...]
    create_times: tuple[str | None, ...]
    regions: frozenset[str | None]
    total: int | None
    flaw: str | None
    more: More


def read_shown(content: bytes) -> Shown:
    """Return the part that the proof needs; equal to `read_answer` for all bytes, at half its cost."""
    shown = _shown(content)
    if shown is not None:
        return shown
    reading = read_answer(content)
    return Shown(
        tuple(reading.ids),
        tuple(reading.texts("create_time")),
        frozenset(reading.texts("region")),
        reading.total,
        reading.flaw,
        reading.more,
    )


def _shown(content: bytes) -> Shown | None:
    """Return the part that the proof needs if the tasks are the only list; None if the slow path is needed.

    The text from the first bracket to the last must be one list of tasks. Then the rest of the answer is small, and
    repeated names are found by counting.
    """
    if len(content) > MAX_BYTES or content.count(b"[") + content.count(b"{") > MAX_BRACKETS:
        return None
    start, end = content.find(b"["), content.rfind(b"]") + 1
    rows, head, tail = content[start:end], content[:start], content[end:]
    try:
        tasks = _decode_named(rows)
        fields = _decode_object(head + b"null" + tail)
        msgspec.convert(fields.pop("request_id", None), str)
        total = msgspec.convert(fields.pop("total", None), _Total)
    except _NOT_DECODED:
        return None
    around = head + tail
    is_plain = (
        _LIST_BEGINS.search(head) is not None
        and around.count(b'"task_infos"') == 1
        and around.count(b'"total"') == (total is not None)
        and rows.count(b'"task_id"') == len(tasks)
        and not (b"\\" in content and _ESCAPED_LETTER.search(content))
    )
    if not is_plain or not _ERRORS.isdisjoint(fields):
        return None
    del fields["task_infos"]
    return Shown(
        tuple([task.task_id for task in tasks]),
        tuple([task.create_time for task in tasks]),
        frozenset([task.region for task in tasks]),
        total,
        _flaw_of_empty(tasks, fields),
        more_of(fields) if fields else NOTHING_MORE,
    )


def read_object(content: str | bytes) -> dict[str, Any] | None:
    """Return an answer that is a JSON object, with null and U+FFFD for unreadable parts; None for any other answer."""
    try:
        json = parse(content)
    except NotReadable:
        return None
    if not isinstance(json.value, dict):
        return None
    found: dict[str, Any] = cleaned(json.value) if json.may_be_odd else json.value
    return found


def read_error(content: str | bytes) -> tuple[str | None, str | None]:
    """Return `(code, message)` of an error body in any of the service's forms; each is None if it is missing."""
    body = read_object(content)
    if body is not None and body.get("error") and isinstance(body["error"], dict):
        body = body["error"]
    if body is None:
        return None, None
    code = next((body[key] for key in ("error_code", "errorCode", "code") if key in body), None)
    text = next((body[key] for key in ("error_msg", "errorMsg", "message") if key in body), None)
    return (str(code) if code is not None else None), (str(text) if text is not None else None)


def says_error(content: bytes) -> bool:
    """Tell whether a 200 response is a refusal: it has an error and no task."""
    # A bare `code` is not an error, as gateways add one. The search for bytes spares a second parse of most answers.
    return b'"error' in content and read_answer(content).flaw == ERROR_IN_ANSWER


def _has_error(body: dict[str, Any]) -> bool:
    codes = (body.get("error_code"), body.get("errorCode"))
    return any(code not in {None, "", "0", 0} for code in codes if not isinstance(code, dict | list)) or bool(
        body.get("error") or any(code for code in codes if isinstance(code, dict | list))
    )


def read_time(text: str | None) -> datetime | None:
    """Return the time in a header (`Date`, `Retry-After`) as UTC; None if there is none that can be read."""
    try:
        return parsedate_to_datetime(text).astimezone(UTC) if text else None
    except (ValueError, TypeError, OverflowError):
        return None


def _read_odd(content: str | bytes) -> Reading:
    try:
        json = parse(content, look_for_repeats=True)
    except NotReadable as error:
        return Reading([], flaw=str(error))
    body = json.value
    if not isinstance(body, dict):
        return Reading([], flaw="answer_not_json_object")
    fields = {name: value for name, value in body.items() if name not in _ENVELOPE}
    reading = _read_body(json, body, fields)
    return replace(reading, more=more_of(fields), oddities=[*reading.oddities, *_unknown_fields(fields)])


def _read_body(json: Json, body: dict[str, Any], fields: dict[str, Any]) -> Reading:
    repeated = json.repeated.get(id(body), [])
    oddities = _oddities_of_repeats([*repeated, *json.repeated_in(fields)])
    if json.has_mark:
        oddities.append(Oddity(ANSWER, "byte_order_mark", '"\\ufeff"'))
    if any(name in _DECIDING for name, _ in repeated):
        return Reading([], None, REPEATED_KEY, oddities)
    total, is_known = _total(body, oddities)
    tasks = body.get("task_infos")
    has_error = _has_error(body)
    rows = tasks if isinstance(tasks, list) and all(isinstance(task, dict) for task in tasks) else None
    is_recognised = is_known and isinstance(body.get("request_id"), str)
    if (rows and has_error) or (rows is not None and is_recognised and not has_error):
        reading = _read_tasks(rows, total, oddities, json)
        if has_error:
            return replace(reading, flaw=ERROR_BESIDE_ROWS)
        return replace(reading, flaw=_flaw_of_empty(rows, fields)) if not rows else reading
    if has_error:
        return Reading([], total, ERROR_IN_ANSWER, oddities)
    if is_recognised and tasks is None and total == 0:
        return Reading([], 0, _flaw_of_empty([], fields), oddities)
    is_null = is_recognised and tasks is None and "task_infos" in body
    return Reading([], total, "tasks_null_beside_total" if is_null else "answer_not_recognised", oddities)


def _total(body: dict[str, Any], oddities: list[Oddity]) -> tuple[int | None, bool]:
    """Return `total` and whether its value is usable; a text of digits or a float without a fraction counts as well."""
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


def _read_tasks(rows: list[dict[str, Any]], total: int | None, oddities: list[Oddity], json: Json) -> Reading:
    tasks: list[Any] = []
    task_oddities: dict[int, list[Oddity]] = {}
    flaws = set()
    for row in rows:
        repeated = json.repeated_in(row)
        has_two_ids = any(name == "task_id" for name, _ in json.repeated.get(id(row), []))
        flaw = REPEATED_KEY if has_two_ids else _flaw_of_id(row.get("task_id"))
        if flaw is not None:
            flaws.add(flaw)
            oddities.append(Oddity("task_id", flaw, original(row)))
            continue
        found = [*(_oddities_of(row) if json.may_be_odd else []), *_oddities_of_repeats(repeated)]
        if found:
            task_oddities[len(tasks)] = found
        tasks.append(cleaned(row) if found and json.may_be_odd else row)
    return Reading(tasks, total, min(flaws, default=None), oddities, task_oddities)


def _oddities_of_repeats(repeated: list[tuple[str, Any]]) -> list[Oddity]:
    """Return one oddity per repeated name, with the values that a later one replaced."""
    names = dict.fromkeys(name for name, _ in repeated)
    return [
        Oddity(clean_name(name), REPEATED_KEY, original([value for other, value in repeated if other == name]))
        for name in names
    ]


def _flaw_of_id(task_id: object) -> str | None:
    """Return the flaw of an id that is missing or not valid text, else None; cleaning could make two such ids equal."""
    if not isinstance(task_id, str) or not task_id:
        return "task_without_id"
    return "task_id_not_unicode" if rules_broken(task_id) else None


def _oddities_of(task: dict[str, Any]) -> list[Oddity]:
    """Return the oddities of a task's values: per item for a documented list, per field for anything else."""
    found = []
    for name, value in task.items():
        places = list(enumerate(value)) if isinstance(value, list) and name in KNOWN_FIELDS else [(None, value)]
        for position, item in places:
            found += [Oddity(clean_name(name), rule, original(item), position) for rule in rules_broken(item)]
        if rules_broken(name):
            found.append(Oddity(clean_name(name), "name_not_unicode", original(name)))
    return found
