"""A complete listing that lost many tasks is held: nothing ends by it until it is confirmed."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from conftest import BEIJING, SINGAPORE, Desk
from pulltasks.cli import main as cli
from pulltasks.run.order import rebuild, snapshot
from pulltasks.sandbox.data import tasks_on
from pulltasks.sandbox.server import Sandbox, serving
from pulltasks.warehouse.published import open_published

DAYS = [date(2026, 11, 16) + timedelta(days=n) for n in range(4)]
# first characters of the tasks that are shown
EVERY, FEW, OTHERS = "0123456789abcdef", "0123", "4567"


class Shrinking(Sandbox):
    """A service that shows a part of Beijing's tasks from the second day on, and says that this is all."""

    shown: dict[date, str] = dict.fromkeys(DAYS[1:], FEW)

    def _rendered_rows(self, place, day):
        rows = super()._rendered_rows(place, day)
        if place.project_id != BEIJING.project_id:
            return rows
        return [row for row in rows if row[0][0] in self.shown.get(day, EVERY)]


@pytest.fixture
def desk(tmp_path: Path):
    sandbox = Shrinking((BEIJING, SINGAPORE))
    with serving(sandbox) as url:
        yield Desk(sandbox, url, tmp_path, sandbox.places)


@pytest.fixture
def begun(desk: Desk, begin) -> Desk:
    """The first day is published."""
    begin(desk, DAYS[0])
    return desk


@pytest.fixture
def held(desk: Desk, begin, once) -> Desk:
    """The second day is published as well, and Beijing is held on it."""

    def make() -> None:
        begin(desk, DAYS[0])
        assert not run(desk, DAYS[1]).is_complete

    once("held", desk, make)
    return desk


def run(desk: Desk, day: date, **options: object):
    return snapshot(desk.settings, day, desk.clock, simulated=True, **options)


def current(desk: Desk) -> set[str]:
    with open_published(desk.lake) as connection:
        found = connection.execute(
            "select task_id from dim_pull_tasks where is_current and project_id = $1", [BEIJING.project_id]
        ).fetchall()
    return {task_id for (task_id,) in found}


def ids(day: date, shown: str = EVERY) -> set[str]:
    return {task["task_id"] for task in tasks_on(1, BEIJING, day) if task["task_id"][0] in shown}


def coverages(desk: Desk) -> list[tuple]:
    with open_published(desk.lake) as connection:
        return connection.sql(
            "select snapshot_date, coverage from rpt_snapshot_coverage where target_name = 'beijing' order by all"
        ).fetchall()


def test_the_last_state_stands_and_the_others_publish(begun: Desk) -> None:
    result = run(begun, DAYS[1])
    assert not result.is_complete
    assert [(target.name, target.coverage) for target in result.status.targets] == [
        ("beijing", "held"),
        ("singapore", "complete"),
    ]
    assert current(begun) == ids(DAYS[0])


def test_a_complete_listing_of_a_later_day_confirms_it(held: Desk) -> None:
    run(held, DAYS[1], refresh=True)
    assert current(held) == ids(DAYS[0])  # the same day confirms nothing
    assert run(held, DAYS[2]).is_complete
    assert current(held) == ids(DAYS[2], FEW)
    assert coverages(held) == [(DAYS[0], "complete"), (DAYS[1], "held"), (DAYS[2], "complete")]


def test_a_listing_that_contradicts_the_held_one_confirms_nothing(held: Desk) -> None:
    held.sandbox.shown = {DAYS[1]: FEW, DAYS[2]: OTHERS, DAYS[3]: OTHERS}
    assert not run(held, DAYS[2]).is_complete
    assert current(held) == ids(DAYS[0])
    assert run(held, DAYS[3]).is_complete  # two days agree now
    assert current(held) == ids(DAYS[3], OTHERS)


@pytest.fixture
def small(tmp_path: Path, begin):
    """Beijing has few tasks; after the first day it shows none, and its service answers nothing clear to their ids."""
    sandbox = Emptied((replace(BEIJING, task_count=7), SINGAPORE))
    with serving(sandbox) as url:
        desk = Desk(sandbox, url, tmp_path, sandbox.places)
        begin(desk, DAYS[0])
        yield desk


class Emptied(Shrinking):
    """A service that shows no task of Beijing from the second day on."""

    shown: dict[date, str] = dict.fromkeys(DAYS[1:], "")


def test_a_fall_to_nothing_whose_tasks_are_gone_counts_at_once(small: Desk) -> None:
    assert run(small, DAYS[1]).is_complete
    assert current(small) == set()


def test_a_fall_to_nothing_that_nobody_bears_out_is_held_until_a_later_day(small: Desk, monkeypatch) -> None:
    vague(monkeypatch)
    assert not run(small, DAYS[1]).is_complete
    assert len(current(small)) > 0
    assert run(small, DAYS[2]).is_complete
    assert current(small) == set()


def test_each_fall_to_nothing_is_held_and_an_accepted_one_counts(small: Desk, monkeypatch) -> None:
    vague(monkeypatch)
    small.sandbox.shown = {DAYS[1]: "", DAYS[3]: ""}
    assert not run(small, DAYS[1]).is_complete
    assert run(small, DAYS[2]).is_complete
    assert not run(small, DAYS[3]).is_complete
    assert run(small, DAYS[3], accept_drop={(BEIJING.project_id, BEIJING.region)}).is_complete
    assert current(small) == set()


def vague(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every answer to an id be that of a gateway, which proves nothing."""
    monkeypatch.setattr("pulltasks.huawei.pull_tasks.SERVICE_CODES", "NONE.")


def test_a_listing_made_anew_must_be_accepted_anew(begun: Desk) -> None:
    assert run(begun, DAYS[1], accept_drop={(BEIJING.project_id, BEIJING.region)}).is_complete
    begun.sandbox.shown = {DAYS[1]: "0"}
    assert not run(begun, DAYS[1], refresh=True).is_complete
    assert current(begun) == ids(DAYS[0])


def test_the_operator_confirms_it_once_and_the_archive_remembers(held: Desk, monkeypatch, capfd) -> None:

    def command(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["pulltasks", *arguments, "--config", str(held.config_file)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0), capfd.readouterr().out

    again = ("snapshot", "--simulated-date", str(DAYS[1]))
    code, out = command(*again)
    assert (code, "held (before)" in out, "1 of 2 targets complete" in out) == (3, True, True)
    assert f"pulltasks snapshot --accept-drop --target {BEIJING.project_id}/{BEIJING.region}" in out
    raw = held.lake.raw_file(DAYS[1], BEIJING.project_id, BEIJING.region)
    listed = raw.read_bytes()
    code, out = command(*again, "--accept-drop", "--target", f"{BEIJING.project_id}/{BEIJING.region}")
    assert (code, "this attempt: 1 of 1; what stands: 2 of 2 targets complete" in out) == (0, True)
    assert raw.read_bytes() == listed  # nothing is listed again
    assert current(held) == ids(DAYS[1], FEW)
    assert command(*again)[0] == 0  # a later run of the day does not take it back
    rebuild(held.settings, DAYS[0], DAYS[1], held.clock)
    assert current(held) == ids(DAYS[1], FEW)


def test_the_limit_of_the_day_stands_in_the_archive(held: Desk) -> None:
    held.extra = "max_drop_ratio = 1.0"
    rebuild(held.settings, DAYS[0], DAYS[1], held.clock)
    assert coverages(held)[-1] == (DAYS[1], "held")
    held.extra = ""


def test_a_higher_limit_lets_it_pass(begun: Desk) -> None:
    begun.extra = "max_drop_ratio = 1.0"
    assert run(begun, DAYS[1]).is_complete
    assert current(begun) == ids(DAYS[1], FEW)
