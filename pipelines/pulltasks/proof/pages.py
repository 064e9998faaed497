"""Pages of a list: what is asked for, what came, how a listing ends, which pages hang together.

Lives here: the words that the machine and whoever drives it share, and pages linked by the rows they share.
Does not live here: which page is wanted next, when a listing is proved (listing).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pulltasks.proof.beside import NOTHING_MORE, More

if TYPE_CHECKING:
    from pulltasks.proof.evidence import Tested

# The documented maximum of `total` (https://support.huaweicloud.com/intl/en-us/api-live/ListPullTasks.html).
# Said so, it may stand for more; a larger one is an ordinary total.
TOTAL_CEILING = 10_000
OffsetUnit = Literal["rows", "pages", "unknown"]
Proof = Literal["by_chain", "by_agreement"]


@dataclass(frozen=True)
class PageRequest:
    """A page to be read; `offset` in whatever unit the service counts.

    One that `is_doubtful` was read before and was not what it should be: it is read over a new connection, as an answer
    that belongs to another request looks just like that.
    """

    sweep: int
    offset: int
    limit: int
    is_probe: bool = False
    is_doubtful: bool = False


@dataclass(frozen=True)
class Page:
    """What a page showed: tasks in order, `total` if it said one, what is wrong with it, what it says of more tasks."""

    ids: tuple[str, ...]
    total: int | None
    flaw: str | None = None
    create_times: tuple[str | None, ...] = ()
    regions: frozenset[str | None] = frozenset()
    more: More = NOTHING_MORE

    @property
    def times(self) -> tuple[str | None, ...]:
        """When each of its tasks was created, as far as it says so."""
        return self.create_times or (None,) * len(self.ids)

    def names_other_regions(self, known: frozenset[str]) -> bool:
        """Whether all its tasks name a region, and none of them a known one; where none is known, none is another."""
        return bool(known and self.ids) and None not in self.regions and self.regions.isdisjoint(known)


@dataclass(frozen=True)
class Outcome:
    """How a listing ended; `counted_sweep` is the sweep that is the listing, `tested` what it rests on, if complete.

    `reason` says why it is incomplete; beside a complete one it says what is worth knowing (`total_missing`,
    `total_at_ceiling`).
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
    """How a listing is read.

    Attributes:
        limit: rows a page, 1 to 100.
        overlap: rows that neighbouring pages should share.
        max_sweeps: sweeps until a listing is given up.
        max_repairs: pages of one sweep that are read only to bridge gaps.
        max_pages: pages of one sweep where `total` says nothing of the end.
        hinted_unit: what `offset` counted when it was last found out; tested, never assumed.
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
    """Whether a page has other rows than its own `total` lets expect; such a page counts neither here nor there.

    Args:
        rows: how many the page has.
        total: what it says of the whole list.
        rows_before: where in the list it begins.
        limit: how many were asked for.
    """
    if total is None or (total == TOTAL_CEILING and rows_before + limit > TOTAL_CEILING):
        return rows > limit
    return rows != min(limit, max(0, total - rows_before))


class Groups:
    """Pages, by number, linked by shared rows; knows whether a group reaches from the list's beginning to its end."""

    def __init__(self) -> None:
        self.ids: dict[str, int] = {}  # task -> the page that showed it first
        self._parent: list[int] = []
        self._heads: list[int] = []
        self._tails: list[int] = []

    def add(self, ids: tuple[str, ...], *, is_head: bool, is_tail: bool) -> int:
        """Take in a page; returns its number."""
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
        """A page turned out to reach the end of the list."""
        self._tails.append(number)

    def are_joined(self, one: int, other: int) -> bool:
        """Whether shared rows lead from one page to the other."""
        return self._find(one) == self._find(other)

    def reach_from_head_to_tail(self) -> bool:
        """Whether shared rows lead from a page at offset 0 to one that reached the end of the list."""
        return not {self._find(head) for head in self._heads}.isdisjoint(self._find(tail) for tail in self._tails)

    def _find(self, number: int) -> int:
        parent = self._parent
        while parent[number] != number:
            parent[number] = number = parent[parent[number]]
        return number
