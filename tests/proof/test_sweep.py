"""What one sweep shows: where the list ends, with a total and without one, and which totals are not believed."""

from __future__ import annotations

import pytest

from listings import OVERLAP, ids, page_of, quiet_requests, run
from pulltasks.proof.listing import Listing
from pulltasks.proof.pages import Page, PageRequest, Rules


@pytest.mark.parametrize("limit", [1, 2, 7, 100])
@pytest.mark.parametrize("count", [0, 1, 2, 5, 6, 99, 100, 101, 195, 250])
def test_without_a_total_the_end_is_believed_after_one_read_more(count: int, limit: int) -> None:
    overlap = min(OVERLAP, limit - 1)
    outcome, asked = run(Listing(Rules(limit=limit)), lambda request: Page(page_of(ids(count), request).ids, None))
    assert (outcome.verdict, outcome.reason, len(outcome.ids)) == ("complete", "total_missing", count)
    if limit > 1:
        assert len(asked) <= quiet_requests(count, limit, overlap) + 1


@pytest.mark.parametrize("rows_a_page", [2, 5, 50, 99])
def test_without_a_total_a_service_that_shows_fewer_rows_than_asked_for_is_read_to_its_end(rows_a_page: int) -> None:
    def few(request: PageRequest) -> Page:
        return Page(tuple(ids(300)[request.offset : request.offset + rows_a_page]), None)

    outcome, _ = run(Listing(Rules()), few)
    assert (outcome.verdict, len(outcome.ids)) == ("complete", 300)


def test_without_a_total_one_row_a_page_is_not_proved() -> None:
    outcome, _ = run(Listing(Rules()), lambda request: Page(tuple(ids(300)[request.offset : request.offset + 1]), None))
    assert outcome.verdict == "incomplete"


@pytest.mark.parametrize("rows_a_page", [1, 50, 100])
def test_without_a_total_a_service_that_ignores_the_offset_is_never_believed(rows_a_page: int) -> None:
    outcome, asked = run(Listing(Rules()), lambda request: Page(tuple(ids(300)[:rows_a_page]), None))
    assert (outcome.verdict, len(asked) < 120) == ("incomplete", True)


def test_without_a_total_a_list_that_shrinks_at_its_end_is_read_on() -> None:
    """The read that is to confirm the end finds nothing, as the last rows went meanwhile."""
    sizes = iter([60, 30])

    def shrinking(request: PageRequest) -> Page:
        return Page(page_of(ids(next(sizes, 30)), request).ids, None)

    outcome, _ = run(Listing(Rules()), shrinking)
    assert (outcome.verdict, outcome.ids >= set(ids(30))) == ("complete", True)


@pytest.mark.parametrize("limit", [30, 100])
@pytest.mark.parametrize(
    ("count", "verdict", "reason"),
    [
        (9_999, "complete", None),
        (10_000, "incomplete", "total_at_ceiling"),
        (10_001, "complete", "total_at_ceiling"),
        (10_300, "complete", "total_at_ceiling"),
    ],
)
def test_a_total_at_its_ceiling_means_at_least(count: int, verdict: str, reason: str | None, limit: int) -> None:
    rows = ids(count)
    listing = Listing(Rules(limit=limit))
    outcome, _ = run(listing, lambda request: Page(page_of(rows, request).ids, min(len(rows), 10_000)))
    assert (outcome.verdict, outcome.reason, len(outcome.ids)) == (verdict, reason, count)


@pytest.mark.parametrize(("count", "total"), [(10_500, 10_000), (10_500, 10_500), (12_000, 12_000)])
def test_a_window_of_ten_thousand_rows_is_never_believed(count: int, total: int) -> None:
    rows = ids(count)[:10_000]
    outcome, _ = run(Listing(Rules()), lambda request: Page(page_of(rows, request).ids, total))
    reason = "total_at_ceiling" if total == 10_000 else "page_contradicts_total"
    assert (outcome.verdict, outcome.reason, len(outcome.ids)) == ("incomplete", reason, 10_000)


@pytest.mark.parametrize("count", [10_001, 12_000])
def test_a_total_above_the_ceiling_is_an_ordinary_one(count: int) -> None:
    outcome, asked = run(Listing(Rules()), lambda request: page_of(ids(count), request))
    assert (outcome.verdict, outcome.reason, len(outcome.ids)) == ("complete", None, count)
    assert len(asked) == quiet_requests(count, 100, OVERLAP)


def test_a_list_of_9_999_is_read_by_pages_that_end_at_its_ceiling() -> None:
    outcome, asked = run(Listing(Rules()), lambda request: page_of(ids(9_999), request))
    assert (outcome.verdict, len(outcome.ids)) == ("complete", 9_999)
    assert max(request.offset for request in asked) == 9_900
    assert len(asked) == quiet_requests(9_999, 100, OVERLAP)


def test_a_service_that_refuses_what_lies_beyond_ends_at_the_ceiling() -> None:
    rows = ids(10_000)
    listing = Listing(Rules())
    while listing.outcome is None:
        request = listing.next()
        assert request is not None
        if request.offset + request.limit > 10_000:
            assert listing.reaches_beyond_ceiling(request)
            listing.refuse(request)
        else:
            listing.receive(request, page_of(rows, request))
    outcome = listing.outcome
    assert (outcome.verdict, outcome.reason, len(outcome.ids)) == ("incomplete", "total_at_ceiling", 10_000)


@pytest.mark.parametrize("count", [100, 195, 290])
@pytest.mark.parametrize(
    "total",
    [
        lambda rows, request, page: len(page),  # counts the rows of the page
        lambda rows, request, page: request.offset + len(page),  # what was shown so far
        lambda rows, request, page: min(len(rows), request.offset + len(page)),
    ],
    ids=["rows of the page", "so far", "so far at most"],
)
def test_a_last_page_that_is_exactly_full_is_not_believed_by_its_own_total(count: int, total) -> None:
    """The list goes on behind the first so many rows; a `total` that ends where a full page ends hides it."""
    rows = ids(count + 150)

    def answer(request: PageRequest) -> Page:
        page = tuple(rows[request.offset : request.offset + request.limit])
        return Page(page, total(rows, request, page))

    outcome, _ = run(Listing(Rules()), answer)
    assert outcome.verdict != "complete" or len(outcome.ids) == len(rows)


@pytest.mark.parametrize("old_by", [1, 3, 10])
@pytest.mark.parametrize("is_head", [True, False])
@pytest.mark.parametrize("more", [True, False])
def test_totals_that_both_repeat_themselves_are_of_different_ages(old_by: int, is_head: bool, more: bool) -> None:
    """One page always comes from a cache, a few tasks older or younger than all others."""
    rows = ids(300)
    old = [*rows, *(f"later-{n}" for n in range(old_by))] if more else rows[:-old_by]

    def answer(request: PageRequest) -> Page:
        from_cache = (request.offset == 0) == is_head
        shown = old if from_cache else rows
        return Page(tuple(shown[request.offset : request.offset + request.limit]), len(shown))

    outcome, _ = run(Listing(Rules()), answer)
    assert (outcome.verdict, outcome.reason) == ("incomplete", "totals_contradict")


@pytest.mark.parametrize("lacks", [2, 3, 7])
def test_two_replicas_that_answer_in_turn_are_seen(lacks: int) -> None:
    rows, asked = ids(300), 0
    other = [row for place, row in enumerate(rows) if place not in range(120, 120 + lacks)]

    def answer(request: PageRequest) -> Page:
        nonlocal asked
        asked += 1
        shown = rows if asked % 2 else other
        return Page(tuple(shown[request.offset : request.offset + request.limit]), len(shown))

    outcome, _ = run(Listing(Rules()), answer)
    assert outcome.verdict != "complete" or len(outcome.ids) == 300


@pytest.mark.parametrize("ends_at", [1, 2, 3])
def test_a_total_that_changes_once_costs_two_requests_at_most(ends_at: int) -> None:
    rows, asked = ids(300), 0

    def answer(request: PageRequest) -> Page:
        nonlocal asked
        asked += 1
        shown = rows if asked <= ends_at else rows[1:]
        return Page(tuple(shown[request.offset : request.offset + request.limit]), len(shown))

    outcome, requests = run(Listing(Rules()), answer)
    assert (outcome.verdict, outcome.sweeps) == ("complete", 1)
    assert outcome.ids >= set(rows[1:])
    assert len(requests) <= quiet_requests(300, 100, OVERLAP) + 2
