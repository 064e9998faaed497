"""The pages that a sweep asks for: which, in which order, how often.

Lives here: the queue, requests under way, pages in doubt.
Does not live here: why a page is asked for (listing), what came (sweep).
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
class Asked:
    """The requests of one sweep.

    Attributes:
        offsets: all offsets asked for, in order.
        frontier: the largest of them, probes left out.
        waiting: requests that nobody has taken yet.
        under_way: requests without an answer, by offset; those that wait count too.
        doubts: how often the page at an offset was doubtful.
        held: offsets of doubtful pages that wait for the probe.
        repairs: requests that were asked again.
        empty_reads: how often the first page was empty without a flaw.
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
        if not request.is_probe and (self.frontier is None or offset > self.frontier):
            self.frontier = offset
        self.under_way[offset] += 1
        self.waiting.append(request)

    def take(self) -> PageRequest | None:
        """Return the request that is next, if there is one; each is returned once."""
        return self.waiting.pop(0) if self.waiting else None

    def forget(self, offset: int) -> None:
        """Drop an offset whose page told nothing."""
        self.offsets.remove(offset)

    def step_back(self, offset: int) -> None:
        """Make an offset the frontier, and drop all behind it."""
        self.frontier = offset
        self.offsets = [each for each in self.offsets if each <= offset]

    @property
    def is_idle(self) -> bool:
        """Whether no page is wanted and none is under way."""
        return not self.waiting and not self.under_way.total()

    def neighbours(self, offset: int) -> Iterator[tuple[int, int]]:
        """Yield the pairs of neighbouring offsets that an offset is part of, the left one first."""
        before, after = bisect_left(self.offsets, offset) - 1, bisect_right(self.offsets, offset)
        for left, right in ((before, before + 1), (after - 1, after)):
            if left >= 0 and right < len(self.offsets):
                yield self.offsets[left], self.offsets[right]

    def pairs(self) -> list[tuple[int, int]]:
        """Return all pairs of neighbouring offsets, in order."""
        return list(zip(self.offsets, self.offsets[1:], strict=False))
