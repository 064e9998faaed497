"""The day is the service's: a machine whose clock is wrong writes nothing under another date."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from desk import BEIJING, SMALL_DAYS, Desk, copied
from plain_service import PlainService, date_header, listing, serving_plainly
from pulltasks.alerts.notify import announce
from pulltasks.alerts.rules import LakeState, find_alerts
from pulltasks.cli import main as cli
from pulltasks.cli.output import print_age
from pulltasks.clock import Clock
from pulltasks.errors import ClockDisagrees
from pulltasks.lake.manifests import stale_dates
from pulltasks.run.order import compact, snapshot
from pulltasks.sandbox.data import Place
from pulltasks.sandbox.server import Sandbox, serving
from pulltasks.settings import Limits
from pulltasks.warehouse.read.published import open_published
from pulltasks.warehouse.read.status import judge, read_newest_complete, read_newest_day
from raw_files import rewritten

ONE, TWO = (Place(f"{n}" * 32, "cn-north-4", 3, name=f"p{n}") for n in (1, 2))
WRONG = [timedelta(days=2), timedelta(days=400), timedelta(days=365 * 73), -timedelta(days=2), -timedelta(days=800)]


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


SANDBOX_DAYS = SMALL_DAYS[:3]
AHEAD = date(2027, 1, 5)


@pytest.fixture(scope="module")
def prepared(made_once):
    """A lake of an earlier version, in which one run wrote a day that has not come."""
    with made_once(*SANDBOX_DAYS) as desk:
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
    print_age(status, freshness, limits)
    assert "ended in the future: a clock is wrong" in capfd.readouterr().out
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
