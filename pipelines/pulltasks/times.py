"""Texts of the service as times: what is one, and which rule is broken where it is none.

Lives here: the form of a time, the range that every reader can tell.
Does not live here: columns (lake.rows), times of headers (huawei.reading).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from pulltasks.lazily import pa, pc

# ISO 8601 with T or a blank, to the minute or finer; a date alone says no time, and none is invented. Whatever else a
# library would make a time of is kept as text.
_FORM = re.compile(
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?$"
)
# What Python, and so every reader of the tables, can tell: years 1 to 9999.
_FIRST_MOMENT, _LAST_MOMENT = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def read_times(raw: pa.Array) -> tuple[pa.Array, list[tuple[int, str]]]:
    """Texts as times in UTC, null where one is none or empty; and `(place, rule broken)` of those that surprise."""
    filled = pc.if_else(pc.equal(raw, ""), None, raw)
    if not pc.any(pc.invert(pc.match_substring_regex(filled, _FORM.pattern))).as_py():
        try:
            times = filled.cast(_zoned())
        except pa.ArrowInvalid:
            times = None
        if times is not None and _are_in_range(times):
            return times, []
    read = [_time(text) for text in raw.to_pylist()]
    broken = [(place, rule) for place, (_, rule) in enumerate(read) if rule is not None]
    return pa.array([value for value, _ in read], _zoned()), broken


def _zoned() -> pa.DataType:
    return pa.timestamp("us", tz="UTC")


def _are_in_range(times: pa.Array) -> bool:
    first, last = (pa.scalar(moment, _zoned()) for moment in (_FIRST_MOMENT, _LAST_MOMENT))
    is_known = pc.and_(pc.greater_equal(times, first), pc.less_equal(times, last))
    return pc.all(is_known).as_py() is not False  # None: there is no time at all


def _time(text: str | None) -> tuple[datetime | None, str | None]:
    """One text as `(time, rule broken)`; without a zone it is taken for UTC, as the vendor's own client does."""
    if not text:
        return None, None
    if not _FORM.match(text):
        return None, "unreadable_time"
    try:
        return pa.scalar(text).cast(_zoned()).as_py(), None
    except (pa.ArrowInvalid, ValueError, OverflowError):
        pass
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            return moment.replace(tzinfo=UTC), "time_without_zone"
        return moment.astimezone(UTC), None
    except (ValueError, OverflowError):  # no time, or one that is out of range in UTC
        return None, "unreadable_time"
