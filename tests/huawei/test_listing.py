"""The listing machine: what it asks for, when it believes, when it does not."""

from __future__ import annotations

from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.huawei.listing import Listing, Outcome, Page, PageRequest

OVERLAP, SWEEPS = 5, 4


def ids(count: int) -> list[str]:
    return [f"task-{n:05}" for n in range(count)]


def page_of(rows: list[str], request: PageRequest) -> Page:
    return Page(tuple(rows[request.offset : request.offset + request.limit]), len(rows))


def run(listing: Listing, answer) -> tuple[Outcome, list[PageRequest]]:
    """Answer page by page, in the order of asking."""
    asked: list[PageRequest] = []
    while listing.outcome is None:
        wanted = listing.wanted()
        assert wanted, "the machine waits for nothing"
        for request in wanted:
            asked.append(request)
            listing.receive(request, answer(request))
    return listing.outcome, asked


def quiet_requests(count: int, limit: int, overlap: int) -> int:
    return 1 if count <= limit else 1 + ceil((count - limit + 1) / (limit - overlap))


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 195, 196, 200, 1000])
@pytest.mark.parametrize("limit", [2, 100])
def test_a_quiet_list_is_complete_at_the_cost_of_the_formula(count: int, limit: int) -> None:
    overlap = min(OVERLAP, limit - 1)
    outcome, asked = run(Listing(limit, OVERLAP, SWEEPS), lambda request: page_of(ids(count), request))
    assert (outcome.verdict, outcome.proof, outcome.task_count) == ("complete", "by_chain", count)
    assert len(asked) == quiet_requests(count, limit, overlap)


@pytest.mark.parametrize("count", [0, 1, 2, 20])
def test_pages_of_one_row_are_proved_by_agreement(count: int) -> None:
    outcome, _ = run(Listing(1, OVERLAP, SWEEPS), lambda request: page_of(ids(count), request))
    assert (outcome.verdict, outcome.task_count) == ("complete", count)
    assert outcome.proof == ("by_agreement" if count > 1 else "by_chain")


@given(count=st.integers(0, 400), limit=st.integers(2, 100), seed=st.randoms(use_true_random=False))
def test_the_order_of_answers_does_not_matter(count: int, limit: int, seed) -> None:
    listing = Listing(limit, OVERLAP, SWEEPS)
    waiting: list[PageRequest] = []
    while listing.outcome is None:
        waiting += listing.wanted()
        request = waiting.pop(seed.randrange(len(waiting)))
        listing.receive(request, page_of(ids(count), request))
    assert listing.outcome.verdict == "complete"
    assert listing.outcome.task_count == count


def test_a_page_that_has_fewer_rows_than_its_total_says_is_never_believed() -> None:
    def short(request: PageRequest) -> Page:
        page = page_of(ids(250), request)
        return Page(page.ids[:-1], page.total) if request.offset else page

    outcome, _ = run(Listing(100, OVERLAP, SWEEPS), short)
    assert (outcome.verdict, outcome.reason, outcome.sweeps) == ("incomplete", "page_contradicts_total", SWEEPS)
    assert outcome.task_count == 249  # what was seen is counted as evidence


def test_a_silent_cap_is_never_believed() -> None:
    def capped(request: PageRequest) -> Page:
        return Page(tuple(ids(250)[:150][request.offset : request.offset + request.limit]), 250)

    outcome, _ = run(Listing(100, OVERLAP, SWEEPS), capped)
    assert (outcome.verdict, outcome.reason) == ("incomplete", "page_contradicts_total")


def test_an_offset_that_counts_pages_is_never_believed() -> None:
    def by_page(request: PageRequest) -> Page:
        start = request.offset * request.limit
        return Page(tuple(ids(250)[start : start + request.limit]), 250)

    outcome, _ = run(Listing(100, OVERLAP, SWEEPS), by_page)
    assert outcome.verdict == "incomplete"


def test_pages_that_share_no_row_are_swept_again() -> None:
    before, after = ids(250), ids(250)[50:]

    def shrinking(request: PageRequest) -> Page:
        """Fifty tasks vanish at the head after the first page: the second page then begins behind a gap."""
        rows = before if request.sweep == 1 and request.offset == 0 else after
        return page_of(rows, request)

    outcome, _ = run(Listing(100, OVERLAP, SWEEPS), shrinking)
    assert (outcome.verdict, outcome.sweeps, outcome.task_count) == ("complete", 2, 200)


def test_an_empty_page_behind_a_shrunken_list_joins_nothing() -> None:
    """150 tasks, 60 vanish at the head: the second page is empty and agrees with its total, but 100..149 are unread."""
    before, after = ids(150), ids(150)[60:]

    def shrinking(request: PageRequest) -> Page:
        return page_of(before if request.sweep == 1 and request.offset == 0 else after, request)

    outcome, _ = run(Listing(100, OVERLAP, SWEEPS), shrinking)
    assert (outcome.verdict, outcome.sweeps, outcome.task_count) == ("complete", 2, 90)


def test_a_list_that_never_joins_ends_incomplete() -> None:
    def disjoint(request: PageRequest) -> Page:
        return Page(tuple(f"{request.sweep}-{request.offset}-{n}" for n in range(min(100, 150 - request.offset))), 150)

    outcome, _ = run(Listing(100, OVERLAP, SWEEPS), disjoint)
    assert (outcome.verdict, outcome.reason) == ("incomplete", "pages_not_joined")


def test_a_task_twice_in_one_page_is_never_believed() -> None:
    def doubled(request: PageRequest) -> Page:
        return Page(("a", "b", "a"), 3)

    outcome, _ = run(Listing(100, OVERLAP, SWEEPS), doubled)
    assert (outcome.verdict, outcome.reason) == ("incomplete", "task_twice_in_a_page")


def test_a_flaw_of_a_page_is_the_reason_of_the_listing() -> None:
    outcome, asked = run(Listing(100, OVERLAP, SWEEPS), lambda _: Page((), None, "answer_not_recognised"))
    assert (outcome.verdict, outcome.reason, len(asked)) == ("incomplete", "answer_not_recognised", SWEEPS)


@pytest.mark.parametrize("count", [0, 99, 100, 101, 250])
def test_without_a_total_the_list_ends_where_a_page_is_short(count: int) -> None:
    outcome, _ = run(Listing(100, OVERLAP, SWEEPS), lambda request: Page(page_of(ids(count), request).ids, None))
    assert (outcome.verdict, outcome.task_count) == ("complete", count)


def test_a_total_at_its_ceiling_means_at_least() -> None:
    rows = ids(10_300)
    outcome, _ = run(
        Listing(100, OVERLAP, SWEEPS), lambda request: Page(page_of(rows, request).ids, min(len(rows), 10_000))
    )
    assert (outcome.verdict, outcome.task_count) == ("complete", 10_300)


def test_answers_of_a_sweep_that_was_given_up_decide_nothing() -> None:
    listing = Listing(100, OVERLAP, SWEEPS)
    (first,) = listing.wanted()
    listing.receive(first, Page((), 5))  # contradicts itself: a second sweep begins
    (second,) = listing.wanted()
    listing.receive(first, page_of(ids(5), first))
    assert listing.outcome is None
    listing.receive(second, page_of(ids(5), second))
    assert listing.outcome is not None
    assert listing.outcome.counted_sweep == 2
