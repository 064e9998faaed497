"""The listing machine: what it asks for, when it believes, when it does not."""

from __future__ import annotations

import random
from collections import Counter
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulltasks.proof.listing import READS_OF_A_DOUBTFUL_PAGE, Listing
from pulltasks.proof.pages import Outcome, Page, PageRequest, Rules

OVERLAP, SWEEPS = Rules().overlap, Rules().max_sweeps


def ids(count: int) -> list[str]:
    return [f"task-{n:05}" for n in range(count)]


def page_of(rows: list[str], request: PageRequest) -> Page:
    return Page(tuple(rows[request.offset : request.offset + request.limit]), len(rows))


def run(listing: Listing, answer) -> tuple[Outcome, list[PageRequest]]:
    """Answer page by page, in the order of asking."""
    asked: list[PageRequest] = []
    while listing.outcome is None:
        request = listing.next()
        assert request is not None, "the machine waits for nothing"
        asked.append(request)
        listing.receive(request, answer(request))
    return listing.outcome, asked


def quiet_requests(count: int, limit: int, overlap: int) -> int:
    if count == 0:
        return 2  # an empty list is read twice
    return 1 if count < limit else 1 + ceil((count - limit + 1) / (limit - overlap))


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


def test_an_empty_list_is_read_twice_on_a_first_day_as_well() -> None:
    outcome, asked = run(Listing(Rules()), lambda request: page_of([], request))
    assert (outcome.verdict, len(asked)) == ("complete", 2)


def test_an_empty_list_that_is_not_empty_the_second_time_was_none() -> None:
    answers = iter([Page((), 0)])
    outcome, _ = run(Listing(Rules()), lambda request: next(answers, None) or page_of(ids(3), request))
    assert (outcome.verdict, len(outcome.ids)) == ("complete", 3)


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
