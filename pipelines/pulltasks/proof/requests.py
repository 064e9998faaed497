"""The pages that a sweep requests: their offsets, order and number of reads.

Lives here: the queue, requests under way, doubtful pages.
Does not live here: the decision to request a page (listing), the pages received (sweep).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pulltasks.proof.pages import PageRequest


@dataclass
class Requests:
    """The requests of one sweep.

    Attributes:
        offsets: all requested offsets, in ascending order.
        frontier: the largest of them, without probes; None before the first request.
        waiting: requests that `take` has not returned yet.
        under_way: number of requests without an answer, by offset; waiting ones count too.
        doubts: number of doubtful pages, by offset.
        held: offsets of doubtful pages that wait for the answer to the probe.
        repairs: number of requests that were sent again, or sent to bridge a gap.
        empty_reads: number of times that the first page was empty without a flaw.
    """

    offsets: list[int] = field(default_factory=list)
    frontier: int | None = None
    waiting: list[PageRequest] = field(default_factory=list)
    under_way: Counter[int] = field(default_factory=Counter)
    doubts: Counter[int] = field(default_factory=Counter)
    held: list[int] = field(default_factory=list)
    repairs: int = 0
    empty_reads: int = 0

    def add(self, request: PageRequest) -> None:
        """Queue a request."""
        offset = request.offset
        if offset not in self.offsets:
            insort(self.offsets, offset)
        # A probe sits beside the first page. As the frontier it would end the walk through the list at row 1.
        if not request.is_probe and (self.frontier is None or offset > self.frontier):
            self.frontier = offset
        self.under_way[offset] += 1
        self.waiting.append(request)

    def take(self) -> PageRequest | None:
        """Return the next request, or None; each request is returned once."""
        return self.waiting.pop(0) if self.waiting else None

    def forget(self, offset: int) -> None:
        """Remove an offset whose page was not usable, so that no gap is looked for beside it."""
        self.offsets.remove(offset)

    def step_back(self, offset: int) -> None:
        """Make an offset the frontier, and remove all offsets after it."""
        self.frontier = offset
        self.offsets = [each for each in self.offsets if each <= offset]

    @property
    def is_idle(self) -> bool:
        """Tell whether no request waits and none is under way."""
        return not self.waiting and not self.under_way.total()

    def neighbours(self, offset: int) -> Iterator[tuple[int, int]]:
        """Yield the pairs `(left, right)` of neighbouring offsets that contain this offset, the left pair first."""
        before, after = bisect_left(self.offsets, offset) - 1, bisect_right(self.offsets, offset)
        for left, right in ((before, before + 1), (after - 1, after)):
            if left >= 0 and right < len(self.offsets):
                yield self.offsets[left], self.offsets[right]

    def pairs(self) -> list[tuple[int, int]]:
        """Return all pairs `(left, right)` of neighbouring offsets, in ascending order."""
        return list(zip(self.offsets, self.offsets[1:], strict=False))
