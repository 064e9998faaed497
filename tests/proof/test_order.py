"""Orders that pages give away: what is left out of the search for circles changes no answer."""

from __future__ import annotations

import random
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from listings import ids, page_of, run
from pulltasks.proof.listing import Listing
from pulltasks.proof.order import Order, _has_cycle
from pulltasks.proof.pages import Page, PageRequest, Rules

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
    for shown in pages:
        order.add(shown, [times[task_id] for task_id in shown])
    assert order.is_contradicted() == has_circle(pages)


def test_a_task_that_is_shown_with_two_times_hides_no_circle() -> None:
    order = Order()
    order.add(["a", "b"], ["1", "2"])
    order.add(["b", "a"], ["1", "2"])
    assert order.is_contradicted()


def test_an_order_that_is_seen_to_move_needs_two_sweeps_that_agree() -> None:
    """The first sweep shows rows turned round between two pages; afterwards the order is still."""
    rows = ids(150)
    turned = [*rows[:97], rows[98], rows[97], *rows[99:]]

    def moving(request: PageRequest) -> Page:
        return page_of(turned if request.sweep == 1 and request.offset else rows, request)

    outcome, _ = run(Listing(Rules()), moving)
    assert (outcome.verdict, outcome.proof, outcome.sweeps) == ("complete", "by_agreement", 3)
    assert outcome.ids == set(rows)


def test_an_order_that_keeps_moving_is_never_complete() -> None:
    rows, dice = ids(150), random.Random(1)

    def shuffled(request: PageRequest) -> Page:
        return page_of(dice.sample(rows, len(rows)), request)

    outcome, _ = run(Listing(Rules()), shuffled)
    assert outcome.verdict == "incomplete"


def test_the_field_that_pages_are_sorted_by_is_recorded() -> None:
    def timed(values):
        return lambda request: Page(
            page_of(ids(150), request).ids, 150, None, values[request.offset : request.offset + 100]
        )

    rising = tuple(f"2026-01-01T00:{n:05}" for n in range(150))
    for values, witness in ((rising, "create_time"), (rising[::-1], "create_time"), (("x", "y", "a") * 50, "task_id")):
        assert run(Listing(Rules()), timed(values))[0].order_witness == witness
    backwards = dict(zip(ids(150), random.Random(1).sample(range(150), 150), strict=True))
    mixed = sorted(ids(150), key=backwards.__getitem__)
    assert run(Listing(Rules()), lambda request: page_of(mixed, request))[0].order_witness == "assumed"
