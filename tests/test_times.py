"""Texts of the service as times: what is one, whatever stands beside it, and which rule is broken where it is none."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulltasks.times import read_times

CASES = {
    "2026-11-22T10:00:00Z": (datetime(2026, 11, 22, 10, tzinfo=UTC), None),
    "2026-11-22 18:00+0800": (datetime(2026, 11, 22, 10, tzinfo=UTC), None),
    "2026-11-22T10:00:00.5Z": (datetime(2026, 11, 22, 10, 0, 0, 500_000, UTC), None),
    "2026-11-22T10:00:00": (datetime(2026, 11, 22, 10, tzinfo=UTC), "time_without_zone"),
    "2026-11-22": (None, "unreadable_time"),
    "2026-02-30T10:00:00Z": (None, "unreadable_time"),
    "0001-01-01T00:00:00+08:00": (None, "unreadable_time"),
    "9999-12-31T23:59:59-08:00": (None, "unreadable_time"),
    "tomorrow": (None, "unreadable_time"),
    "": (None, None),
    None: (None, None),
}
WRITTEN = st.datetimes().map(lambda moment: f"{moment:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + "Z")


def read(*texts: str | None) -> list[tuple[datetime | None, str | None]]:
    times, broken = read_times(pa.array(texts, pa.string()))
    rules = dict(broken)
    return [(time, rules.get(place)) for place, time in enumerate(times.to_pylist())]


@pytest.mark.parametrize(("text", "expected"), CASES.items())
def test_a_text_is_a_time_in_utc_or_null_with_its_rule(text: str | None, expected: tuple) -> None:
    assert read(text) == [expected]


@given(st.lists(st.sampled_from([*CASES]) | WRITTEN | st.text(max_size=5), max_size=6))
def test_what_stands_beside_a_text_changes_nothing(texts: list[str | None]) -> None:
    assert read(*texts) == [each for text in texts for each in read(text)]
