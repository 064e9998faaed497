"""Two ages: red needs a person, amber is known and named, and nothing that lies after now is fresh."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulltasks.settings import Limits
from pulltasks.warehouse.read.status import CLOCK_TOLERANCE, Status, TargetStatus, judge

NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)
DAY = date(2026, 11, 22)
LIMITS = Limits(lake=timedelta(hours=26), target=timedelta(hours=50))


def target(name: str, age: timedelta | None, coverage: str = "complete") -> TargetStatus:
    at = None if age is None else NOW - age
    return TargetStatus(name * 32, "cn-north-4", name, coverage, None, None, None, at.date() if at else None, at)


def status(*targets: TargetStatus, age: timedelta | None = timedelta(hours=1)) -> Status:
    return Status(DAY, NOW, targets, (), captured_at=None if age is None else NOW - age)


@pytest.mark.parametrize(
    ("age", "is_beyond"),
    [
        (timedelta(0), False),
        (LIMITS.lake, False),
        (LIMITS.lake + timedelta(microseconds=1), True),
        (-CLOCK_TOLERANCE, False),
        (-CLOCK_TOLERANCE - timedelta(microseconds=1), True),
        (None, True),
    ],
)
def test_a_lake_is_red_beyond_its_limit_and_after_now(age: timedelta | None, is_beyond: bool) -> None:
    found = judge(status(target("a", timedelta(hours=1)), age=age), NOW, LIMITS)
    assert (found.is_lake_beyond, found.level) == (is_beyond, "red" if is_beyond else "green")


@pytest.mark.parametrize(
    ("age", "coverage", "level"),
    [
        (timedelta(hours=1), "complete", "green"),
        (timedelta(hours=25), "failed", "amber"),
        (LIMITS.target, "held", "amber"),
        (LIMITS.target + timedelta(microseconds=1), "missing", "red"),
        (None, "failed", "red"),
        (-timedelta(hours=1), "complete", "red"),
    ],
)
def test_a_target_may_miss_a_day(age: timedelta | None, coverage: str, level: str) -> None:
    late, good = target("a", age, coverage), target("b", timedelta(hours=1))
    found = judge(status(late, good), NOW, LIMITS)
    assert found.level == level
    assert found.beyond == ((late,) if level == "red" else ())
    assert found.missed == ((late,) if level == "amber" else ())


@given(ages=st.lists(st.integers(0, 100), min_size=1, max_size=8), first=st.integers(0, 7))
def test_a_target_is_judged_by_its_own_age_whatever_the_others_are(ages: list[int], first: int) -> None:
    targets = [replace(target("a", timedelta(hours=age)), region=f"cn-north-{n}") for n, age in enumerate(ages)]
    found = judge(status(*targets), NOW, LIMITS)
    assert [each in found.beyond for each in targets] == [timedelta(hours=age) > LIMITS.target for age in ages]
    alone = targets[first % len(targets)]
    assert (alone in judge(status(alone), NOW, LIMITS).beyond) == (alone in found.beyond)


def test_a_day_that_has_not_come_is_red() -> None:
    ahead = replace(status(target("a", timedelta(hours=1))), is_ahead=True)
    assert judge(ahead, NOW, LIMITS).level == "red"


def mornings(targets: int, days: int, share_known: float, seed: int) -> tuple[Counter[str], int]:
    """The levels of so many mornings, and how many had no day on which all were complete within 26 hours."""
    dice = random.Random(seed)
    last: dict[int, int] = dict.fromkeys(range(targets), 0)
    levels: Counter[str] = Counter()
    red_by_all = 0
    for day in range(1, days + 1):
        complete = {n for n in range(targets) if dice.random() < share_known}
        last |= dict.fromkeys(complete, day)
        states = [
            target(chr(97 + n), timedelta(days=day - last[n], hours=4), "complete" if n in complete else "failed")
            for n in range(targets)
        ]
        found = judge(status(*states, age=timedelta(hours=4)), NOW, LIMITS)
        levels[found.level] += 1
        assert (found.level == "red") == any(day - last[n] >= 2 for n in range(targets))
        red_by_all += len(complete) < targets
    return levels, red_by_all


def test_of_sixty_mornings_of_twenty_targets_few_need_a_person() -> None:
    levels, red_by_all = mornings(targets=20, days=60, share_known=0.96, seed=1)
    print(f"{dict(levels)}; by the newest day on which all were complete {red_by_all} were red")
    assert levels["red"] <= 6
    assert red_by_all >= 25
