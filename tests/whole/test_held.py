"""A complete listing that lost many tasks is held: only evidence or a person confirms that they are gone."""

from __future__ import annotations

import json
import random
import sys
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from desk import BEIJING, SINGAPORE, Desk
from pulltasks.cli import main as cli
from pulltasks.lake.raw import read_capture
from pulltasks.run.order import rebuild, snapshot
from pulltasks.sandbox.data import tasks_on
from pulltasks.sandbox.replies import Reply
from pulltasks.sandbox.server import Sandbox, serving
from pulltasks.warehouse.read.published import open_published
from sampling import sampled

DAYS = [date(2026, 11, 16) + timedelta(days=n) for n in range(6)]
TARGET = (BEIJING.project_id, BEIJING.region)
# first characters of the tasks that are shown
EVERY, FEW, FEWER, OTHERS = "0123456789abcdef", "0123", "0", "4567"
MANNERS = ("gone", "empty", "known", "vague")


class Shrinking(Sandbox):
    """A service that lists a part of Beijing's tasks from the second day on, and answers by id in its own manner.

    Manners for a task that it does not list: `gone` (the documented 404), `empty` (200 without tasks), `known` (the
    task itself), `vague` (a gateway's 404, which says nothing of tasks).
    """

    manner = "gone"
    shown: dict[date, str] = dict.fromkeys(DAYS[1:], FEW)

    def _rendered_rows(self, place, day):
        rows = super()._rendered_rows(place, day)
        if place.project_id != BEIJING.project_id:
            return rows
        return [row for row in rows if row[0][0] in self.shown.get(day, EVERY)]

    def _page(self, request, project_id):
        reply = super()._page(request, project_id)
        task_id = request.query_params.get("task_id")
        if task_id is None or reply.status == 200 or self.manner == "gone":
            return reply
        if self.manner == "vague":
            return Reply(404, b'{"error_code":"APIGW.0101","request_id":"%s"}')
        known = [] if self.manner == "empty" else [{"task_id": task_id, "status": "enable"}]
        return Reply(200, b'{"request_id":"%s",' + json.dumps({"total": len(known), "task_infos": known}).encode()[1:])


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
    desk.sandbox.manner = "vague"

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


def days(desk: Desk) -> list[tuple]:
    with open_published(desk.lake) as connection:
        return connection.sql(
            "select snapshot_date, coverage, verdict_reason from rpt_snapshot_coverage where target_name = 'beijing' "
            "order by all"
        ).fetchall()


def removals(desk: Desk) -> set[tuple]:
    with open_published(desk.lake) as connection:
        return set(
            connection.sql(
                "select distinct snapshot_date, reason from fct_pull_task_changes "
                "where change = 'removed' and target_name = 'beijing'"
            ).fetchall()
        )


HELD = {"known": "list_lacks_known_tasks", "vague": "lost_many_tasks"}


@pytest.mark.parametrize("manner", ["gone", "empty"])
def test_a_loss_that_the_service_bears_out_by_id_counts_the_same_day(begun: Desk, manner: str) -> None:
    begun.sandbox.manner = manner
    assert run(begun, DAYS[1]).is_complete
    assert current(begun) == ids(DAYS[1], FEW)
    # a capture that takes its place brings the evidence again
    assert run(begun, DAYS[1], refresh=True).is_complete
    assert (DAYS[1], "gone") in removals(begun)


@pytest.mark.parametrize("manner", ["known", "vague"])
def test_a_loss_that_repeats_itself_confirms_nothing(begun: Desk, manner: str) -> None:
    begun.sandbox.manner = manner
    for day in DAYS[1:4]:
        result = run(begun, day)
        assert [(target.name, target.coverage) for target in result.status.targets] == [
            ("beijing", "held"),
            ("singapore", "complete"),
        ]
    (message,) = [target.message for target in result.status.targets if target.message]
    assert f"held since {DAYS[1]}" in message
    assert f"pulltasks snapshot --accept-drop --target {BEIJING.project_id}/{BEIJING.region}" in message
    assert current(begun) == ids(DAYS[0])
    begun.sandbox.shown = dict.fromkeys(DAYS[1:4], FEW)
    run(begun, DAYS[4])  # all are listed again
    reason = HELD[manner]
    assert days(begun) == [
        (DAYS[0], "complete", None),
        *((day, "held", reason) for day in DAYS[1:4]),
        (DAYS[4], "complete", None),
    ]
    assert {day for day, _ in removals(begun)} <= {DAYS[4]}  # some end in the course of the days


def test_evidence_that_comes_later_ends_it(held: Desk) -> None:
    assert not run(held, DAYS[2]).is_complete
    held.sandbox.manner = "gone"
    assert run(held, DAYS[3]).is_complete
    assert current(held) == ids(DAYS[3], FEW)


def test_another_listing_that_lost_as_many_is_held_as_well(held: Desk) -> None:
    held.sandbox.shown = {DAYS[1]: FEW, DAYS[2]: OTHERS, DAYS[3]: OTHERS}
    assert not run(held, DAYS[2]).is_complete
    assert not run(held, DAYS[3]).is_complete
    assert current(held) == ids(DAYS[0])


class Emptied(Shrinking):
    """A service that shows no task of Beijing from the second day on."""

    shown: dict[date, str] = dict.fromkeys(DAYS[1:], "")


@pytest.fixture
def small(tmp_path: Path, begin):
    """Beijing has few tasks; after the first day it shows none."""
    sandbox = Emptied((replace(BEIJING, task_count=7), SINGAPORE))
    with serving(sandbox) as url:
        desk = Desk(sandbox, url, tmp_path, sandbox.places)
        begin(desk, DAYS[0])
        yield desk


def test_a_fall_to_nothing_whose_tasks_are_gone_counts_at_once(small: Desk) -> None:
    assert run(small, DAYS[1]).is_complete
    assert current(small) == set()


@pytest.mark.parametrize("manner", ["empty", "known", "vague"])
def test_a_fall_to_nothing_that_nobody_bears_out_is_held(small: Desk, manner: str) -> None:
    """Where nothing is listed there is no control, so an empty answer by id says nothing."""
    small.sandbox.manner = manner
    before = current(small)
    for day in DAYS[1:3]:
        assert not run(small, day).is_complete
    assert current(small) == before != set()


def test_an_acceptance_is_of_the_tasks_that_lacked_and_is_remembered(held: Desk) -> None:
    held.sandbox.manner = "known"
    assert run(held, DAYS[2], accept_drop={TARGET}).is_complete
    assert run(held, DAYS[3]).is_complete  # they still lack: nobody is asked
    held.sandbox.shown = {DAYS[1]: FEW, DAYS[2]: FEW, DAYS[3]: FEW, DAYS[5]: FEWER}
    assert run(held, DAYS[4]).is_complete  # they are listed again
    # now more tasks lack than were accepted
    assert not run(held, DAYS[5]).is_complete


def test_accepted_tasks_that_come_and_go_again_are_not_held_again(held: Desk) -> None:
    assert run(held, DAYS[2], accept_drop={TARGET}).is_complete
    held.sandbox.shown = {**held.sandbox.shown, DAYS[3]: EVERY}
    assert run(held, DAYS[3]).is_complete
    held.sandbox.manner = "known"
    assert run(held, DAYS[4]).is_complete
    verdict = read_capture(held.lake.raw_file(DAYS[4], *TARGET)).verdict
    accepted = ids(DAYS[0]) - ids(DAYS[2], FEW)
    assert not accepted & {*verdict.gone, *verdict.unlisted}  # nobody asks for them
    assert current(held) <= ids(DAYS[4], FEW) | ids(DAYS[4]) - ids(DAYS[0])


def test_a_listing_of_the_same_day_that_lacks_more_must_be_accepted_anew(begun: Desk) -> None:
    begun.sandbox.manner = "vague"
    assert run(begun, DAYS[1], accept_drop={TARGET}).is_complete
    assert run(begun, DAYS[1], refresh=True).is_complete  # it lacks the same
    begun.sandbox.shown = {DAYS[1]: FEWER}
    begun.sandbox._rows.cache_clear()
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
    assert (code, "held (lost_many_tasks)" in out, "1 of 2 targets complete" in out) == (3, True, True)
    said = " ".join(out.split())
    assert f"pulltasks snapshot --accept-drop --target {BEIJING.project_id}/{BEIJING.region}" in said
    raw = held.lake.raw_file(DAYS[1], BEIJING.project_id, BEIJING.region)
    listed = raw.read_bytes()
    code, out = command(*again, "--accept-drop", "--target", f"{BEIJING.project_id}/{BEIJING.region}")
    assert (code, "this attempt: 1 of 1; published: 2 of 2 targets complete" in out) == (0, True)
    assert raw.read_bytes() == listed  # nothing is listed again
    assert current(held) == ids(DAYS[1], FEW)
    assert command(*again)[0] == 0  # a later run of the day does not take it back
    rebuild(held.settings, DAYS[0], DAYS[1], held.clock)
    assert current(held) == ids(DAYS[1], FEW)


def test_the_limit_of_the_day_stands_in_the_archive(held: Desk) -> None:
    held.extra = "max_drop_ratio = 1.0"
    rebuild(held.settings, DAYS[0], DAYS[1], held.clock)
    assert days(held)[-1][:2] == (DAYS[1], "held")
    held.extra = ""


def test_a_higher_limit_lets_it_pass(begun: Desk) -> None:
    begun.extra = "max_drop_ratio = 1.0"
    begun.sandbox.manner = "vague"
    assert run(begun, DAYS[1]).is_complete
    assert current(begun) == ids(DAYS[1], FEW)


# --- a model of the rule, independent of the SQL, beside random losses


@dataclass
class Losing:
    """A service whose list loses tasks: some end, some are only hidden for a while, and an id is answered in a manner."""

    seed: int
    manner: str
    listed: list[str] = field(default_factory=list)
    hidden: set[str] = field(default_factory=set)
    born: int = 0

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self.is_vague = False

    def next_day(self) -> None:
        alive = [*self.listed, *self.hidden]
        self.hidden = set()
        self.is_vague = self.dice.random() < 0.2
        what = self.dice.random()
        share = self.dice.choice((0.02, 0.3, 0.6, 0.9, 1.0)) if what < 0.5 else 0.0
        lost = set(self.dice.sample(alive, int(share * len(alive))))
        if what < 0.25:  # an outage: they exist, or some of them do
            self.hidden = lost if self.dice.random() < 0.5 else set(sorted(lost)[::7])
        born = [f"{self.seed:03}-{self.born + n:05}" for n in range(self.dice.choice((0, 1, 40)) if alive else 60)]
        self.born += len(born)
        self.listed = [task for task in alive if task not in lost] + born

    def by_id(self, task_id: str) -> str:
        """`found`, `gone`, `no_rows` or `unclear`."""
        if task_id in self.listed:
            return "found"
        if self.is_vague:
            return "unclear"
        if task_id in self.hidden:
            return "found"
        return {"gone": "gone", "empty": "no_rows", "known": "found"}[self.manner]


@dataclass
class Model:
    """What must be known after each day: only evidence and acceptances end tasks in masses."""

    known: set[str] = field(default_factory=set)
    accepted: set[str] = field(default_factory=set)

    def day(self, service: Losing, *, accepts: bool) -> str:
        listed = set(service.listed)
        counting = self.known - self.accepted
        lost = sorted(counting - listed)
        is_loss = bool(lost) and (len(lost) == len(counting) or (len(lost) >= 20 and len(lost) * 2 > len(counting)))
        count = min(20, len(lost))
        asked = [lost[n * len(lost) // count] for n in range(count)]
        answers = [service.by_id(task) for task in asked]
        gone = answers.count("gone") + (answers.count("no_rows") if listed else 0)
        is_borne_out = "found" not in answers and gone * 2 >= len(asked) and gone >= min(5, len(lost))
        if is_loss and not is_borne_out:
            if not accepts:
                return "held"
            self.accepted |= set(lost)
        self.known = listed
        return "complete"


def compare(tmp_path: Path, seed: int, manner: str, count: int) -> tuple[int, int]:
    """Run so many days; returns how many days were held and how many losses were accepted."""
    service, model, dice = Losing(seed, manner), Model(), random.Random(-seed)
    sandbox, held, accepted, waits = Modelled((BEIJING,)), 0, 0, False
    sandbox.service = service
    with serving(sandbox) as url:
        desk = Desk(sandbox, url, tmp_path, sandbox.places)
        for number in range(count):
            day = DAYS[0] + timedelta(days=number)
            service.next_day()
            # a person accepts what has waited, if the tasks have really ended
            accepts = waits and not service.hidden and dice.random() < 0.5
            expected = model.day(service, accepts=accepts)
            run(desk, day, accept_drop={TARGET} if accepts else set())
            assert days(desk)[-1][:2] == (day, expected), (seed, number)
            assert current(desk) == model.known, (seed, number)
            waits = expected == "held"
            held, accepted = held + waits, accepted + accepts
    return held, accepted


class Modelled(Sandbox):
    """Shows what a `Losing` service shows."""

    service: Losing

    def _page(self, request, project_id):
        query = request.query_params
        tasks = [{"task_id": task, "status": "enable"} for task in self.service.listed]
        if "task_id" not in query:
            start = int(query["offset"])
            return listing(tasks[start : start + int(query["limit"])], len(tasks))
        answer = self.service.by_id(query["task_id"])
        if answer in {"found", "no_rows"}:
            found = [{"task_id": query["task_id"], "status": "enable"}] if answer == "found" else []
            return listing(found, len(found))
        code = "LIVE.100011001" if answer == "gone" else "APIGW.0101"
        return Reply(404, json.dumps({"error_code": code, "request_id": "%s"}).encode())


def listing(tasks: list[dict], total: int) -> Reply:
    return Reply(200, b'{"request_id":"%s",' + json.dumps({"total": total, "task_infos": tasks}).encode()[1:])


@pytest.mark.parametrize("manner", sampled(["gone", "empty", "known"], 2))
def test_random_losses_end_tasks_only_as_a_model_of_the_rule_says(tmp_path: Path, manner: str) -> None:
    held, _ = compare(tmp_path, 4, manner, 9)
    assert held > 0


@pytest.mark.slow
@pytest.mark.parametrize("manner", ["gone", "empty", "known"])
@pytest.mark.parametrize("seed", [11, 12, 13])
def test_the_same_for_sixty_days(tmp_path: Path, seed: int, manner: str) -> None:
    held, accepted = compare(tmp_path, seed, manner, 60)
    print(f"{manner}, seed {seed}: {held} days held, {accepted} losses accepted")
    assert held > 0
