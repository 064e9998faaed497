"""Pages of a list: requests, pages, the outcome of a listing, and groups of linked pages.

Lives here: the types that the state machine and its caller share, and pages linked by common rows.
Does not live here: the choice of the next page, the proof of a listing (listing).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pulltasks.proof.beside import NOTHING_MORE, More

if TYPE_CHECKING:
    from pulltasks.proof.evidence import Tested

# The documented maximum of `total` (https://support.huaweicloud.com/intl/en-us/api-live/ListPullTasks.html).
# A total of exactly 10,000 may mean "or more"; a larger one is an ordinary total.
TOTAL_CEILING = 10_000
OffsetUnit = Literal["rows", "pages", "unknown"]
Proof = Literal["by_chain", "by_agreement"]


@dataclass(frozen=True)
class PageRequest:
    """A page to read; `offset` is in the unit that the service counts.

    A page that `is_doubtful` was read before and was wrong. It is read over a new connection, because an answer to
    another request, left over on the old connection, looks the same.
    """

    sweep: int
    offset: int
    limit: int
    is_probe: bool = False
    is_doubtful: bool = False


@dataclass(frozen=True)
class Page:
    """The content of a page.

    Attributes:
        ids: task ids, in the order of the page.
        total: the number of tasks by this answer, or None.
        flaw: the reason why the page cannot be used, or None.
        create_times: when each task was created; empty, or as many as `ids`.
        regions: the regions of its tasks; None for a task without one.
        more: hints at tasks beside its rows.
    """

    ids: tuple[str, ...]
    total: int | None
    flaw: str | None = None
    create_times: tuple[str | None, ...] = ()
    regions: frozenset[str | None] = frozenset()
    more: More = NOTHING_MORE

    @property
    def times(self) -> tuple[str | None, ...]:
        """The creation time of each task, None where it is not given; as many as `ids`."""
        return self.create_times or (None,) * len(self.ids)

    def names_other_regions(self, known: frozenset[str]) -> bool:
        """Tell whether all its tasks name a region and none of those is known; False if no region is known."""
        return bool(known and self.ids) and None not in self.regions and self.regions.isdisjoint(known)


@dataclass(frozen=True)
class Outcome:
    """The end of a listing.

    `counted_sweep` is the number of the sweep whose pages are the listing, and `tested` its evidence; both are None if
    it is incomplete. `reason` is the cause then; for a complete listing it is a remark (`total_missing`,
    `total_at_ceiling`) or None.
    """

    verdict: Literal["complete", "incomplete"]
    proof: Proof | None
    reason: str | None
    counted_sweep: int | None
    sweeps: int
    ids: frozenset[str]
    repairs: int
    offset_unit: OffsetUnit
    order_witness: str
    tested: Tested | None = None


@dataclass(frozen=True)
class Rules:
    """The limits of a listing.

    Attributes:
        limit: rows per page, 1 to 100.
        overlap: number of rows that neighbouring pages should have in common.
        max_sweeps: number of sweeps after which a listing is given up.
        max_repairs: pages per sweep that are read only to bridge gaps.
        max_pages: pages per sweep where `total` does not tell the end of the list.
        hinted_unit: the unit of `offset` at the last capture; it is tested, never assumed.
        first_sweep: the number of the first sweep.
    """

    limit: int = 100
    overlap: int = 5
    max_sweeps: int = 4
    max_repairs: int = 50
    max_pages: int = 1100
    hinted_unit: OffsetUnit = "unknown"
    first_sweep: int = 1


def contradicts_total(rows: int, total: int | None, rows_before: int, limit: int) -> bool:
    """Tell whether a page has more or fewer rows than its own `total` implies; such a page does not count.

    Args:
        rows: number of rows of the page.
        total: number of tasks in the list by this page, or None.
        rows_before: number of rows of the list before this page.
        limit: number of rows requested.
    """
    if total is None or (total == TOTAL_CEILING and rows_before + limit > TOTAL_CEILING):
        return rows > limit
    return rows != min(limit, max(0, total - rows_before))


class Groups:
    """Pages, by number, linked by common rows (union-find); tells whether a group reaches from the head to the tail."""

    def __init__(self) -> None:
        self.ids: dict[str, int] = {}  # task -> the page that showed it first
        self._parent: list[int] = []
        self._heads: list[int] = []
        self._tails: list[int] = []

    def add(self, ids: tuple[str, ...], *, is_head: bool, is_tail: bool) -> int:
        """Add a page, and return its number: 0, 1, 2 … in order of reading."""
        number = len(self._parent)
        self._parent.append(number)
        first_shown = self.ids.setdefault
        for known in {first_shown(task_id, number) for task_id in ids}:
            self._parent[self._find(known)] = self._find(number)
        if ids and is_head:
            self._heads.append(number)
        if ids and is_tail:
            self._tails.append(number)
        return number

    def end_at(self, number: int) -> None:
        """Mark a page as one that reaches the end of the list."""
        self._tails.append(number)

    def are_joined(self, one: int, other: int) -> bool:
        """Tell whether common rows lead from one page to the other."""
        return self._find(one) == self._find(other)

    def reach_from_head_to_tail(self) -> bool:
        """Tell whether common rows lead from a page at offset 0 to a page that reaches the end of the list."""
        return not {self._find(head) for head in self._heads}.isdisjoint(self._find(tail) for tail in self._tails)

    def _find(self, number: int) -> int:
        # Halving the path on the way keeps it short: a listing has up to a thousand pages.
        parent = self._parent
        while parent[number] != number:
            parent[number] = number = parent[parent[number]]
        return number
