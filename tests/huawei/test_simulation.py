"""Whatever happens to the list while it is read: every task that existed throughout is there, or it is not complete."""

from __future__ import annotations

import random
import statistics
from collections import Counter
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from math import ceil

import pytest
from huawei.model_server import LAG, MOVING_MANNERS, PLACES, STABLE_MANNERS, ModelServer, Reading, read
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.huawei.listing import Listing
from pipelines.huawei.pages import Rules

FEW, MANY = 500, 20_000
USEFUL_FEW, USEFUL_MANY = 120, 2_000
MOVING_FEW, MOVING_MANY = 40, 1_000

schedules = st.fixed_dictionaries(
    {
        "size": st.one_of(st.integers(0, 450), st.integers(0, 3_000)),
        "limit": st.one_of(st.just(100), st.integers(1, 100)),
        "in_flight": st.integers(1, 12),
        "changes": st.sampled_from([0, 0, 0.05, 0.5, 1, 3, 20, 120]),
        "places": st.sampled_from([("head",), ("tail",), ("anywhere",), PLACES]),
        "manner": st.sampled_from(["honest", *STABLE_MANNERS]),
        "cap": st.integers(0, 3_000),
        "expects_rows": st.booleans(),
        "hinted_unit": st.sampled_from(["unknown", "rows", "pages"]),
        "seed": st.integers(0, 2**32),
    }
)


def run(schedule: dict, machine: type[Listing] = Listing) -> tuple[ModelServer, Reading]:
    limit = schedule["limit"]
    # One row a page costs a request a row: shorter lists show the same.
    size = schedule["size"] if limit > 5 else schedule["size"] % 120
    server = ModelServer(size, random.Random(schedule["seed"]), schedule["places"], schedule["manner"], schedule["cap"])
    if schedule["manner"] == "lagging":
        for _ in range(LAG):  # replicas may show what was before the capture began
            server.change()
    rules = Rules(limit=limit, expects_rows=schedule["expects_rows"], hinted_unit=schedule["hinted_unit"])
    return server, read(server, rules, in_flight=schedule["in_flight"], changes=schedule["changes"], machine=machine)


def runs_in_a_circle(reading: Reading) -> bool:
    """Whether the pages that a complete listing rests on contradict each other."""
    last = reading.outcome.sweeps
    counted = {last, last - 1} if reading.outcome.proof == "by_agreement" else {last}
    before: dict[str, set[str]] = {}
    for request, page in reading.pages:
        if request.sweep in counted and len(page.ids) > 1:
            for first, second in pairwise(page.ids):
                before.setdefault(second, set()).add(first)
    try:
        TopologicalSorter(before).prepare()
    except CycleError:
        return True
    return False


def check(schedule: dict, machine: type[Listing] = Listing) -> str:
    server, reading = run(schedule, machine)
    outcome = reading.outcome
    if outcome.verdict == "complete":
        assert outcome.ids >= server.throughout, f"{len(server.throughout - outcome.ids)} tasks are missing"
        assert not runs_in_a_circle(reading)
    else:
        assert outcome.reason
    return outcome.verdict


@settings(max_examples=FEW)
@given(schedule=schedules)
def test_what_existed_throughout_is_there_or_the_listing_is_not_complete(schedule: dict) -> None:
    check(schedule)


@pytest.mark.slow
@settings(max_examples=MANY)
@given(schedule=schedules)
def test_the_same_for_twenty_thousand_schedules(schedule: dict) -> None:
    check(schedule)


def test_lists_of_ten_thousand_are_no_exception() -> None:
    for seed in range(6):
        schedule = {
            "size": 10_000,
            "limit": 100,
            "in_flight": 8,
            "changes": seed % 3,
            "places": PLACES,
            "manner": "honest",
        }
        check({**schedule, "cap": 0, "expects_rows": False, "hinted_unit": "unknown", "seed": seed})


def usefulness(count: int) -> tuple[float, float, float]:
    """Over so many lists, one change a request, 8 in flight: share complete on the first sweep, mean and worst cost."""
    first, costs = 0, []
    for seed in range(count):
        dice = random.Random(seed)
        size = dice.choice((300, 500, 1_000, 3_000)) if seed % 10 else 10_000
        reading = read(ModelServer(size, dice), Rules(), in_flight=8, changes=1)
        first += reading.outcome.verdict == "complete" and reading.outcome.sweeps == 1
        costs.append(reading.requests / (1 + ceil((size - 100 + 1) / 95)))
    return first / count, statistics.mean(costs), max(costs)


def test_a_busy_list_is_complete_on_the_first_sweep_at_little_more_than_a_quiet_one() -> None:
    share, cost, _ = usefulness(USEFUL_FEW)
    assert share >= 0.995
    assert cost <= 1.10


@pytest.mark.slow
def test_the_same_for_two_thousand_busy_lists() -> None:
    share, cost, worst = usefulness(USEFUL_MANY)
    print(f"complete on the first sweep {share:.2%}, requests {cost:.3f} x quiet (worst {worst:.2f})")
    assert share >= 0.995
    assert cost <= 1.10


def moving(manner: str, count: int) -> Counter[str]:
    """Over so many lists whose order moves: how many end wrongly complete, rightly complete, or not complete."""
    ends: Counter[str] = Counter()
    for seed in range(count):
        dice = random.Random(seed)
        server = ModelServer(dice.choice((150, 250, 600)), dice, manner=manner)
        reading = read(server, Rules(), in_flight=dice.choice((1, 4, 8)), changes=dice.choice((0, 0, 0.2)))
        missed = server.throughout - reading.outcome.ids
        if reading.outcome.verdict != "complete":
            ends["not complete"] += 1
            continue
        assert not runs_in_a_circle(reading)
        ends["wrongly complete" if missed else "rightly complete"] += 1
        # What a wrong capture lacks and was there yesterday is exactly what is asked for by its id.
        assert missed & server.yesterday == {
            task for task in server.yesterday - reading.outcome.ids if task in server.throughout
        }
    return ends


@pytest.mark.parametrize("manner", MOVING_MANNERS)
def test_an_order_that_moves_is_complete_only_where_no_answer_contradicts_it(manner: str) -> None:
    assert moving(manner, MOVING_FEW).total() == MOVING_FEW


@pytest.mark.slow
@pytest.mark.parametrize("manner", MOVING_MANNERS)
def test_how_often_an_order_that_moves_ends_wrongly_complete(manner: str) -> None:
    ends = moving(manner, MOVING_MANY)
    print(f"{manner}: {dict(ends)}")
    assert ends["wrongly complete"] <= MOVING_MANY * 0.2


class JoinsAnything(Listing):
    """Without the check that neighbours share a row."""

    def _is_joined(self) -> bool:
        return True


class BelievesPages(Listing):
    """Without holding a page against its own total: the list ends where a page is short."""

    def _contradiction(self, offset, page):
        return None

    def _reaches_end(self, offset, page):
        return len(page.ids) < self.rules.limit

    def _flaw_of_sweep(self):
        return None


class IgnoresCircles(Listing):
    """Without the check that the row orders agree."""

    def _end_if_idle(self) -> None:
        for order in (self._order, self._sweep.order):
            order.is_contradicted = lambda: False
        super()._end_if_idle()


def fails(machine: type[Listing], schedules_of, count: int = 400) -> bool:
    """Whether the simulation notices what the machine lacks."""
    for seed in range(count):
        try:
            check(schedules_of(random.Random(seed), seed), machine)
        except AssertionError:
            return True
    return False


def some(dice: random.Random, seed: int, **fixed: object) -> dict:
    schedule = {"size": dice.randrange(150, 500), "limit": 100, "in_flight": 4, "changes": 0, "places": PLACES}
    return {
        **schedule,
        "manner": "honest",
        "cap": 0,
        "expects_rows": False,
        "hinted_unit": "unknown",
        "seed": seed,
        **fixed,
    }


@pytest.mark.parametrize(
    ("machine", "conditions"),
    [
        (JoinsAnything, {"changes": 120, "places": ("head",)}),
        (BelievesPages, {"manner": "capped", "cap": 120}),
        (IgnoresCircles, {"manner": "shuffled", "size": 102}),
    ],
)
def test_a_machine_without_one_of_its_checks_is_noticed(machine: type[Listing], conditions: dict) -> None:
    def schedules_of(dice: random.Random, seed: int) -> dict:
        return some(dice, seed, **conditions)

    assert fails(machine, schedules_of)
    assert not fails(Listing, schedules_of)
