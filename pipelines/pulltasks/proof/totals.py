"""Evidence in the totals of a sweep that some answers are older than others.

Lives here: totals that contradict each other in the order of receipt, steps that an ordinary list never makes.
Does not live here: comparing rows with a total (pages), the consequence (listing).

A list changes by a task or two per request. So a total that falls and recovers, or rises and falls back, faster than
that comes from an old answer: a cache, or a replica that lags. Such a sweep may lack tasks that existed all the time.
"""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# The number of tasks that may appear or end at once, and with each answer, before the change counts as a step.
AT_ONCE, PER_ANSWER = 10, 2


def allowed(answers: int) -> int:
    """Return the number of tasks by which a list may change during this number of answers."""
    return AT_ONCE + PER_ANSWER * answers


def contradict(totals: Sequence[int | None]) -> bool:
    """Tell whether the total of some answer is far below, or far above, one before it and one after it.

    For answers i < j < k that is: t_i - t_j > 10 + 2(j - i) and t_k - t_j > 10 + 2(k - j), or both the other way round.

    Args:
        totals: the totals of all answers of a sweep, in the order of receipt; None for an answer without one.
    """
    known = [(number, total) for number, total in enumerate(totals) if total is not None]
    return _has_valley(known) or _has_valley([(number, -total) for number, total in known])


def _has_valley(known: Sequence[tuple[int, int]]) -> bool:
    # Running maxima from both sides compare each answer with all others in one pass.
    before = list(accumulate((total + PER_ANSWER * number for number, total in known), max))
    after = list(accumulate((total - PER_ANSWER * number for number, total in reversed(known)), max))[::-1]
    return any(
        before[at] - (total + PER_ANSWER * number) > AT_ONCE and after[at] - (total - PER_ANSWER * number) > AT_ONCE
        for at, (number, total) in enumerate(known)
    )


def have_step(totals: Sequence[int | None]) -> bool:
    """Tell whether the total of an answer differs from an earlier one by more than a list changes meanwhile."""
    known = [(number, total) for number, total in enumerate(totals) if total is not None]
    return _has_fall(known) or _has_fall([(number, -total) for number, total in known])


def _has_fall(known: Sequence[tuple[int, int]]) -> bool:
    before = accumulate((total + PER_ANSWER * number for number, total in known), max)
    return any(
        highest - (total + PER_ANSWER * number) > AT_ONCE
        for highest, (number, total) in zip(before, known, strict=True)
    )
