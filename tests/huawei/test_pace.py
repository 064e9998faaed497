"""The pace finds the rate that a service allows, stays near it, and is refused seldom. No network: time is a number."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulltasks.huawei.pace import (
    FIRST_IN_FLIGHT,
    FIRST_PAUSE_S,
    LONGEST_PAUSE_S,
    LOWEST_PER_SECOND,
    NOT_KNOWN,
    RECOVERY_S,
    Pace,
    Reached,
)

MOST = 20


@dataclass
class Limited:
    """A service that accepts so many requests per second: in each second of its clock, or by a bucket that refills."""

    per_second: float
    kind: str = "second"
    filled: float = 0.0
    at: float = 0.0
    counts: dict[int, int] = field(default_factory=dict)

    def accepts(self, now: float) -> bool:
        if self.kind == "second":
            second = int(now)
            self.counts[second] = self.counts.get(second, 0) + 1
            return self.counts[second] <= self.per_second
        size = max(1.0, self.per_second / 5)
        self.filled, self.at = min(size, self.filled + (now - self.at) * self.per_second), now
        if self.filled < 1:
            return False
        self.filled -= 1
        return True


def run(
    service: Limited, latency: float, pause: float | None, seconds: float, seed: int = 0, before: Reached = NOT_KNOWN
) -> tuple[list[tuple[float, bool]], Reached]:
    """Send whatever the pace allows; return when each answer came and whether it was accepted, and the pace."""
    dice, now, in_flight, number = random.Random(seed), 0.0, 0, 0
    pace = Pace(now, MOST, before=before)
    events: list[tuple[float, int, float, bool | None]] = []
    answers = []
    while now < seconds:
        while in_flight < pace.in_flight and pace.wait_s(now) < 1e-9:
            pace.sent(now)
            in_flight, number = in_flight + 1, number + 1
            heapq.heappush(events, (now + latency / 2 * (1 + dice.random() / 5), number, now, None))
        next_turn = now + pace.wait_s(now) if in_flight < pace.in_flight else inf
        now = max(now + 1e-6, min(next_turn, events[0][0] if events else inf))
        while events and events[0][0] <= now:
            at, number_of, sent_at, is_accepted = heapq.heappop(events)
            if is_accepted is None:  # it arrives at the service
                back = at + latency / 2 * (1 + dice.random() / 5)
                heapq.heappush(events, (back, number_of, sent_at, service.accepts(at)))
                continue
            if is_accepted:
                pace.accepted(at, in_flight)
            else:
                pace.slow_down(at, sent_at, pause)
            in_flight -= 1
            answers.append((at, is_accepted))
    return answers, pace.reached()


def share(answers: list[tuple[float, bool]], first: float, last: float, per_second: float) -> tuple[float, float]:
    """Return the accepted requests between two times as a share of the limit, and the refused share of all."""
    found = [is_accepted for at, is_accepted in answers if first <= at < last]
    return sum(found) / (last - first) / per_second, 1 - sum(found) / max(1, len(found))


@pytest.mark.parametrize("pause", [None, 1.0])
@pytest.mark.parametrize("kind", ["second", "bucket"])
@pytest.mark.parametrize(
    ("per_second", "latency"),
    [(10, 0.005), (10, 0.15), (10, 0.6), (30, 0.03), (30, 0.15), (30, 0.6), (100, 0.005), (100, 0.03), (100, 0.15)],
)
def test_from_the_second_minute_on_the_pace_is_within_a_quarter_of_the_limit_and_one_in_twenty_refused_at_most(
    per_second: int, latency: float, kind: str, pause: float | None
) -> None:
    answers, _ = run(Limited(per_second, kind), latency, pause, 240)
    accepted, refused = share(answers, 60, 240, per_second)
    assert 0.75 <= accepted <= 1.01
    assert refused < 0.05


@settings(max_examples=25, deadline=None)
@given(
    st.floats(2, 100),
    st.floats(0.002, 0.15),
    st.sampled_from(["second", "bucket"]),
    st.sampled_from([None, 0.5, 1.0, 3.0]),
    st.integers(0, 99),
)
def test_any_limit_is_found(per_second: float, latency: float, kind: str, pause: float | None, seed: int) -> None:
    answers, _ = run(Limited(per_second, kind), latency, pause, 180, seed)
    # a service that counts whole requests allows less than 2.9 per second if it says 2.9
    accepted, refused = share(answers, 60, 180, int(per_second) if kind == "second" else per_second)
    assert (accepted >= 0.7, refused < 0.05) == (True, True), (accepted, refused)


def test_a_remembered_pace_is_near_the_limit_from_the_first_minute_on() -> None:
    _, reached = run(Limited(30), 0.15, None, 120)
    accepted, refused = share(run(Limited(30), 0.15, None, 60, before=reached)[0], 0, 60, 30)
    assert accepted >= 0.75
    assert refused < 0.05


@pytest.mark.parametrize(("first", "then"), [(10, 100), (100, 10)])
def test_a_limit_that_changed_since_the_run_before_is_found_again(first: int, then: int) -> None:
    _, reached = run(Limited(first), 0.05, None, 120)
    accepted, refused = share(run(Limited(then), 0.05, None, 300, before=reached)[0], 180, 300, then)
    assert accepted >= 0.7
    assert refused < 0.05


def test_without_a_refusal_the_requests_in_flight_grow_from_five_to_the_maximum_and_no_rate_limits_them() -> None:
    answers, reached = run(Limited(inf), 0.15, None, 30)
    assert (reached.in_flight, reached.refused, reached.allowed_per_second) == (MOST, 0, None)
    assert max(at for at, _ in answers[:FIRST_IN_FLIGHT]) < 0.2  # the first five leave at once
    assert len(answers) > 0.8 * 30 * MOST / (0.15 * 1.1)


def test_requests_in_flight_that_are_not_used_do_not_raise_their_number() -> None:
    pace = Pace(0, MOST)
    for _ in range(1000):
        pace.accepted(0, 1)
    assert pace.in_flight == FIRST_IN_FLIGHT


def test_each_refusal_halves_the_rate_down_to_a_lowest_one() -> None:
    pace, now, rates = Pace(0, MOST, before=Reached(allowed_per_second=4)), 0.0, []
    for _ in range(12):
        now += pace.wait_s(now)
        rates.append(pace.per_second(now))
        pace.sent(now)
        pace.accepted(now, 1)
        pace.slow_down(now + 0.001, now, 0)
    assert rates[:4] == pytest.approx([3.75, 1.875, 0.9375, 0.46875], rel=0.1)
    assert rates[-1] == LOWEST_PER_SECOND


def test_a_refusal_halves_what_was_sent_and_not_what_was_allowed() -> None:
    pace = Pace(0, MOST, before=Reached(allowed_per_second=1000))
    for n in range(40):
        pace.sent(n / 10)
        pace.accepted(n / 10, 1)
    pace.slow_down(4, 3.9, None)
    assert pace.per_second(4) == pytest.approx(5, rel=0.1)


def test_the_rate_regains_most_of_what_it_lost_slowly_and_then_all_of_it() -> None:
    pace = Pace(0, MOST)
    for n in range(40):
        pace.sent(n / 40)
    pace.slow_down(1, 0.999, None)
    rates = [pace.per_second(1 + RECOVERY_S * share) for share in (0, 0.25, 0.5, 0.75, 1)]
    assert rates[0] * 2 == pytest.approx(rates[-1])
    assert [round(rate / rates[-1], 2) for rate in rates] == [0.5, 0.79, 0.94, 0.99, 1]


def test_requests_that_left_before_the_pace_was_halved_do_not_halve_it_again() -> None:
    pace = Pace(0, MOST)
    for n in range(20):
        pace.sent(n / 100)
    pace.slow_down(0.3, 0.1, None)
    rate = pace.per_second(0.3)
    for _ in range(10):
        pace.slow_down(0.3, 0.19, None)
    assert (pace.per_second(0.3), pace.refused) == (rate, 11)


def test_without_an_accepted_answer_only_the_pause_grows_and_one_request_goes_alone() -> None:
    pace, now, pauses = Pace(0, MOST), 0.0, []
    rates = set()
    for _ in range(10):
        pace.sent(now)
        pace.slow_down(now + 0.1, now, None)
        pauses.append(round(pace.wait_s(now + 0.1), 6))
        rates.add(pace.reached().allowed_per_second)
        assert pace.in_flight == 1
        now += 0.1 + pauses[-1]
    assert pauses == [FIRST_PAUSE_S * 2**n for n in range(6)] + [LONGEST_PAUSE_S] * 4
    assert len(rates) == 1
    pace.accepted(now, 1)
    assert pace.in_flight == FIRST_IN_FLIGHT


@pytest.mark.parametrize(("asked", "seen"), [(0.0, 0.0), (7.0, 7.0), (LONGEST_PAUSE_S, LONGEST_PAUSE_S), (3600.0, 0.0)])
def test_the_pause_that_the_service_asks_for_is_obeyed_unless_it_is_longer_than_a_minute(
    asked: float, seen: float
) -> None:
    pace = Pace(0, MOST)
    pace.sent(0)
    pace.slow_down(0.1, 0, asked)
    assert pace.wait_s(0.1) == pytest.approx(seen)
