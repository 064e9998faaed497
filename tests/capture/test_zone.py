"""A time zone that is moved to the west makes no later capture an earlier day, and no right day a wrong one."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from desk import Desk
from plain_service import PlainService, date_header, listing, serving_plainly
from pulltasks.alerts.rules import LakeState, find_alerts
from pulltasks.capture.day import CaptureOptions
from pulltasks.capture.zone import check_zone
from pulltasks.clock import Clock
from pulltasks.doctor.lake import examine_lake
from pulltasks.errors import DateRefused
from pulltasks.lake.lake import Lake
from pulltasks.run.order import EVERYTHING, partition_steps, snapshot
from pulltasks.run.steps import opened
from pulltasks.sandbox.data import Place
from pulltasks.settings import Settings
from pulltasks.warehouse.read.published import open_published
from pulltasks.warehouse.read.status import read_newest_day, read_status

ONE = Place("1" * 32, "cn-north-4", 8, name="p1")
EAST, WEST = "Asia/Shanghai", "America/New_York"
MOMENT = datetime(
    2026, 11, 10, 2, tzinfo=UTC
)  # 10 o'clock of the tenth in the east, 21 o'clock of the ninth in the west
DAY = date(2026, 11, 10)
ZONES = [
    EAST,
    WEST,
    "UTC",
    "Pacific/Kiritimati",
    "Pacific/Pago_Pago",
    "America/Havana",
    "Asia/Kathmandu",
    "Europe/Berlin",
]


@pytest.fixture
def service():
    service = PlainService()
    service.answers[ONE.project_id] = lambda _: (
        200,
        date_header(MOMENT - datetime.now(UTC)),
        listing(ONE.project_id, 8),
    )
    return service


@pytest.fixture
def desk(service: PlainService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PULLTASKS_TIMEZONE", EAST)
    with serving_plainly(service) as url:
        desk = Desk(None, url, tmp_path, (ONE,))
        assert run(desk).is_complete
        monkeypatch.setenv("PULLTASKS_TIMEZONE", WEST)
        yield desk


def clock(desk: Desk, moment: datetime = MOMENT) -> Clock:
    return Clock(lambda: moment, desk.clock.new_id)


def run(desk: Desk, moment: datetime = MOMENT):
    found = desk.settings
    return snapshot(found, found.today(moment), clock(desk, moment))


def everything(desk: Desk) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in desk.lake.root.rglob("*") if path.is_file()}


def test_a_capture_that_would_become_an_earlier_day_stops_before_anything(desk: Desk, service: PlainService) -> None:
    before, asked = everything(desk), dict(service.requests)
    with pytest.raises(DateRefused) as refused:
        run(desk)
    text = str(refused.value)
    assert (refused.value.exit_code, "\n" in text) == (2, False)
    assert all(
        word in text for word in (EAST, WEST, str(DAY), "2026-11-09", "from 2026-11-10 00:00 in America/New_York")
    )
    assert (everything(desk), service.requests) == (before, asked)


def test_a_partition_of_dagster_is_refused_in_the_same_way(desk: Desk, service: PlainService) -> None:
    asked, raw = dict(service.requests), sorted(desk.lake.raw.rglob("*"))
    with (
        pytest.raises(DateRefused, match="captures work again from"),
        opened(desk.settings, clock(desk), "dagster") as run,
    ):
        list(partition_steps(run, DAY - timedelta(days=1), CaptureOptions(), EVERYTHING))
    assert (service.requests, sorted(desk.lake.raw.rglob("*"))) == (asked, raw)


def test_from_the_moment_that_is_named_on_captures_work_again(desk: Desk, service: PlainService) -> None:
    begins = datetime(2026, 11, 10, 0, 0, tzinfo=ZoneInfo(WEST))
    with pytest.raises(DateRefused):
        run(desk, begins - timedelta(seconds=1))
    assert run(desk, begins).is_complete
    next_day = begins + timedelta(days=1)
    service.answers[ONE.project_id] = lambda _: (
        200,
        date_header(next_day - datetime.now(UTC)),
        listing(ONE.project_id),
    )
    assert run(desk, next_day).status.day == date(2026, 11, 11)
    with open_published(desk.lake) as connection:
        found = connection.execute(
            "select change from fct_pull_task_changes where snapshot_date > $1", [DAY]
        ).fetchall()
    assert sorted(found) == [("removed",)] * 5  # and none that was added


def test_a_day_that_has_begun_by_its_own_zone_is_no_day_ahead(desk: Desk) -> None:
    today = desk.settings.today(MOMENT)
    with open_published(desk.lake) as connection:
        found, newest = read_status(connection, today, MOMENT), read_newest_day(connection)
    assert (found.day, found.is_ahead, found.is_complete, found.days_without_run) == (DAY, False, True, ())
    alerts = find_alerts(LakeState(newest, []), [], MOMENT, today, desk.settings.alerts.limits)
    assert [alert for alert in alerts if alert.reason == "day_ahead"] == []
    (ahead,) = [each for each in examine_lake(desk.settings, MOMENT).findings if each.question == "days after today"]
    assert (ahead.answer, ahead.advice) == ("none", None)


def test_a_day_that_has_not_begun_by_its_own_zone_lies_ahead_and_keeps_no_capture_from_beginning(desk: Desk) -> None:
    before = datetime(2026, 11, 9, 15, 59, 59, tzinfo=UTC)  # a second before the tenth begins in the east
    today = desk.settings.today(before)
    with open_published(desk.lake) as connection:
        found, newest = read_status(connection, today, before), read_newest_day(connection)
    assert (found.is_ahead, newest.is_after(today, before), newest.is_after(today, before + timedelta(seconds=1))) == (
        True,
        True,
        False,
    )
    (ahead,) = [each for each in examine_lake(desk.settings, before).findings if each.question == "days after today"]
    assert "pulltasks forget" in (ahead.advice or "")
    check_zone(desk.settings, desk.lake, before)
    with pytest.raises(DateRefused):
        check_zone(desk.settings, desk.lake, before + timedelta(seconds=1))


def test_on_the_command_line_it_ends_with_2_and_status_advises_nothing_wrong(
    service: PlainService, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command
) -> None:
    """25 hours lie between these two zones, so that the day differs at every hour."""
    service.answers[ONE.project_id] = lambda _: (200, date_header(), listing(ONE.project_id))
    with serving_plainly(service) as url:
        config = Desk(None, url, tmp_path, (ONE,)).config_file
        monkeypatch.setenv("PULLTASKS_TIMEZONE", "Pacific/Kiritimati")
        assert command("snapshot", "--config", config)[0] == 0
        monkeypatch.setenv("PULLTASKS_TIMEZONE", "Pacific/Pago_Pago")
        code, _, err = command("snapshot", "--config", config)
        assert (code, err.startswith("pulltasks: timezone: "), len(err.splitlines())) == (2, True, 1)
        code, out, err = command("status", "--config", config)
        assert (code, "forget" in out + err, "1 of 1" in out) == (0, False, True)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)
@given(
    captured=st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),
    later=st.timedeltas(timedelta(), timedelta(hours=40)),
    old=st.sampled_from(ZONES),
    new=st.sampled_from(ZONES),
)
def test_it_is_refused_where_the_days_would_go_back_and_only_there(
    tmp_path_factory: pytest.TempPathFactory, captured: datetime, later: timedelta, old: str, new: str
) -> None:
    lake, now = Lake(tmp_path_factory.mktemp("lake")), captured + later
    day = captured.astimezone(ZoneInfo(old)).date()
    lake.targets_file(day).parent.mkdir(parents=True)
    content = {"snapshot_date": str(day), "timezone": old, "software_version": "1", "targets": []}
    lake.targets_file(day).write_text(json.dumps(content))
    found = Settings(timezone=new)
    would_go_back = found.today(now) < day
    if not would_go_back:
        check_zone(found, lake, now)
        return
    with pytest.raises(DateRefused) as refused:
        check_zone(found, lake, now)
    named = str(refused.value).split("again from ")[1][:16]
    begins = datetime.strptime(named, "%Y-%m-%d %H:%M").replace(tzinfo=ZoneInfo(new))
    check_zone(found, lake, begins)
    assert found.today(begins.astimezone(UTC) - timedelta(seconds=1)) < day
