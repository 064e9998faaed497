"""Orders that pages give away: what is left out of the search for circles changes no answer."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pulltasks.proof.order import Order, _has_cycle

IDS = "abcdef"
TIMES = st.sampled_from("123")
ROWS = st.lists(st.tuples(st.sampled_from(IDS), TIMES), min_size=1, max_size=5, unique_by=lambda row: row[0])


def has_circle(pages) -> bool:
    return _has_cycle(pair for ids in pages for pair in pairwise(ids))


@given(st.lists(ROWS, max_size=4))
def test_pages_contradict_each_other_if_all_their_neighbours_run_in_a_circle(pages) -> None:
    order = Order()
    for rows in pages:
        order.add([task_id for task_id, _ in rows], [time for _, time in rows])
    assert order.is_contradicted() == has_circle([[task_id for task_id, _ in rows] for rows in pages])


@given(
    st.fixed_dictionaries(dict.fromkeys(IDS, TIMES)),
    st.lists(st.lists(st.sampled_from(IDS), min_size=1, max_size=5, unique=True), max_size=4),
    st.booleans(),
)
def test_that_is_so_where_all_pages_are_sorted_by_time(times, pages, is_reversed) -> None:
    order = Order()
    pages = [sorted(ids, key=times.__getitem__, reverse=is_reversed) for ids in pages]
    for ids in pages:
        order.add(ids, [times[task_id] for task_id in ids])
    assert order.is_contradicted() == has_circle(pages)


def test_a_task_that_is_shown_with_two_times_hides_no_circle() -> None:
    order = Order()
    order.add(["a", "b"], ["1", "2"])
    order.add(["b", "a"], ["1", "2"])
    assert order.is_contradicted()
