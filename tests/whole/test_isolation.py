"""An unexpected error costs one target, one day or one step, is told in a line, and leaves a report."""

from __future__ import annotations

import sys
from datetime import date, timedelta
from pathlib import Path

import pytest

from dagster_runs import failure_of, materialised, run_day
from desk import SINGAPORE, Desk
from log_lines import without_log
from pulltasks import dashboard
from pulltasks.capture import attempt
from pulltasks.capture import day as capture
from pulltasks.cli import main as cli
from pulltasks.cli import output as terminal
from pulltasks.lake import normalise
from pulltasks.lake.lake import Lake
from pulltasks.run.order import snapshot
from pulltasks.sandbox.data import Place
from pulltasks.warehouse.build.day_builder import DayBuilder
from pulltasks.warehouse.read.published import open_published
from sampling import sampled

DAYS = [date(2026, 11, 16) + timedelta(days=n) for n in range(2)]
SECRET = "s3cr3t"


@pytest.fixture
def desk(small_desk: Desk) -> Desk:
    return small_desk


class Strange(RuntimeError):
    """An error of an unexpected kind; its text quotes what it should not."""


def raise_strange(*_: object, **__: object) -> None:
    raise Strange(f"no such thing: 'rtmp://h/live/{SECRET}' token={SECRET}")


def only_for(place: Place, original, key):
    """A function that raises for one target and is itself for all others."""

    def function(*arguments, **named):
        if key(*arguments, **named) == (place.project_id, place.region):
            raise_strange()
        return original(*arguments, **named)

    return function


def run(desk: Desk, day: date = DAYS[0], **options: object):
    return snapshot(desk.settings, day, desk.clock, simulated=True, **options)


def coverage(lake: Lake) -> dict[str, tuple]:
    with open_published(lake) as connection:
        through = "(select through_date from meta_build)"
        found = connection.sql(
            f"select target_name, coverage, verdict_reason from rpt_snapshot_coverage where snapshot_date = {through}"
        ).fetchall()
    return {name: tuple(others) for name, *others in found}


def reports(lake: Lake) -> list[str]:
    return [path.read_text() for path in sorted(lake.errors.glob("*"))] if lake.errors.is_dir() else []


def check_report(desk: Desk, line: str, where: str) -> None:
    """The line names kind, place and report; the report has the frames; neither holds what the error quoted."""
    (report,) = reports(desk.lake)
    assert "unexpected Strange (" in line
    assert where in line
    assert str(desk.lake.errors / "000001.txt") in line
    assert "raise_strange" in report
    assert "Strange" in report
    assert SECRET not in line + report


# each place at which one target can fail, and what is said of it then
PLACES = {
    "before it is asked": (capture, "read_existing", lambda _lake, _day, target: target.key, "missing", "no_capture"),
    "while it is listed": (attempt.Attempt, "list", lambda self: self._target.key, "failed", "unexpected_error"),
    "when its verdict is made": (
        attempt.Attempt, "verdict", lambda self, _: self._target.key, "missing", "no_capture",
    ),
    "when its rows are made": (
        normalise, "tidy_target", lambda _day, target, *_: target.key, "failed", "unexpected_error",
    ),
}  # fmt: skip


@pytest.mark.parametrize("place", sampled(PLACES, 0, 1))
def test_one_targets_trouble_is_not_the_others(desk: Desk, monkeypatch, place: str) -> None:
    owner, name, key, verdict, reason = PLACES[place]
    monkeypatch.setattr(owner, name, only_for(SINGAPORE, getattr(owner, name), key))
    result = run(desk)
    assert coverage(desk.lake) == {"beijing": ("complete", None), "singapore": (verdict, reason)}
    assert not result.is_complete
    lines = [*result.damaged_days, *(capture.message for capture in result.captures if capture.message)]
    (line,) = lines
    check_report(desk, line, f"{SINGAPORE.project_id}/{SINGAPORE.region}")
    monkeypatch.undo()


def test_a_target_that_failed_so_is_whole_again_when_the_cause_is_gone(desk: Desk, monkeypatch) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(
            normalise, "tidy_target", only_for(SINGAPORE, normalise.tidy_target, PLACES["when its rows are made"][2])
        )
        run(desk)
    run(desk, refresh=True)
    assert coverage(desk.lake) == {"beijing": ("complete", None), "singapore": ("complete", None)}


def test_one_days_trouble_is_not_the_others(desk: Desk, monkeypatch) -> None:
    run(desk)
    desk.lake.manifest_file(DAYS[0]).unlink()
    original = normalise._TargetsOfDay
    monkeypatch.setattr(
        normalise,
        "_TargetsOfDay",
        lambda lake, day, raw: raise_strange() if day == DAYS[0] else original(lake, day, raw),
    )
    result = run(desk, DAYS[1])
    assert {capture.verdict for capture in result.captures} == {"complete"}
    assert set(coverage(desk.lake).values()) == {("complete", None)}
    check_report(desk, result.damaged_days[0], str(DAYS[0]))


def test_a_raw_file_that_cannot_be_written_costs_its_target_alone(desk: Desk) -> None:
    desk.lake.prepare()
    folder = desk.lake.raw_file(DAYS[0], SINGAPORE.project_id, SINGAPORE.region).parent
    folder.parent.mkdir()
    folder.write_text("somebody put a file here")
    result = run(desk)
    assert [(capture.verdict, capture.reason) for capture in result.captures] == [
        ("complete", None),
        ("failed", "raw_not_written"),
    ]
    assert coverage(desk.lake)["beijing"] == ("complete", None)
    assert reports(desk.lake) == []


def command(desk: Desk, monkeypatch, capfd, *arguments: str) -> tuple[int, str, str]:
    monkeypatch.setattr(sys, "argv", ["pulltasks", *arguments, "--config", str(desk.config_file)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    out, err = capfd.readouterr()
    return int(ended.value.code or 0), out, without_log(err)


SNAPSHOT = ("snapshot", "--simulated-date", str(DAYS[0]))


def test_an_error_while_building_publishes_nothing_and_is_told(desk: Desk, monkeypatch, capfd, webhook) -> None:
    monkeypatch.setattr(DayBuilder, "enter", raise_strange)
    code, _, err = command(desk, monkeypatch, capfd, *SNAPSHOT)
    assert code == 1
    assert "Traceback" not in err
    (line,) = err.splitlines()
    check_report(desk, line, "pulltasks snapshot")
    (alert,) = [alert for alert in webhook.messages[0]["alerts"] if alert["kind"] == "run_failed"]
    assert (alert["reason"], "000001.txt" in alert["text"]) == ("Strange", True)
    assert SECRET not in webhook.bodies[0].decode()


def test_an_error_after_publishing_changes_no_more_than_the_exit_code(desk: Desk, monkeypatch, capfd) -> None:
    monkeypatch.setattr(terminal, "print_targets", raise_strange)
    code, _, err = command(desk, monkeypatch, capfd, *SNAPSHOT)
    assert code == 3
    check_report(desk, err.strip(), "pulltasks snapshot")
    assert set(coverage(desk.lake).values()) == {("complete", None)}


def test_an_error_in_the_page_is_told_and_takes_nothing_back(desk: Desk, monkeypatch, capfd) -> None:
    desk.extra = "[dashboard]\nenabled = true"
    monkeypatch.setattr(dashboard, "write_dashboard", raise_strange)
    code, out, err = command(desk, monkeypatch, capfd, *SNAPSHOT)
    assert (code, "published " in out) == (3, True)
    check_report(desk, err.strip(), "writing the page")


def test_an_error_in_the_alarms_is_a_warning(desk: Desk, monkeypatch, capfd, webhook) -> None:
    from pulltasks.alerts import notify as announce

    monkeypatch.setattr(announce, "find_alerts", raise_strange)
    code, _, err = command(desk, monkeypatch, capfd, *SNAPSHOT)
    assert (code, err.startswith("warning: alarms could not be sent: unexpected Strange")) == (0, True)


def test_where_there_is_no_lake_the_report_stands_on_standard_error(tmp_path: Path, monkeypatch, capfd) -> None:
    from pulltasks import config

    monkeypatch.setattr(config, "load", raise_strange)
    monkeypatch.setenv("PULLTASKS_LAKE__ROOT", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["pulltasks", "status"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    err = without_log(capfd.readouterr().err)
    assert ended.value.code == 1
    assert "raise_strange" in err
    assert "the report is printed above" in err.splitlines()[-1]
    assert f"live/{SECRET}" not in err


def test_in_dagster_one_target_suffers_and_the_run_publishes(desk: Desk, monkeypatch) -> None:
    monkeypatch.setattr(
        normalise, "tidy_target", only_for(SINGAPORE, normalise.tidy_target, PLACES["when its rows are made"][2])
    )
    result = run_day(desk, DAYS[0])
    check_report(desk, materialised(result)["warehouse"].metadata["troubles"].value, SINGAPORE.project_id)
    assert coverage(desk.lake) == {"beijing": ("complete", None), "singapore": ("failed", "unexpected_error")}


def test_in_dagster_an_error_while_building_is_one_sentence(desk: Desk, monkeypatch) -> None:
    monkeypatch.setattr(DayBuilder, "enter", raise_strange)
    result = run_day(desk, DAYS[0])
    error = failure_of(result)
    check_report(desk, error.message, "building")
    assert (error.cls_name, error.stack, error.cause) == ("Failure", [], None)
