"""Parsing the service's texts as times, and naming the broken rule of those that are not valid.

Lives here: the form of a time, the range that every reader supports.
Does not live here: columns (lake.rows), times of headers (huawei.reading).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from pulltasks.lazily import pa, pc

# ISO 8601 with T or a blank, to the minute or finer. A date alone has no time, and none is invented. Other texts that a
# library would accept as times stay texts.
_FORM = re.compile(
    r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}:?[0-9]{2})?$"
)
# The range of Python, and so of every reader of the tables: years 1 to 9999.
_FIRST_MOMENT, _LAST_MOMENT = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def read_times(raw: pa.Array) -> tuple[pa.Array, list[tuple[int, str]]]:
    """Parse texts as times.

    Returns:
        The times in UTC, in microseconds, null for a text that is empty or not a time; and `(index, broken rule)` of
        each unexpected text.
    """
    # Nearly all columns have only times with a zone: then Arrow parses all of them at once.
    filled = pc.if_else(pc.equal(raw, ""), None, raw)
    if not pc.any(pc.invert(pc.match_substring_regex(filled, _FORM.pattern))).as_py():
        try:
            times = filled.cast(_zoned())
        except pa.ArrowInvalid:
            times = None
        if times is not None and _are_in_range(times):
            return times, []
    read = [_time(text) for text in raw.to_pylist()]
    broken = [(index, rule) for index, (_, rule) in enumerate(read) if rule is not None]
    return pa.array([value for value, _ in read], _zoned()), broken


def _zoned() -> pa.DataType:
    return pa.timestamp("us", tz="UTC")


def _are_in_range(times: pa.Array) -> bool:
    first, last = (pa.scalar(moment, _zoned()) for moment in (_FIRST_MOMENT, _LAST_MOMENT))
    is_known = pc.and_(pc.greater_equal(times, first), pc.less_equal(times, last))
    return pc.all(is_known).as_py() is not False  # None: there is not a single time


def _time(text: str | None) -> tuple[datetime | None, str | None]:
    """Return `(time, broken rule)` of one text; without a zone it counts as UTC, as in the vendor's own client."""
    if not text:
        return None, None
    if not _FORM.match(text):
        return None, "unreadable_time"
    # Arrow first, as in `read_times`, so that a column has the same times either way; it refuses texts without a zone.
    try:
        return pa.scalar(text).cast(_zoned()).as_py(), None
    except (pa.ArrowInvalid, ValueError, OverflowError):
        pass
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            return moment.replace(tzinfo=UTC), "time_without_zone"
        return moment.astimezone(UTC), None
    except (ValueError, OverflowError):  # not a time, or out of range in UTC
        return None, "unreadable_time"
