"""Proving a listing whole: a machine that is told pages and asks for pages.

Lives here: which pages make a sweep, what each page is held against, when a listing is complete.
Does not live here: HTTP, files, the clock; the machine is told everything.

A sweep reads pages that overlap by a few rows. If neighbours share a row, then every task that existed throughout
and lies between the first page and the last is in one of them, whatever was inserted or deleted meanwhile: what lay
before the shared row was in the one, what lay after it in the other. That needs one order, the same for all pages.
A page must also have as many rows as its own `total` says. A sweep that fails either test is swept again.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

# The documented maximum of `total`; it may stand for more.
TOTAL_CEILING = 10_000


@dataclass(frozen=True)
class PageRequest:
    """A page to be read."""

    sweep: int
    offset: int
    limit: int


@dataclass(frozen=True)
class Page:
    """What a page showed: task ids in order, `total` if it said one, and what is wrong with it, if anything is."""

    ids: tuple[str, ...]
    total: int | None
    flaw: str | None = None


@dataclass(frozen=True)
class Outcome:
    """How a listing ended; `counted_sweep` is the sweep that is the listing when it is complete."""

    verdict: Literal["complete", "incomplete"]
    proof: Literal["by_chain", "by_agreement"] | None
    reason: str | None
    counted_sweep: int | None
    sweeps: int
    task_count: int
    offset_unit: Literal["rows", "pages", "unknown"]


class Listing:
    """One listing: sweeps until one is proved, at most `max_sweeps`.

    Ask `wanted` for the pages to read, in any order and any number at a time; tell `receive` what they showed;
    `outcome` is set when nothing more is wanted; `sweep` counts from 1.
    """

    def __init__(self, limit: int, overlap: int, max_sweeps: int) -> None:
        self.outcome: Outcome | None = None
        self.sweep = 0
        self._limit = limit
        self._overlap = min(overlap, limit - 1)
        self._step = limit - self._overlap
        self._max_sweeps = max_sweeps
        self._asked: list[int] = []
        self._waiting: list[PageRequest] = []
        self._pages: dict[int, Page] = {}
        self._seen: set[str] = set()
        self._ids_before: frozenset[str] | None = None
        self._offset_unit: Literal["rows", "unknown"] = "unknown"
        self._begin_sweep()

    @property
    def seen_count(self) -> int:
        """Distinct tasks that any page has shown."""
        return len(self._seen)

    def wanted(self) -> list[PageRequest]:
        """The pages to be read now; each is named once."""
        wanted, self._waiting = self._waiting, []
        return wanted

    def receive(self, request: PageRequest, page: Page) -> None:
        """Take in what a page showed; pages of a sweep that was given up change nothing but what was seen."""
        self._seen.update(page.ids)
        if self.outcome is not None or request.sweep != self.sweep:
            return
        if (flaw := page.flaw or self._contradiction(request, page)) is not None:
            self._end_sweep(flaw)
            return
        self._pages[request.offset] = page
        self._ask_on(request, page)
        if len(self._pages) == len(self._asked):
            self._end_sweep(self._flaw_of_sweep())

    def _begin_sweep(self) -> None:
        self.sweep += 1
        self._asked, self._pages = [], {}
        self._ask(0)

    def _ask(self, offset: int) -> None:
        self._asked.append(offset)
        self._waiting.append(PageRequest(self.sweep, offset, self._limit))

    def _ask_on(self, request: PageRequest, page: Page) -> None:
        """Ask for all pages up to the end, as far as this page knows where the end is."""
        if request.offset == 0 and page.total is not None and page.total <= self._limit:
            return  # one page holds all
        if page.total is None or page.total >= TOTAL_CEILING:
            end = request.offset + len(page.ids) if len(page.ids) == self._limit else 0
            end = max(end, page.total or 0)
        else:
            end = page.total
        while self._asked[-1] + self._limit <= end:
            self._ask(self._asked[-1] + self._step)

    def _contradiction(self, request: PageRequest, page: Page) -> str | None:
        if page.total is None:
            return None
        expected = min(self._limit, max(0, page.total - request.offset))
        if page.total >= TOTAL_CEILING and request.offset + self._limit > TOTAL_CEILING:
            return None  # "at least so many": the end is where the rows end
        return None if len(page.ids) == expected else "page_contradicts_total"

    def _flaw_of_sweep(self) -> str | None:
        if self._overlap and not self._is_joined():
            return "pages_not_joined"
        if any(len(set(page.ids)) < len(page.ids) for page in self._pages.values()):
            return "task_twice_in_a_page"
        totals = {page.total for page in self._pages.values()}
        is_quiet = len(totals) == 1 and all(
            before.ids[self._step :] == after.ids[: max(0, len(before.ids) - self._step)]
            for (_, before), (_, after) in pairwise(sorted(self._pages.items()))
        )
        total = next(iter(totals))
        if is_quiet and total is not None and total < TOTAL_CEILING and len(self._ids()) != total:
            return "ids_differ_from_total"
        if self._overlap and len(self._pages) > 1:
            self._offset_unit = "rows"
        return None

    def _is_joined(self) -> bool:
        """Whether pages that share rows lead from offset 0 to a page that reached the end when it was read."""
        chain = sorted(self._pages.items())
        for (offset, page), following in zip(chain, [*chain[1:], None], strict=True):
            if self._reaches_end(offset, page):
                return True
            if following is None or set(page.ids).isdisjoint(following[1].ids):
                return False
        return False

    def _reaches_end(self, offset: int, page: Page) -> bool:
        if page.total is None or page.total >= TOTAL_CEILING:
            return len(page.ids) < self._limit
        return offset + len(page.ids) >= page.total

    def _ids(self) -> frozenset[str]:
        return frozenset(task_id for page in self._pages.values() for task_id in page.ids)

    def _end_sweep(self, flaw: str | None) -> None:
        if flaw is None and (self._overlap or len(self._pages) == 1):
            self._finish("by_chain", None)
            return
        ids = self._ids() if flaw is None else None
        if ids is not None and ids == self._ids_before:
            self._finish("by_agreement", None)
        elif self.sweep >= self._max_sweeps:
            self._finish(None, flaw or "sweeps_disagree")
        else:
            self._ids_before = ids
            self._begin_sweep()

    def _finish(self, proof: Literal["by_chain", "by_agreement"] | None, reason: str | None) -> None:
        self._waiting = []
        self.outcome = Outcome(
            verdict="complete" if proof else "incomplete",
            proof=proof,
            reason=reason,
            counted_sweep=self.sweep if proof else None,
            sweeps=self.sweep,
            task_count=len(self._ids()) if proof else self.seen_count,
            offset_unit=self._offset_unit,
        )
