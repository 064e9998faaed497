"""What a complete listing rests on, as people read it."""

from __future__ import annotations

import pytest

from pulltasks.proof import evidence


def rests_on(
    pages: int = 1, totals: tuple = (5,), *, overlaps=True, agree=False, past=False, order="assumed", repairs=0
):
    return evidence.Tested(pages, overlaps, agree, frozenset(totals), past, order, repairs)


@pytest.mark.parametrize(
    ("premises", "said"),
    [
        (rests_on(), "one page holds all; every total is 5"),
        (rests_on(agree=True), "two sweeps of 1 page show the same tasks; every total is 5"),
        (rests_on(3, (None,), order="task_id"), "3 pages joined by shared rows; no total given, nothing after the last row; sorted by task_id throughout"),
        (rests_on(2, (1200, None, 1201), overlaps=False), "2 consecutive pages; totals from 1,200 to 1,201, none contradicts another; no change of order seen, sorted by no known field"),
        (rests_on(1, (10_000,), past=True, repairs=2), "one page holds all; total stays at 10,000; more rows were listed, and nothing after the last one; 2 pages read again or to fill gaps"),
    ],
)  # fmt: skip
def test_the_premises_that_were_tested_are_one_sentence(premises: evidence.Tested, said: str) -> None:
    assert evidence.sentence(premises) == said
    assert (
        evidence.sentence(premises, ["cn-east-3", "a"])
        == f"{said}; tasks of a region not seen before (a, cn-east-3), read twice"
    )
