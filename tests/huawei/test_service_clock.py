"""The `Date` of every answer counts for the day: of a 401, of two headers, and of none on the second connection."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk import ZONES, Desk
from plain_service import PlainService, date_header, listing, serving_plainly
from pulltasks.clock import Clock
from pulltasks.errors import ClockDisagrees
from pulltasks.huawei.service_clock import RunBegin
from pulltasks.run.order import snapshot
from pulltasks.sandbox.data import Place

ONE, TWO = (Place(f"{n}" * 32, "cn-north-4", 3, name=f"p{n}") for n in (1, 2))
REFUSAL = b'{"error_code":"APIGW.0301","error_msg":"x-sdk-date expired"}'
RIGHT, WRONG = date_header()["Date"], date_header(timedelta(days=2))["Date"]
BOTH = {"Date": f"{RIGHT}\r\nDate: {WRONG}"}


@pytest.fixture
def service() -> PlainService:
    service = PlainService()
    for place in (ONE, TWO):
        service.answers[place.project_id] = lambda _, place=place: (200, date_header(), listing(place.project_id))
    return service


def run(service: PlainService, folder: Path, *places: Place, offset: timedelta = timedelta()):
    with serving_plainly(service) as url:
        desk = Desk(None, url, folder, places)
        clock = Clock(lambda: datetime.now(UTC) + offset, desk.clock.new_id)
        try:
            result = snapshot(desk.settings, desk.settings.today(clock.now()), clock)
        finally:
            written = [path for path in (desk.lake.root / "raw").rglob("*") if path.is_file()]
        return result, written


def in_turn(*answers):
    """Give the answers one after the other, the last one from then on."""
    return lambda number: answers[min(number, len(answers) - 1)]


@pytest.mark.parametrize("days", [2, -40])
def test_the_date_of_a_401_counts_where_no_other_answer_has_one(
    service: PlainService, tmp_path: Path, days: int
) -> None:
    good = (200, {}, listing(ONE.project_id))
    service.answers[ONE.project_id] = in_turn((401, date_header(), REFUSAL), good)
    with pytest.raises(ClockDisagrees):
        run(service, tmp_path, ONE, offset=timedelta(days=days))
    assert not list((tmp_path / "lake" / "raw").rglob("*.zst"))


@pytest.mark.parametrize(
    ("again", "is_captured"),
    [
        (date_header(), True),  # another connection refutes it
        (BOTH, False),
        ({}, False),  # what says nothing refutes nothing
        ({"Date": WRONG}, False),
    ],
    ids=["right", "both", "none", "wrong"],
)
@pytest.mark.parametrize("first", [BOTH, {"Date": WRONG}], ids=["both", "wrong"])
def test_a_disagreement_is_asked_again_and_refuses_that_target_alone(
    service: PlainService, tmp_path: Path, first: dict, again: dict, is_captured: bool
) -> None:
    rows = listing(ONE.project_id)
    service.answers[ONE.project_id] = in_turn((200, first, rows), (200, again, rows))
    result, written = run(service, tmp_path, ONE, TWO)
    found = {capture.target.project_id: (capture.verdict, capture.reason) for capture in result.captures}
    assert found[TWO.project_id] == ("complete", None)
    assert found[ONE.project_id] == (("complete", None) if is_captured else ("missing", "clock_disagrees"))
    assert any(ONE.project_id in str(path) for path in written) == is_captured


MOMENTS = st.datetimes(datetime(2025, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC))

SECONDS = st.integers(-119, 119)


def begin(at: datetime, zone: str) -> RunBegin:
    local = at.astimezone(ZoneInfo(zone))
    return RunBegin(local.date(), local.tzinfo, at, 1000.0)


@given(at=MOMENTS, zone=st.sampled_from(ZONES), skew=SECONDS, elapsed=st.floats(0, 7200))
def test_no_honest_run_is_refused(at: datetime, zone: str, skew: int, elapsed: float) -> None:
    received = at + timedelta(seconds=elapsed)
    said = (received + timedelta(seconds=skew)).replace(microsecond=0)
    if abs(said - received) < timedelta(minutes=2):
        assert begin(at, zone).judge(said, received, 1000.0 + elapsed) == "agrees"


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("minutes", [-31, -30, -29, -2, -1, 0, 1, 2, 29, 30, 31])
def test_around_midnight_and_at_the_change_of_the_clocks_no_honest_run_is_refused(zone: str, minutes: int) -> None:
    days = [
        date(2026, 3, 29),
        date(2026, 10, 25),
        date(2026, 11, 1),
        date(2026, 3, 8),
        date(2026, 4, 5),
        date(2026, 11, 25),
    ]
    for day in days:
        midnight = datetime(day.year, day.month, day.day, tzinfo=ZoneInfo(zone))
        at = midnight.astimezone(UTC) + timedelta(minutes=minutes)
        for elapsed in (0, 60, 1800, 3600):
            received = at + timedelta(seconds=elapsed)
            assert begin(at, zone).judge(received, received, 1000.0 + elapsed) == "agrees"


@given(
    at=MOMENTS,
    zone=st.sampled_from(ZONES),
    skew=st.integers(120, 10**9) | st.integers(-(10**9), -120),
    elapsed=st.floats(0, 7200),
)
def test_a_wrong_clock_is_refused_if_and_only_if_it_changes_the_day(
    at: datetime, zone: str, skew: int, elapsed: float
) -> None:
    received = at + timedelta(seconds=elapsed)
    said = received + timedelta(seconds=skew)
    other_day = (at + timedelta(seconds=skew)).astimezone(ZoneInfo(zone)).date() != at.astimezone(ZoneInfo(zone)).date()
    expected = "disagrees" if other_day else "agrees"
    assert begin(at, zone).judge(said, received, 1000.0 + elapsed) == expected


@pytest.mark.parametrize(("hour", "is_near"), [(0, True), (23, True), (1, False), (12, False)])
def test_a_message_names_both_times_and_near_midnight_another_hour(hour: int, is_near: bool) -> None:
    at = datetime(2026, 11, 25, hour, 30, tzinfo=UTC)
    text = begin(at, "UTC").disagreement(at - timedelta(days=1), 1000.0)
    assert f"2026-11-25 {hour:02}:30" in text
    assert f"2026-11-24 {hour:02}:30" in text
    assert ("an hour away from midnight" in text) == is_near
