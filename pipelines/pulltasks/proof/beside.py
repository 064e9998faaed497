"""Fields of an answer beside `request_id`, `total` and `task_infos` that announce more tasks or report an error.

Lives here: the names and values that count as such; functions of the answer's other fields alone.
Does not live here: parsing the answer (reading), the consequence for the listing (sweep), storage (lake.tasks).

The API is expected to grow, so an unknown field means nothing by itself. Only words that mean the same in every API
count: a flag that there is more, a marker of a next page, another list of tasks, another count of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_TOKEN = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[^\W\d_A-Za-z]+")
# The rows of this answer are only a part of what they should be. That is a flaw on every page of the list.
_PART = frozenset({"partial", "ispartial", "incomplete", "isincomplete", "partialresult", "partialresults"})
# More rows follow. That is a flaw only on the page that reaches the end of the list.
_MORE = frozenset(
    {"more", "hasmore", "ismore", "moreresults", "hasmoreresults", "moreavailable", "hasnext", "hasnextpage"}
    | {"truncated", "istruncated"}
)
_NEXT, _NEXT_OF = (
    frozenset({"next", "continuation"}),
    frozenset({"next", "marker", "cursor", "token", "page", "offset", "link", "url", "uri", "href"}),
)
_COUNTS = frozenset({"total", "totals", "count", "counts", "cnt", "totalcount", "totalnum", "taskcount", "rowcount"})
# Counts of something other than tasks: limits, also where only the enclosing field is one (`quota.total`); positions in
# the list; measures of the request itself.
_BOUNDS = frozenset({"limit", "limits", "quota", "quotas", "max", "maximum"})
_NOT_COUNTS = _BOUNDS | frozenset(
    {"size", "offset", "page", "pages", "request", "requests"}
    | {"retry", "retries", "call", "calls", "hit", "hits", "time", "elapsed", "took", "duration", "cost", "rate"}
    | {"ns", "us", "ms", "sec", "secs", "second", "seconds", "minutes", "bytes", "kb", "mb"}
)
# Services write "there is no next page" in many ways.
_NOTHING_TEXTS = frozenset({"", "0", "-1", "false", "no", "none", "null"})
_TRUE_TEXTS = frozenset({"1", "true", "yes", "y"})
# A gateway may add a code and a message to every answer, so words of success must not count as an error.
_SUCCESS = frozenset(
    {"", "0", "ok", "success", "succeed", "succeeded", "successful", "successfully", "true", "normal", "none", "null"}
    | {"request success", "operation succeeded", "成功", "操作成功", "请求成功"}
)
_SUCCESS_STATUS = re.compile(r"2[0-9]{2}( ok)?", re.ASCII)
# Fields that carry words of an error, and fields that carry a code.
_ERROR_WORDS = frozenset(
    {"errormsg", "errormessage", "errordescription", "message", "msg", "errors", "error", "exception", "fault"}
)
_STATES = frozenset({"status", "code", "errorcode", "retcode", "resultcode", "statuscode"})
_SUCCESS_FLAGS = frozenset({"success", "succeeded", "issuccess", "ok"})


@dataclass(frozen=True)
class More:
    """The hints in an answer that there are tasks beside its rows.

    Attributes:
        is_part: the answer calls its rows a part of the result.
        has_next: the answer announces more rows.
        count: the largest other count of tasks; 0 without one.
        ids: the ids of tasks in other lists of the answer.
    """

    is_part: bool = False
    has_next: bool = False
    count: int = 0
    ids: frozenset[str] = frozenset()

    @property
    def says_more(self) -> bool:
        """Tell whether there is any such hint."""
        return self.is_part or self.has_next or self.count > 0 or bool(self.ids)


NOTHING_MORE = More()


def more_of(fields: Mapping[str, Any]) -> More:
    """Return the hints at more tasks in an answer's other fields, nested objects included."""
    is_part = has_next = False
    count, ids = 0, set()
    for path, value in _entries(fields):
        name = "".join(path[-1])
        is_part |= name in _PART and _is_true(value)
        has_next |= (name in _MORE and _is_true(value)) or (_names_next(path[-1]) and _has_value(value))
        count = max(count, _count(path, value))
        ids |= _ids_of_tasks(value)
    return More(is_part, has_next, count, frozenset(ids))


def has_words_of_error(fields: Mapping[str, Any]) -> bool:
    """Tell whether an answer's other fields report an error; an empty list beside one does not count."""
    return any(_is_word_of_error("".join(_tokens(name)), value) for name, value in fields.items())


def _is_word_of_error(name: str, value: Any) -> bool:
    if name in _SUCCESS_FLAGS:
        return value is False or (isinstance(value, str) and value.strip().casefold() in {"false", "no", "0"})
    if name in _STATES:
        return not _is_success(value)
    return name in _ERROR_WORDS and not _is_success(value)


def _is_success(value: Any) -> bool:
    if value in (None, False, 0, [], {}) or value is True:
        return True
    if isinstance(value, int | float):
        return 200 <= value < 300  # noqa: PLR2004 - the statuses of success
    text = value.strip().rstrip(".!。").casefold() if isinstance(value, str) else None
    return text is not None and (text in _SUCCESS or _SUCCESS_STATUS.fullmatch(text) is not None)


def _tokens(name: str) -> tuple[str, ...]:
    """Return the lower-case words of a name; `NextMarker`, `next_marker` and `next-marker` give the same two."""
    return tuple(token.casefold() for token in _TOKEN.findall(name))


def _entries(fields: Mapping[str, Any]) -> Iterator[tuple[tuple[tuple[str, ...], ...], Any]]:
    """Yield `(path, value)` of each field; a path has the words of each name, outermost first. Lists are not opened."""
    pending: list[tuple[tuple[tuple[str, ...], ...], Mapping[str, Any]]] = [((), fields)]
    while pending:
        around, holder = pending.pop()
        for name, value in holder.items():
            path = (*around, _tokens(name))
            yield path, value
            if isinstance(value, dict):
                pending.append((path, value))


def _names_next(words: tuple[str, ...]) -> bool:
    return not _NEXT.isdisjoint(words) and words[-1] in _NEXT_OF


def _is_true(value: Any) -> bool:
    return value is True or value == 1 or (isinstance(value, str) and value.strip().casefold() in _TRUE_TEXTS)


def _has_value(value: Any) -> bool:
    if isinstance(value, str):
        return value.strip().casefold() not in _NOTHING_TEXTS
    if isinstance(value, dict):
        return any(_has_value(item) for item in value.values())
    return bool(value) and value != -1


def _count(path: tuple[tuple[str, ...], ...], value: Any) -> int:
    """Return the value as a number if it counts tasks, else 0."""
    is_of_something_else = not _NOT_COUNTS.isdisjoint(path[-1]) or any(not _BOUNDS.isdisjoint(words) for words in path)
    if _COUNTS.isdisjoint(path[-1]) or is_of_something_else:
        return 0
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value.strip(), re.ASCII):
        return int(value)
    # JSON has one kind of number: some services write a count as 12.0. A flag (`"total": true`) is not a count.
    is_number = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    return int(value) if is_number and not isinstance(value, bool) else 0


def _ids_of_tasks(value: Any) -> set[str]:
    """Return the ids in a list of tasks, or in an object of tasks by name; an id that is not a string becomes ""."""
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        return set()
    found = [item["task_id"] for item in value if isinstance(item, dict) and "task_id" in item]
    return {task_id if isinstance(task_id, str) else "" for task_id in found}
