"""The day is the service's: a machine whose clock is wrong writes nothing under another date."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from desk import BEIJING, SMALL_DAYS, Desk, copied
from history import contents
from plain_service import PlainService, date_header, listing, serving_plainly
from pulltasks import config
from pulltasks.alerts.notify import announce
from pulltasks.alerts.rules import LakeState, find_alerts
from pulltasks.cli import main as cli
from pulltasks.cli.output import print_age
from pulltasks.clock import Clock
from pulltasks.errors import ClockDisagrees, ConfigError, LakeError
from pulltasks.huawei.service_clock import RunBegin
from pulltasks.lake.compaction import compact_month
from pulltasks.lake.lake import Lake
from pulltasks.lake.manifests import stale_dates
from pulltasks.run.order import compact, forget, snapshot
from pulltasks.sandbox.data import Place
from pulltasks.sandbox.server import Sandbox, serving
from pulltasks.settings import Limits
from pulltasks.warehouse.read.published import open_published
from pulltasks.warehouse.read.status import judge, read_newest_complete, read_newest_day
from raw_files import rewritten

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


def test_a_signature_dated_by_the_wrong_clock_is_no_way_round(tmp_path: Path) -> None:
    """The sandbox refuses the signature; what is signed again by its clock shows the day."""
    sandbox = Sandbox((ONE,))
    with serving(sandbox) as url:
        desk = Desk(sandbox, url, tmp_path, (ONE,))
        for offset in (timedelta(days=3), -timedelta(days=3)):
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


def test_a_service_that_says_no_time_says_nothing_of_the_day(desk: Desk, service: PlainService) -> None:
    three = (ONE, TWO, Place("3" * 32, "cn-north-4", 3, name="p3"))
    headers: tuple[dict[str, str], ...] = ({}, {"Date": "soon"}, {"Date": "Fri, 31 Dec 9999 23:59:59 -2300"})
    for place, header in zip(three, headers, strict=True):
        service.answers[place.project_id] = lambda _, place=place, header=header: (
            200,
            header,
            listing(place.project_id),
        )
    desk.places = three
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


SANDBOX_DAYS = SMALL_DAYS[:3]
AHEAD = date(2027, 1, 5)


@pytest.fixture(scope="module")
def prepared(made_once):
    """A lake of an earlier version, in which one run wrote a day that has not come."""
    with made_once(*SANDBOX_DAYS) as desk:
        shutil.copytree(desk.lake.root, desk.folder / "without", symlinks=True)
        snapshot(desk.settings, AHEAD, desk.clock, simulated=True)
        yield desk


@pytest.fixture
def wronged(prepared: Desk, tmp_path: Path) -> Desk:
    return copied(prepared, tmp_path)


def test_a_day_ahead_is_never_fresh(wronged: Desk, monkeypatch, capfd, webhook) -> None:
    for verb in (("status",), ("status", "--max-age", "9999d"), ("status", "--format", "json")):
        monkeypatch.setattr(sys, "argv", ["pulltasks", *verb, "--config", str(wronged.config_file)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert ended.value.code == 3, verb
        assert f"pulltasks forget --date {AHEAD}" in capfd.readouterr().err
    assert announce(wronged.settings, datetime.now(UTC)) is None
    (alert,) = [alert for alert in webhook.messages[-1]["alerts"] if alert["kind"] == "no_complete_day"]
    assert (alert["reason"], f"pulltasks forget --date {AHEAD}" in alert["text"]) == ("day_ahead", True)


def test_a_negative_age_is_never_fresh(wronged: Desk, monkeypatch, capfd, webhook) -> None:
    """The newest day has come, and ended after now: this machine's clock is behind."""
    with open_published(wronged.lake) as connection:
        newest = read_newest_complete(connection)
    now = newest.finished_at - timedelta(days=3)
    status = replace(read_day_of(wronged.lake), day=now.date())
    limits = Limits(timedelta(hours=26), timedelta(hours=50))
    freshness = judge(status, now, limits)
    assert freshness.level == "red"
    print_age(status, freshness, now, limits)
    assert "ended after now: a clock is wrong" in capfd.readouterr().out
    (alert,) = find_alerts(LakeState(status, []), [], now, now.date(), limits)
    assert (alert.kind, alert.reason) == ("no_complete_day", "day_ahead")


def read_day_of(lake):
    with open_published(lake) as connection:
        return read_newest_day(connection)


def test_nothing_is_removed_by_an_age_counted_from_a_day_ahead(wronged: Desk) -> None:
    wronged.extra = "[lake]\nkeep_raw_days = 30"
    today = SANDBOX_DAYS[-1]
    assert compact(wronged.settings, today)[1:] == ([], [])
    assert wronged.lake.raw_dates() == [*SANDBOX_DAYS, AHEAD]


def test_the_days_before_a_day_ahead_are_repaired_all_the_same(wronged: Desk) -> None:
    raw = wronged.lake.raw_file(SANDBOX_DAYS[0], BEIJING.project_id, BEIJING.region)
    rewritten(raw, raw, capture_id="another")
    assert stale_dates(wronged.lake) == [SANDBOX_DAYS[0]]


@pytest.mark.parametrize("is_closed", [False, True])
def test_a_forgotten_day_has_never_been(wronged: Desk, prepared: Desk, is_closed: bool) -> None:
    if is_closed:
        with wronged.lake.lock():
            compact_month(wronged.lake, AHEAD.replace(day=1))
    files = {
        path.relative_to(wronged.lake.root) for path in wronged.lake.root.rglob(f"*{AHEAD}*/**/*") if path.is_file()
    }
    found = forget(wronged.settings, AHEAD, wronged.clock)
    assert (found.newest, found.folder) == (SANDBOX_DAYS[-1], wronged.lake.forgotten / f"{AHEAD}-1")
    assert {path for path in files if path.parts[0] == "raw"} <= {
        path.relative_to(found.folder) for path in found.folder.rglob("*")
    }
    assert found.folder.stat().st_mode & 0o777 == 0o700
    assert wronged.lake.raw_dates() == wronged.lake.tidy_dates() == SANDBOX_DAYS
    before = Lake(prepared.folder / "without").published.resolve()
    assert contents(wronged.lake.published.resolve()) == contents(before)
    assert snapshot(wronged.settings, date(2026, 11, 2), wronged.clock, simulated=True).is_complete


def test_a_day_in_between_is_missing_once_it_is_forgotten(wronged: Desk) -> None:
    forget(wronged.settings, SANDBOX_DAYS[1], wronged.clock)
    with open_published(wronged.lake) as connection:
        found = connection.sql(
            f"select distinct coverage, verdict_reason from rpt_snapshot_coverage where snapshot_date = '{SANDBOX_DAYS[1]}'"
        ).fetchall()
    assert found == [("missing", "no_run")]


def test_the_last_day_can_be_forgotten_as_well(wronged: Desk) -> None:
    for day in (*SANDBOX_DAYS, AHEAD):
        found = forget(wronged.settings, day, wronged.clock)
    assert (found.published, list(wronged.lake.builds()), wronged.lake.published.exists()) == (None, [], False)


def test_a_day_without_raw_files_is_forgotten_only_for_good(wronged: Desk) -> None:
    shutil.rmtree(wronged.lake.targets_file(AHEAD).parent)
    with pytest.raises(LakeError, match="could never be rebuilt; add --for-good"):
        forget(wronged.settings, AHEAD, wronged.clock)
    assert AHEAD in wronged.lake.tidy_dates()
    assert forget(wronged.settings, AHEAD, wronged.clock, for_good=True).newest == SANDBOX_DAYS[-1]
    with pytest.raises(LakeError, match="has nothing of this day"):
        forget(wronged.settings, AHEAD, wronged.clock)


def test_forget_says_what_it_would_do_and_does_it_when_told(wronged: Desk, monkeypatch, capfd) -> None:
    def go(*more: str) -> tuple[int, str]:
        monkeypatch.setattr(
            sys, "argv", ["pulltasks", "forget", "--date", str(AHEAD), *more, "--config", str(wronged.config_file)]
        )
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0), "".join(capfd.readouterr())

    code, text = go()
    assert (code, "Say --yes to do it" in text, AHEAD in wronged.lake.raw_dates()) == (2, True, True)
    code, text = go("--yes")
    assert (code, f"{AHEAD} is forgotten; its files lie in" in text, AHEAD in wronged.lake.raw_dates()) == (
        0,
        True,
        False,
    )


@pytest.mark.parametrize("zone", ["localtime", "posix/Asia/Shanghai", "right/UTC", "posixrules", "Nowhere/Land"])
def test_a_zone_that_only_one_of_them_knows_is_refused(tmp_path: Path, zone: str) -> None:
    file = tmp_path / "pulltasks.toml"
    file.write_text(f'timezone = "{zone}"\n')
    with pytest.raises(ConfigError, match=r"is not a (valid time zone|time zone that the database knows)"):
        config.load(file, need_targets=False)


@pytest.mark.parametrize("zone", ZONES)
def test_a_zone_that_both_know_is_taken(tmp_path: Path, zone: str) -> None:
    file = tmp_path / "pulltasks.toml"
    file.write_text(f'timezone = "{zone}"\n')
    assert config.load(file, need_targets=False).timezone == zone


def test_a_lake_whose_days_name_a_zone_that_no_database_knows_goes_on(wronged: Desk) -> None:
    forget(wronged.settings, AHEAD, wronged.clock)
    for day in SANDBOX_DAYS:
        path = wronged.lake.targets_file(day)
        path.write_bytes(path.read_bytes().replace(b'"timezone":"UTC"', b'"timezone":"localtime"'))
    result = snapshot(wronged.settings, date(2026, 11, 2), wronged.clock, simulated=True)
    assert (result.built_days, result.is_complete) == ((date(2026, 11, 2), *SANDBOX_DAYS), True)
    with open_published(wronged.lake) as connection:
        found = connection.sql("select snapshot_date, starts_at from dim_dates where has_run order by 1").fetchall()
    assert [starts_at for _, starts_at in found] == [datetime(day.year, day.month, day.day) for day, _ in found]
