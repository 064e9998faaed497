"""A lenient JSON parser for bytes from outside: it accepts odd values, and reports them.

Lives here: one parser for answers of any service, limited in length and depth; one for files of our own.
Does not live here: the meaning of values (huawei.reading, alerts.webhook, lake.lake).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from pulltasks.errors import NotReadable

if TYPE_CHECKING:
    from collections.abc import Callable

# A page of 100 tasks that are all as long as documented is below 15 MB.
MAX_BYTES = 32_000_000
# A page of tasks is nested four deep. The interpreter's own limit, which depends on the caller, is far above.
MAX_DEPTH = 500
# The limit of Python's own `int`; msgspec has the same limit, and counts the sign.
MAX_DIGITS = 4300
BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_T = TypeVar("_T")
_SURROGATE = re.compile("[\ud800-\udfff]")
# Bytes that are not UTF-8 appear as surrogates in this range (`surrogateescape`).
_ESCAPED_BYTES = range(0xDC80, 0xDD00)


@dataclass(frozen=True)
class OddNumber:
    """A number that neither a 64-bit float nor an integer of `MAX_DIGITS` can hold, as it was written."""

    text: str


@dataclass(frozen=True)
class Json:
    """Parsed bytes.

    Attributes:
        value: the value; an object becomes a dict, with the last one of equal names. Only if `may_be_odd`, texts may
            have lone surrogates and a number may be an `OddNumber`.
        may_be_odd: parts of the value may have to be replaced; see `cleaned`.
        has_mark: the bytes began with a byte order mark.
        repeated: by `id` of an object, `(name, value)` of each value that a later one of the same name replaced. Empty
            unless `parse` looked for repeats.
    """

    value: Any
    may_be_odd: bool
    has_mark: bool
    repeated: dict[int, list[tuple[str, Any]]] = field(default_factory=dict)

    def repeated_in(self, value: Any) -> list[tuple[str, Any]]:
        """Return `(name, value)` of everything replaced in a value and in its nested values."""
        found: list[tuple[str, Any]] = []
        pending = [value] if self.repeated else []
        while pending:
            item = pending.pop()
            if isinstance(item, dict):
                found += self.repeated.get(id(item), [])
                pending += item.values()
            elif isinstance(item, list):
                pending += item
        return found


def parse(content: str | bytes, *, look_for_repeats: bool = False) -> Json:
    """Parse bytes into a JSON value.

    Args:
        content: the bytes, or their text.
        look_for_repeats: also find names that an object has twice; it costs five times as much.

    Raises:
        NotReadable: `answer_not_json_object`, `answer_too_deep` or `answer_too_large`.
    """
    if len(content) > MAX_BYTES:
        raise NotReadable("answer_too_large")
    data = content.encode() if isinstance(content, str) else content
    has_mark = data.startswith(BYTE_ORDER_MARK)
    data = data.removeprefix(BYTE_ORDER_MARK)
    repeated: dict[int, list[tuple[str, Any]]] = {}
    try:
        value, may_be_odd = msgspec.json.decode(data), False
    except RecursionError:
        raise NotReadable("answer_too_deep") from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        may_be_odd = True
    # msgspec is fast but refuses odd values, and drops repeats: only then is the slow parser needed.
    if may_be_odd or look_for_repeats:
        value = _parse_leniently(data, repeated)
    if not _is_shallow(value):
        raise NotReadable("answer_too_deep")
    return Json(value, may_be_odd, has_mark, repeated)


def decode_file(content: bytes, kind: type[_T]) -> _T:
    """Return the content of a file that this software wrote.

    Raises:
        NotReadable: when it has any other content.
    """
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotReadable(str(error)) from None


def cleaned(value: Any) -> Any:
    """Return the value with null for odd numbers and U+FFFD for invalid text; different names stay different.

    Without recursion, whose bound depends on the caller.
    """
    whole: list[Any] = []
    pending: list[tuple[Callable[[Any], None], Any]] = [(whole.append, value)]
    while pending:
        put, item = pending.pop()
        if isinstance(item, dict):
            named: dict[str, Any] = {}
            put(named)
            pending += [(partial(named.__setitem__, clean_name(name)), part) for name, part in reversed(item.items())]
        elif isinstance(item, list):
            listed: list[Any] = []
            put(listed)
            pending += [(listed.append, part) for part in reversed(item)]
        elif isinstance(item, str):
            put(_SURROGATE.sub("\ufffd", item))
        else:
            put(None if isinstance(item, OddNumber) else item)
    return whole[0]


def clean_name(name: str) -> str:
    """Return the name of a field with escapes for invalid text."""
    return _SURROGATE.sub(_escape, name) if _SURROGATE.search(name) else name


def rules_broken(value: Any) -> list[str]:
    """Return the reasons why a value must be cleaned: `not_unicode`, `unreadable_number`, both or none, sorted."""
    found: set[str] = set()
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            if _SURROGATE.search(item):
                found.add("not_unicode")
        elif isinstance(item, list):
            pending += item
        elif isinstance(item, dict):
            pending += item.keys()
            pending += item.values()
        elif isinstance(item, OddNumber):
            found.add("unreadable_number")
    return sorted(found)


def original(value: Any) -> str:
    """Return a value as JSON text, with invalid text escaped.

    An odd number is as it was written; within a list or an object it is between quotes.
    """
    if isinstance(value, OddNumber):
        return value.text
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=lambda odd: odd.text)
    return _SURROGATE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code - 0xDC00:02x}" if code in _ESCAPED_BYTES else f"\\u{code:04x}"


def _parse_leniently(data: bytes, repeated: dict[int, list[tuple[str, Any]]] | None = None) -> Any:
    """Return JSON that msgspec refuses because of single values; truncated JSON is still an error."""

    def made(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if repeated is not None and len(found) < len(pairs):
            last = {name: place for place, (name, _) in enumerate(pairs)}
            repeated[id(found)] = [pair for place, pair in enumerate(pairs) if last[pair[0]] != place]
        return found

    try:
        # Python's parser accepts no other blanks than JSON does.
        return json.loads(
            data.decode("utf-8", "surrogateescape"),
            strict=False,
            object_pairs_hook=made,
            parse_int=_integer,
            parse_float=_float,
            parse_constant=OddNumber,
        )
    except RecursionError:
        raise NotReadable("answer_too_deep") from None
    except ValueError:
        raise NotReadable("answer_not_json_object") from None


def _integer(text: str) -> int | OddNumber:
    return OddNumber(text) if len(text) > MAX_DIGITS else int(text)


def _float(text: str) -> float | OddNumber:
    value = float(text)
    return OddNumber(text) if value in (float("inf"), float("-inf")) else value


def _is_shallow(value: Any) -> bool:
    # Level by level: recursion has a limit that depends on the caller.
    level = [value] if isinstance(value, list | dict) else []
    for _ in range(MAX_DEPTH):
        level = [
            item
            for holder in level
            for item in (holder.values() if type(holder) is dict else holder)
            if type(item) is dict or type(item) is list
        ]
        if not level:
            return True
    return False
