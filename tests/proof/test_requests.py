"""The pages that a sweep asks for: each is taken once, and neighbours are those that lie side by side."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pulltasks.proof.pages import PageRequest
from pulltasks.proof.requests import Requests


@given(st.lists(st.integers(0, 12), min_size=1))
def test_requests_are_taken_in_turn_and_neighbours_are_side_by_side(offsets: list[int]) -> None:
    asked = Requests()
    for offset in offsets:
        asked.add(PageRequest(1, offset, 100))
    assert [request.offset for request in iter(asked.take, None)] == offsets
    in_order = sorted({*offsets})
    assert asked.pairs() == [*pairwise(in_order)]
    assert all(set(asked.neighbours(offset)) == {p for p in asked.pairs() if offset in p} for offset in in_order)
    assert asked.frontier == in_order[-1]
    assert not asked.is_idle  # no answer has come


def test_a_probe_is_no_frontier_and_what_lies_behind_a_step_back_is_dropped() -> None:
    asked = Requests()
    for request in (PageRequest(1, 0, 100), PageRequest(1, 95, 100), PageRequest(1, 500, 100, is_probe=True)):
        asked.add(request)
    assert (asked.frontier, asked.offsets) == (95, [0, 95, 500])
    asked.step_back(0)
    assert (asked.frontier, asked.offsets, asked.pairs()) == (0, [0], [])
