"""The listing machine: what it asks for, when it believes, when it does not."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from listings import OVERLAP, ids, page_of, quiet_requests, run
from pulltasks.proof.listing import READS_OF_A_DOUBTFUL_PAGE, Listing
from pulltasks.proof.pages import Page, PageRequest, Rules


@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 195, 196, 200, 1000])
@pytest.mark.parametrize("limit", [2, 100])
def test_a_quiet_list_is_complete_at_the_cost_of_the_formula(count: int, limit: int) -> None:
    overlap = min(OVERLAP, limit - 1)
    outcome, asked = run(Listing(Rules(limit=limit)), lambda request: page_of(ids(count), request))
    assert (outcome.verdict, outcome.proof, len(outcome.ids)) == ("complete", "by_chain", count)
    assert len(asked) == quiet_requests(count, limit, overlap)


@pytest.mark.parametrize("count", [1, 2, 20])
def test_pages_of_one_row_are_proved_by_agreement(count: int) -> None:
    outcome, _ = run(Listing(Rules(limit=1)), lambda request: page_of(ids(count), request))
    assert (outcome.verdict, len(outcome.ids)) == ("complete", count)
    assert outcome.proof == "by_agreement"


@given(
    count=st.integers(0, 400),
    limit=st.integers(2, 100),
    width=st.integers(1, 9),
    seed=st.randoms(use_true_random=False),
)
def test_the_order_of_answers_does_not_matter(count: int, limit: int, width: int, seed) -> None:
    listing = Listing(Rules(limit=limit))
    waiting: list[PageRequest] = []
    while listing.outcome is None:
        while len(waiting) < width and (request := listing.next()) is not None:
            waiting.append(request)
        request = waiting.pop(seed.randrange(len(waiting)))
        listing.receive(request, page_of(ids(count), request))
    assert listing.outcome.verdict == "complete"
    assert len(listing.outcome.ids) == count


def test_a_page_that_stays_other_than_its_total_says_is_read_again_and_disbelieved() -> None:
    def short(request: PageRequest) -> Page:
        page = page_of(ids(250), request)
        return Page(page.ids[:-1], page.total) if request.offset else page

    outcome, asked = run(Listing(Rules()), short)
    assert (outcome.verdict, outcome.reason, outcome.sweeps) == ("incomplete", "page_contradicts_total", 1)
    assert len(outcome.ids) == 194  # what was seen is counted as evidence
    assert max(Counter(request.offset for request in asked).values()) <= READS_OF_A_DOUBTFUL_PAGE + 1


def test_a_page_that_is_right_the_second_time_is_believed() -> None:
    asked: Counter[int] = Counter()

    def short_once(request: PageRequest) -> Page:
        asked[request.offset] += 1
        page = page_of(ids(250), request)
        return Page(page.ids[:-1], page.total) if request.offset == 95 and asked[95] == 1 else page

    outcome, _ = run(Listing(Rules()), short_once)
    assert (outcome.verdict, len(outcome.ids), outcome.sweeps) == ("complete", 250, 1)


def test_a_silent_cap_is_never_believed() -> None:
    def capped(request: PageRequest) -> Page:
        return Page(tuple(ids(250)[:150][request.offset : request.offset + request.limit]), 250)

    outcome, _ = run(Listing(Rules()), capped)
    assert (outcome.verdict, outcome.reason) == ("incomplete", "page_contradicts_total")


def by_page(rows: list[str]):
    def answer(request: PageRequest) -> Page:
        start = request.offset * request.limit
        return Page(tuple(rows[start : start + request.limit]), len(rows))

    return answer


@pytest.mark.parametrize("count", [101, 150, 200, 250, 1000])
def test_an_offset_that_counts_pages_is_found_out_and_two_sweeps_must_agree(count: int) -> None:
    outcome, asked = run(Listing(Rules()), by_page(ids(count)))
    assert (outcome.verdict, outcome.proof, outcome.offset_unit) == ("complete", "by_agreement", "pages")
    assert len(outcome.ids) == count
    assert sum(request.is_probe for request in asked) == 1


def test_a_hint_that_offsets_count_pages_is_tested_first_and_saves_the_wrong_pages() -> None:
    hinted, asked = run(Listing(Rules(hinted_unit="pages")), by_page(ids(1000)))
    assert (hinted.verdict, hinted.offset_unit, [request.offset for request in asked[:2]]) == (
        "complete",
        "pages",
        [0, 1],
    )
    assert len(asked) == 2 + 2 * 11  # the eleventh shows that the list ends
    wrong, _ = run(Listing(Rules(hinted_unit="pages")), lambda request: page_of(ids(1000), request))
    assert (wrong.verdict, wrong.offset_unit, len(wrong.ids)) == ("complete", "rows", 1000)


def test_a_list_of_one_page_does_not_tell_what_offsets_count() -> None:
    assert run(Listing(Rules()), lambda request: page_of(ids(99), request))[0].offset_unit == "unknown"
    assert run(Listing(Rules()), lambda request: page_of(ids(100), request))[0].offset_unit == "rows"


@pytest.mark.parametrize("gone", [10, 60, 90, 140])
def test_a_gap_is_bridged_within_the_sweep(gone: int) -> None:
    """So many tasks vanish at the head after the first page was read; what lies behind them slides away."""
    before, after = ids(600), ids(600)[gone:]

    def shrinking(request: PageRequest) -> Page:
        asked[request.offset] += 1
        return page_of(before if request.offset == 0 and asked[0] == 1 else after, request)

    asked: Counter[int] = Counter()
    outcome, requests = run(Listing(Rules()), shrinking)
    # so many that the first page may be an old answer: then a second sweep is read, and may stand alone
    sweeps = 1 if gone < 140 else 2
    assert (outcome.verdict, outcome.proof, outcome.sweeps) == ("complete", "by_chain", sweeps)
    assert outcome.ids >= set(after)
    assert len(requests) <= sweeps * (quiet_requests(600 - gone, 100, OVERLAP) + 6)


def test_an_empty_page_behind_a_shrunken_list_joins_nothing() -> None:
    """150 tasks, 60 vanish at the head: the second page is empty and agrees with its total, but 100..149 are unread."""
    before, after = ids(150), ids(150)[60:]

    def shrinking(request: PageRequest) -> Page:
        asked[request.offset] += 1
        return page_of(before if request.offset == 0 and asked[0] == 1 else after, request)

    asked: Counter[int] = Counter()
    outcome, _ = run(Listing(Rules()), shrinking)
    assert outcome.verdict == "complete"
    assert outcome.ids >= set(after)


def test_a_list_that_never_joins_ends_incomplete_within_its_bounds() -> None:
    moments = iter(range(100_000))

    def disjoint(request: PageRequest) -> Page:
        moment = next(moments)
        return Page(tuple(f"{moment}-{n}" for n in range(max(0, min(100, 150 - request.offset)))), 150)

    rules = Rules(max_repairs=7, max_sweeps=3)
    outcome, asked = run(Listing(rules), disjoint)
    assert outcome.verdict == "incomplete"
    assert len(asked) <= 3 * (2 + 7) + 1


def test_a_task_twice_in_one_page_is_never_believed() -> None:
    outcome, _ = run(Listing(Rules()), lambda _: Page(("a", "b", "a"), 3))
    assert outcome.verdict == "incomplete"


@pytest.mark.parametrize("flaw", ["answer_not_recognised", "task_without_id", "tasks_null_beside_total"])
def test_a_flaw_that_stays_is_the_reason_of_the_listing(flaw: str) -> None:
    outcome, asked = run(Listing(Rules()), lambda _: Page((), None, flaw))
    assert (outcome.verdict, outcome.reason, len(asked)) == ("incomplete", flaw, READS_OF_A_DOUBTFUL_PAGE)


def test_an_empty_list_is_read_twice_on_a_first_day_as_well() -> None:
    outcome, asked = run(Listing(Rules()), lambda request: page_of([], request))
    assert (outcome.verdict, len(asked)) == ("complete", 2)


def test_an_empty_list_that_is_not_empty_the_second_time_was_none() -> None:
    answers = iter([Page((), 0)])
    outcome, _ = run(Listing(Rules()), lambda request: next(answers, None) or page_of(ids(3), request))
    assert (outcome.verdict, len(outcome.ids)) == ("complete", 3)


def test_answers_of_a_sweep_that_was_given_up_decide_nothing() -> None:
    listing = Listing(Rules(limit=2, overlap=0))
    first = listing.next()
    assert first is not None
    listing.receive(first, Page(("a", "b"), 3))
    second = listing.next()
    assert second is not None
    listing._begin_sweep()
    listing.receive(second, Page(("c",), 3))
    assert listing.outcome is None
    assert listing.seen == {"a", "b", "c"}


@pytest.mark.parametrize("total", [None, 10_000])
def test_a_service_that_ignores_the_offset_does_not_keep_the_listing_busy_for_ever(total: int | None) -> None:
    outcome, asked = run(Listing(Rules()), lambda request: Page(tuple(ids(100)), total))
    assert (outcome.verdict, len(asked) < 120) == ("incomplete", True)
