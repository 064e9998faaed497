"""What a complete listing rests on, in a sentence for people.

Lives here: the words, made of what the listing counted.
Does not live here: the proof itself (listing), where the sentence is kept (lake.raw, tables).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pulltasks.proof.order import ASSUMED

if TYPE_CHECKING:
    from collections.abc import Collection


@dataclass(frozen=True)
class Tested:
    """The premises of the proof that the answers of a complete listing tested.

    Attributes:
        pages: of the sweep that counts.
        has_overlaps: whether neighbouring pages were joined by rows that both show.
        sweeps_agree: whether two sweeps showed the same tasks.
        totals: the different totals that its pages said; None for a page that said none.
        is_past_ceiling: whether rows were shown that a total of 10,000 does not count.
        order_witness: the field that all pages were found sorted by.
        repairs: pages that were read again, or only to bridge gaps.
    """

    pages: int
    has_overlaps: bool
    sweeps_agree: bool
    totals: frozenset[int | None]
    is_past_ceiling: bool
    order_witness: str
    repairs: int


def sentence(tested: Tested, strange_regions: Collection[str] = ()) -> str:
    """The premises that were tested, for people.

    Args:
        tested: by the listing.
        strange_regions: regions that the tasks of some page named, all of them, and no earlier capture showed.
    """
    parts = [_pages(tested), _totals(tested)]
    if tested.pages > 1:
        known = tested.order_witness != ASSUMED
        parts.append(f"sorted by {tested.order_witness} throughout" if known else "order not seen to move, by no field")
    if tested.repairs:
        parts.append(f"{tested.repairs} {_plural('page', tested.repairs)} read again or between")
    if strange_regions:
        parts.append(f"tasks of a region not seen before ({', '.join(sorted(strange_regions)[:3])}), read twice")
    return "; ".join(parts)


def _pages(tested: Tested) -> str:
    if tested.sweeps_agree:
        return f"two sweeps of {tested.pages} {_plural('page', tested.pages)} show the same tasks"
    if tested.pages == 1:
        return "one page holds all"
    return f"{tested.pages} pages joined by shared rows" if tested.has_overlaps else f"{tested.pages} pages in a row"


def _totals(tested: Tested) -> str:
    said = sorted(total for total in tested.totals if total is not None)
    if not said:
        return "no total is said, nothing lay behind the last row"
    if tested.is_past_ceiling and said[-1] == 10_000:  # noqa: PLR2004 - the documented maximum
        return "total stays at 10,000, rows beyond were shown and nothing behind the last"
    if len(said) == 1:
        return f"every total is {said[0]:,}"
    return f"totals from {said[0]:,} to {said[-1]:,}, none contradicts another"


def _plural(noun: str, count: int) -> str:
    return noun if count == 1 else f"{noun}s"
