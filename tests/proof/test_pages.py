"""Rows held against a total, and pages that hang together by the rows they share."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pulltasks.proof.pages import TOTAL_CEILING, Groups, contradicts_total

SHOWN = st.lists(st.tuples(st.frozensets(st.sampled_from("abcdef"), max_size=3), st.booleans(), st.booleans()))


@given(pages=SHOWN)
def test_pages_reach_from_head_to_tail_if_a_chain_of_shared_rows_does(pages: list[tuple]) -> None:
    groups = Groups()
    for ids, is_head, is_tail in pages:
        groups.add(tuple(ids), is_head=is_head, is_tail=is_tail)
    reached = [ids for ids, is_head, _ in pages if is_head and ids]
    for _ in pages:
        reached = [ids for ids, *_ in pages if any(ids & other for other in reached)]
    ends = [ids for ids, _, is_tail in pages if is_tail and ids]
    assert groups.reach_from_head_to_tail() == any(ids in reached for ids in ends)


@given(count=st.integers(0, 300), before=st.integers(0, 400), limit=st.integers(1, 100), rows=st.integers(0, 100))
def test_a_page_has_as_many_rows_as_its_total_leaves_to_it(count: int, before: int, limit: int, rows: int) -> None:
    assert contradicts_total(rows, count, before, limit) == (rows != len(range(count)[before : before + limit]))


def test_where_the_total_says_nothing_of_the_end_only_more_rows_than_asked_for_contradict_it() -> None:
    for total, before in ((None, 0), (TOTAL_CEILING, TOTAL_CEILING - 99), (TOTAL_CEILING, 2 * TOTAL_CEILING)):
        assert [contradicts_total(rows, total, before, 100) for rows in (0, 100, 101)] == [False, False, True]
    assert contradicts_total(99, TOTAL_CEILING, TOTAL_CEILING - 100, 100)
