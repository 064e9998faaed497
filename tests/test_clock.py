"""The day is the service's: a machine whose clock is wrong writes nothing under another date."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from conftest import Desk
from hypothesis import given
from hypothesis import strategies as st
from plain_service import PlainService, date_header, listing, serving_plainly

from pipelines import cli
from pipelines.capture import Clock
from pipelines.errors import ClockDisagrees
from pipelines.huawei.service_clock import RunBegin
from pipelines.runs import snapshot
from pipelines.sandbox.data import Place
from pipelines.sandbox.server import Sandbox, serving
from pipelines.warehouse import open_published

ONE, TWO = (Place(f"{n}" * 32, "cn-north-4", 3, name=f"p{n}") for n in (1, 2))
WRONG = [timedelta(days=2), timedelta(days=400), timedelta(days=365 * 73), -timedelta(days=2), -timedelta(days=800)]
ZONES = [
    "UTC",
    "Asia/Shanghai",
    "Europe/Berlin",
    "America/New_York",
    "Pacific/Kiritimati",
    "Australia/Lord_Howe",
    "Pacific/Apia",
]


@pytest.fixture
def service():
    service = PlainService()
    for place in (ONE, TWO):
        service.answers[place.project_id] = lambda _, place=place: (200, date_header(), listing(place.project_id))
    return service


@pytest.fixture
def desk(service: PlainService, tmp_path: Path):
    with serving_plainly(service) as url:
        yield Desk(None, url, tmp_path, (ONE, TWO))


def moved(desk: Desk, offset: timedelta) -> Clock:
    return Clock(lambda: datetime.now(UTC) + offset, desk.clock.new_id)


def run(desk: Desk, offset: timedelta = timedelta()):
    clock = moved(desk, offset)
    return snapshot(desk.settings, desk.settings.today(clock.now()), clock)


def files(desk: Desk) -> list[Path]:
    return [
        path
        for folder in ("raw", "tidy", "warehouse", ".unfinished")
        for path in (desk.lake.root / folder).rglob("*")
        if path.is_file()
    ]


def off(offset: timedelta, place: Place):
    return lambda _: (200, date_header(offset), listing(place.project_id))


@pytest.mark.parametrize("offset", WRONG, ids=str)
def test_a_machine_of_another_day_writes_nothing(desk: Desk, offset: timedelta) -> None:
    with pytest.raises(
        ClockDisagrees, match=r"the run began at .* by this machine's, at .* by the service's \(UTC\)"
    ) as refused:
        run(desk, offset)
    assert refused.value.exit_code == 2
    assert files(desk) == []


@pytest.mark.parametrize("offset", [timedelta(days=3), -timedelta(days=3)], ids=str)
def test_a_signature_dated_by_the_wrong_clock_is_no_way_round(tmp_path: Path, offset: timedelta) -> None:
    """The sandbox refuses the signature; what is signed again by its clock shows the day."""
    sandbox = Sandbox((ONE,))
    with serving(sandbox) as url:
        desk = Desk(sandbox, url, tmp_path, (ONE,))
        with pytest.raises(ClockDisagrees):
            run(desk, offset)
        assert files(desk) == []
        assert run(desk).is_complete


def test_a_skew_that_changes_no_day_is_corrected_and_said(tmp_path: Path) -> None:
    sandbox = Sandbox((ONE,))
    now = datetime.now(UTC)
    offset = timedelta(minutes=20) if now.hour < 12 else -timedelta(minutes=20)
    with serving(sandbox) as url:
        desk = Desk(sandbox, url, tmp_path, (ONE,))
        (result,) = run(desk, offset).captures
    assert result.verdict == "complete"
    assert abs(result.clock_skew_seconds + offset.total_seconds()) < 30


def test_one_service_of_another_day_is_refused_and_the_others_are_captured(desk: Desk, service: PlainService) -> None:
    service.answers[TWO.project_id] = off(timedelta(days=2), TWO)
    result = run(desk)
    assert [(capture.verdict, capture.reason) for capture in result.captures] == [
        ("complete", None),
        ("missing", "clock_disagrees"),
    ]
    assert service.requests[TWO.project_id] == 1  # asked twice, on two connections
    assert len([path for path in files(desk) if path.suffix == ".zst"]) == 1
    with open_published(desk.lake) as connection:
        found = connection.sql(
            "select target_name, coverage, verdict_reason from rpt_snapshot_coverage order by all"
        ).fetchall()
    assert [row[1:] for row in found] == [("complete", None), ("missing", "no_capture")]


def test_one_odd_date_that_a_second_connection_does_not_bear_out_refuses_nothing(
    desk: Desk, service: PlainService
) -> None:
    service.answers[TWO.project_id] = lambda n: (
        200,
        date_header(timedelta(days=2) if n == 0 else timedelta()),
        listing(TWO.project_id),
    )
    assert run(desk).is_complete


@pytest.mark.parametrize("header", [{}, {"Date": "soon"}, {"Date": "Fri, 31 Dec 9999 23:59:59 -2300"}], ids=str)
def test_a_service_that_says_no_time_says_nothing_of_the_day(
    desk: Desk, service: PlainService, header: dict[str, str]
) -> None:
    for place in (ONE, TWO):
        service.answers[place.project_id] = lambda _, place=place: (200, header, listing(place.project_id))
    assert run(desk).is_complete


def test_where_none_confirms_the_day_and_one_denies_it_nothing_is_written(desk: Desk, service: PlainService) -> None:
    service.answers[ONE.project_id] = lambda _: (200, {}, listing(ONE.project_id))
    service.answers[TWO.project_id] = off(-timedelta(days=1, hours=1), TWO)
    with pytest.raises(ClockDisagrees):
        run(desk)
    assert files(desk) == []


def test_a_later_day_stays_the_answer_of_a_later_run(desk: Desk) -> None:
    """After the clock is set right, the day that was refused is captured as if nothing had been."""
    with pytest.raises(ClockDisagrees):
        run(desk, timedelta(days=2))
    assert run(desk).is_complete
    assert desk.lake.raw_dates() == [desk.settings.today(datetime.now(UTC))]


def test_on_the_command_line_it_ends_with_2_and_an_alarm(desk: Desk, service, monkeypatch, capfd, webhook) -> None:
    for place in (ONE, TWO):
        service.answers[place.project_id] = off(timedelta(days=2), place)
    assert command(desk, monkeypatch) == 2
    assert "the run began at" in capfd.readouterr().err
    (alert,) = [alert for alert in webhook.messages[0]["alerts"] if alert["kind"] == "run_failed"]
    assert alert["reason"] == "clock_disagrees"
    service.answers[ONE.project_id] = off(timedelta(), ONE)
    assert command(desk, monkeypatch) == 3
    assert "1 of 2 targets complete" in capfd.readouterr().out
    (alert,) = [alert for alert in webhook.messages[-1]["alerts"] if alert["kind"] == "missing"]


def command(desk: Desk, monkeypatch) -> int:
    monkeypatch.setattr(sys, "argv", ["pulltasks", "snapshot", "--config", str(desk.config_file)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


# -- the law itself ------------------------------------------------------------------------------------------------

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
    assert ("distance from midnight" in text) == is_near
