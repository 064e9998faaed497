"""The evidence for a complete listing, as a sentence for people.

Lives here: the wording, built from the numbers of the listing.
Does not live here: the proof itself (listing), storage of the sentence (lake.raw, tables).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pulltasks.proof.order import ASSUMED
from pulltasks.words import counted

if TYPE_CHECKING:
    from collections.abc import Collection


@dataclass(frozen=True)
class Tested:
    """The premises of the proof, as far as the answers of a complete listing tested them.

    Attributes:
        pages: number of pages of the sweep that counts.
        has_overlaps: neighbouring pages were joined by rows that both have.
        sweeps_agree: two sweeps had the same tasks.
        totals: the distinct totals of its pages; None for a page without one.
        is_past_ceiling: rows were listed after the 10,000th, which a total of 10,000 does not count.
        order_witness: the field by which all pages were sorted, or `assumed`.
        repairs: number of pages that were read again, or only to bridge gaps.
    """

    pages: int
    has_overlaps: bool
    sweeps_agree: bool
    totals: frozenset[int | None]
    is_past_ceiling: bool
    order_witness: str
    repairs: int


def sentence(tested: Tested, strange_regions: Collection[str] = ()) -> str:
    """Return the tested premises as one line of text, parts separated by `; `.

    Args:
        tested: the result of the listing.
        strange_regions: regions that all tasks of some page named and that no earlier capture had.
    """
    parts = [_pages(tested), _totals(tested)]
    if tested.pages > 1:
        known = tested.order_witness != ASSUMED
        sorted_by = f"sorted by {tested.order_witness} throughout"
        parts.append(sorted_by if known else "no change of order seen, sorted by no known field")
    if tested.repairs:
        parts.append(f"{counted(tested.repairs, 'page')} read again or to fill gaps")
    if strange_regions:
        parts.append(f"tasks of a region not seen before ({', '.join(sorted(strange_regions)[:3])}), read twice")
    return "; ".join(parts)


def _pages(tested: Tested) -> str:
    if tested.sweeps_agree:
        return f"two sweeps of {counted(tested.pages, 'page')} show the same tasks"
    if tested.pages == 1:
        return "one page holds all"
    joined = f"{counted(tested.pages, 'page')} joined by shared rows"
    return joined if tested.has_overlaps else f"{tested.pages} consecutive pages"


def _totals(tested: Tested) -> str:
    numbers = sorted(total for total in tested.totals if total is not None)
    if not numbers:
        return "no total given, nothing after the last row"
    if tested.is_past_ceiling and numbers[-1] == 10_000:  # noqa: PLR2004 - the documented maximum
        return "total stays at 10,000; more rows were listed, and nothing after the last one"
    if len(numbers) == 1:
        return f"every total is {numbers[0]:,}"
    return f"totals from {numbers[0]:,} to {numbers[-1]:,}, none contradicts another"
