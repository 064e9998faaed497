"""What the totals of a sweep say beside how many rows there are: whether some answers are older than others.

Lives here: totals that contradict each other in the order of receipt, steps that no ordinary list takes.
Does not live here: rows held against a total (pages), what follows from it (listing).

A list that is listed changes by a task or two a request. So a total that goes down and comes back, or up and back
again, faster than that was said by an answer that is old: a cache, or a replica that lags. Whatever such a sweep
shows may lack what was there all the time.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# How many tasks may come or go at once, and with each answer, before a total is called a step.
AT_ONCE, PER_ANSWER = 10, 2


def allowed(answers: int) -> int:
    """By how much a list may change while so many answers come."""
    return AT_ONCE + PER_ANSWER * answers


def contradict(totals: Sequence[int | None]) -> bool:
    """Whether some answer's total is far below, or far above, one before it and one after it.

    For answers i < j < k that is: t_i - t_j > 10 + 2(j - i) and t_k - t_j > 10 + 2(k - j), or both the other way round.

    Args:
        totals: of all answers of a sweep in the order of receipt; None for those that said none.
    """
    said = [(number, total) for number, total in enumerate(totals) if total is not None]
    return _has_valley(said) or _has_valley([(number, -total) for number, total in said])


def _has_valley(said: Sequence[tuple[int, int]]) -> bool:
    before = list(accumulate((total + PER_ANSWER * number for number, total in said), max))
    after = list(accumulate((total - PER_ANSWER * number for number, total in reversed(said)), max))[::-1]
    return any(
        before[at] - (total + PER_ANSWER * number) > AT_ONCE and after[at] - (total - PER_ANSWER * number) > AT_ONCE
        for at, (number, total) in enumerate(said)
    )


def have_step(totals: Sequence[int | None]) -> bool:
    """Whether the total of an answer differs from an earlier one's by more than a list changes meanwhile."""
    said = [(number, total) for number, total in enumerate(totals) if total is not None]
    return _has_fall(said) or _has_fall([(number, -total) for number, total in said])


def _has_fall(said: Sequence[tuple[int, int]]) -> bool:
    before = accumulate((total + PER_ANSWER * number for number, total in said), max)
    return any(
        highest - (total + PER_ANSWER * number) > AT_ONCE for highest, (number, total) in zip(before, said, strict=True)
    )
