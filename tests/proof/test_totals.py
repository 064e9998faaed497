"""Totals that contradict each other, by the sentence of the design."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from model_server import contradict as by_the_design
from pulltasks.proof.totals import AT_ONCE, allowed, contradict, have_step


@settings(max_examples=1000)  # pure and fast; a change of the rule shows in one of some hundreds
@given(totals=st.lists(st.integers(0, 80) | st.integers(0, 400), max_size=12))
def test_totals_contradict_each_other_as_the_design_says(totals: list[int]) -> None:
    assert contradict(totals) == by_the_design(totals)


@settings(max_examples=1000)  # pure and fast; a change of the rule shows in one of some hundreds
@given(totals=st.lists(st.none() | st.integers(0, 400), max_size=12))
def test_a_contradiction_has_a_step_and_answers_without_a_total_only_take_time(totals: list[int | None]) -> None:
    assert have_step(totals) or not contradict(totals)
    steps = [
        abs(late - early) > AT_ONCE + 2 * (after - before)
        for after, late in enumerate(totals)
        for before, early in enumerate(totals[:after])
        if late is not None and early is not None
    ]
    assert have_step(totals) == any(steps)
    assert allowed(3) == AT_ONCE + 6
