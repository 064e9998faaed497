"""Proving a listing whole: a machine that is told pages and asks for pages.

Lives here: which pages make a sweep, what each is held against, how gaps are bridged, when a listing is complete.
Does not live here: HTTP, files, the clock; the machine is told everything.

Premises. (1) There is one total order over all tasks that appear in any answer, the same for the whole capture.
(2) A task is in the list at most once at a moment. (3) Each answer is the complete run of the list between its first
and its last row, at one moment of the capture.

What is proved. By (3) a page holds every task that existed throughout and lies, in the order of (1), between its first
and its last row. Two pages that share a row cover two stretches of that order with a point in common, so together they
cover the stretch from the first row of the one to the last row of the other without a hole. A page from offset 0
covers everything before its last row; a page that reaches the end of the list covers everything after its first row.
So a group of pages, linked by shared rows, that has a page from offset 0 and a page that reaches the end, holds every
task that existed throughout, whatever was inserted or deleted meanwhile and in whatever order the pages were read.

Where the end is. A page reaches it if its rows go as far as its own `total` says. Without a total, and beyond the
10,000th row where `total` stays at 10,000, a page that is short proves nothing, as a service may show fewer rows than
it was asked for: a further read from the last rows on must show nothing but these.

What is only evidence. (3) is held against each page's own `total`: a page with fewer or more rows than that is read
again and then disbelieved. "At one moment of the capture" is held against the totals of all answers: where they
contradict each other some answer is old, and two sweeps without such a contradiction must agree. (1) is disproved by contradicting row orders (see `order`), never proved; then, and where
pages cannot overlap (one row a page, or an `offset` that counts pages), two sweeps must show the same tasks, as many
as `total` says every time. A sweep in which nothing moved must show as many tasks as `total` in any case.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

from pipelines.huawei import totals
from pipelines.huawei.order import Order
from pipelines.huawei.pages import (
    TOTAL_CEILING,
    Groups,
    OffsetUnit,
    Outcome,
    Page,
    PageRequest,
    Proof,
    Rules,
    contradicts_total,
)

# How often a page that contradicts itself is read before it is disbelieved.
READS_OF_A_DOUBTFUL_PAGE = 3


@dataclass
class _Sweep:
    """One pass over the pages."""

    number: int
    unit: OffsetUnit
    groups: Groups = field(default_factory=Groups)
    order: Order = field(default_factory=Order)
    pages: dict[int, Page] = field(default_factory=dict)  # the newest at each offset
    numbers: dict[int, int] = field(default_factory=dict)  # offset -> number of its newest page, in order of reading
    offsets: list[int] = field(default_factory=list)  # asked for, in order
    newest: Page | None = None
    frontier: int | None = None
    waiting: list[PageRequest] = field(default_factory=list)
    under_way: Counter[int] = field(default_factory=Counter)
    doubts: Counter[int] = field(default_factory=Counter)
    held: list[int] = field(default_factory=list)  # offsets of doubtful pages that wait for the probe
    totals: list[int | None] = field(default_factory=list)  # of all answers, in the order of receipt
    kept_totals: set[int | None] = field(default_factory=set)  # of the pages that count
    is_past_ceiling: bool = False  # some page shows a row that a total of 10,000 does not count
    ends_below_ceiling: bool = False
    is_head_read_again: bool = False
    repairs: int = 0
    empty_reads: int = 0
    has_moved: bool = False


class Listing:
    """One listing: sweeps until one is proved.

    `next` names the next page to be read now, or None; `receive` tells what a page showed, in any order and with any
    number under way. `outcome` is set when nothing more is wanted.
    """

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.outcome: Outcome | None = None
        self.repairs = 0
        self.seen: set[str] = set()
        self._largest_total = 0  # of all answers
        self._order = Order()  # of all sweeps
        self._overlap = min(rules.overlap, rules.limit - 1)
        self._offset_unit: OffsetUnit = "unknown"
        self._probe: Literal["not_asked", "asked", "answered"] = "not_asked"
        self._needs_agreement = rules.limit == 1
        self._before: _Sweep | None = None  # the sweep that the next one may agree with
        self._sweep = _Sweep(rules.first_sweep, "unknown", order=self._order)  # the first is all there is so far
        self._ask(0)

    @property
    def sweep(self) -> int:
        """The number of the sweep under way."""
        return self._sweep.number

    # -- asking --------------------------------------------------------------------------------------------------

    def next(self) -> PageRequest | None:
        """The next page to be read, if one is wanted now; each is named once."""
        sweep = self._sweep
        if self.outcome is not None:
            return None
        if not sweep.waiting and self._is_more_beyond():
            if len(sweep.offsets) >= self._most_pages():
                self.give_up("list_without_end")
                return None
            self._ask(self._next_offset())
        return sweep.waiting.pop(0) if sweep.waiting else None

    def give_up(self, reason: str) -> None:
        """End the listing unproved; what was seen stays."""
        self._finish(None, reason)

    def refuse(self, request: PageRequest) -> None:
        """The service refused a page that reaches beyond the 10,000th row: what lies there cannot be known."""
        if self.outcome is None and request.sweep == self._sweep.number:
            self.give_up("total_at_ceiling")

    def reaches_beyond_ceiling(self, request: PageRequest) -> bool:
        """Whether a page asks for rows that a service may refuse to show."""
        return self._rows_before(request.offset) + request.limit > TOTAL_CEILING

    def _most_pages(self) -> int:
        """How many pages a sweep may have: what the largest total needs, and repairs; without one `max_pages`."""
        said = [total for total in self._sweep.kept_totals if total is not None]
        if not said or self._is_at_least(max(said)):
            return self.rules.max_pages
        return 2 + max(said) // self._step + self.rules.max_repairs

    def _is_at_least(self, total: int) -> bool:
        """Whether a total may stand for more: 10,000, where no answer of the capture said more."""
        return total == TOTAL_CEILING and self._largest_total <= TOTAL_CEILING

    def _is_end_unsaid(self, offset: int, total: int | None) -> bool:
        """Whether a page with this total does not say where the list ends."""
        return total is None or (
            self._is_at_least(total) and self._rows_before(offset) + self.rules.limit >= TOTAL_CEILING
        )

    @property
    def _can_overlap(self) -> bool:
        return bool(self._overlap) and self._sweep.unit != "pages"

    @property
    def _step(self) -> int:
        return 1 if self._sweep.unit == "pages" else self.rules.limit - self._overlap

    def _is_more_beyond(self) -> bool:
        """Whether the newest word on where the list ends lies beyond the last page that was asked for."""
        sweep, limit = self._sweep, self.rules.limit
        newest = sweep.newest
        if sweep.frontier is None or newest is None or 0 not in sweep.pages or self._probe == "asked":
            return False
        last = sweep.pages.get(sweep.frontier)
        rows_before = self._rows_before(sweep.frontier)
        if rows_before == 0 and newest.total is not None and newest.total <= limit:
            return False  # one page holds all
        if newest.total is None or self._is_end_unsaid(sweep.frontier, newest.total):
            return last is not None and self._may_go_on(sweep.frontier, last)
        return rows_before + limit <= newest.total

    def _may_go_on(self, offset: int, last: Page) -> bool:
        """Whether more is to be read behind the last page of a list whose end is not said."""
        if not self._can_overlap:
            return bool(last.ids)  # until a page is empty
        if len(last.ids) == 1:
            return offset == 0 and 1 not in self._sweep.offsets
        return bool(last.ids) and (len(last.ids) == self.rules.limit or not self._reaches_end(offset, last))

    def _next_offset(self) -> int:
        sweep, limit = self._sweep, self.rules.limit
        frontier, newest = sweep.frontier or 0, sweep.newest
        last = sweep.pages.get(frontier)
        total = newest.total if newest else None
        if last and last.ids and len(last.ids) < limit and self._can_overlap and self._is_end_unsaid(frontier, total):
            return frontier + max(1, len(last.ids) - self._overlap)
        following = frontier + self._step
        if sweep.unit != "pages" and (total is None or total <= TOTAL_CEILING) and following > TOTAL_CEILING - limit:
            return max(frontier + 1, min(following, TOTAL_CEILING - limit)) if frontier < TOTAL_CEILING - limit else following
        return following

    def _ask(self, offset: int, *, is_probe: bool = False, is_doubtful: bool = False) -> None:
        sweep = self._sweep
        if offset not in sweep.offsets:
            insort(sweep.offsets, offset)
        if not is_probe and (sweep.frontier is None or offset > sweep.frontier):
            sweep.frontier = offset
        sweep.under_way[offset] += 1
        sweep.waiting.append(PageRequest(sweep.number, offset, self.rules.limit, is_probe, is_doubtful))

    def _ask_again(self, offset: int, *, is_doubtful: bool = False) -> None:
        self._sweep.repairs += 1
        self.repairs += 1
        self._ask(offset, is_doubtful=is_doubtful)

    def _rows_before(self, offset: int) -> int:
        return offset * self.rules.limit if self._sweep.unit == "pages" else offset

    # -- hearing -------------------------------------------------------------------------------------------------

    def receive(self, request: PageRequest, page: Page) -> None:
        """Take in what a page showed; pages of a sweep that was given up change nothing but what was seen."""
        self.seen.update(page.ids)
        self._largest_total = max(self._largest_total, page.total or 0)
        sweep = self._sweep
        if self.outcome is not None or request.sweep != sweep.number:
            return
        sweep.totals.append(page.total)
        sweep.under_way[request.offset] -= 1
        if request.is_probe:
            self._hear_probe(page)
            if self._sweep is not sweep:
                return
        elif self._is_doubtful(request.offset, page):
            return
        if page.flaw is None and self._contradiction(request.offset, page) is None:
            self._keep(request.offset, page)
        elif request.is_probe and not sweep.under_way[request.offset]:
            sweep.offsets.remove(request.offset)
        if request.is_probe:
            for offset in sweep.held:
                self._ask_again(offset)
        if not self._is_waiting_for_probe():
            self._look_for_gaps(request.offset)
        self._end_if_idle()

    def _keep(self, offset: int, page: Page) -> None:
        sweep = self._sweep
        is_tail = self._reaches_end(offset, page)
        sweep.pages[offset] = sweep.newest = page
        sweep.numbers[offset] = sweep.groups.add(page.ids, is_head=offset == 0, is_tail=is_tail)
        sweep.kept_totals.add(page.total)
        sweep.is_past_ceiling |= self._rows_before(offset) + len(page.ids) > TOTAL_CEILING
        sweep.ends_below_ceiling |= is_tail and page.total is not None and page.total < TOTAL_CEILING
        if offset == 1 and not page.ids and page.total is None and len(sweep.pages[0].ids) == 1:
            sweep.groups.end_at(sweep.numbers[0])  # one task, and nothing after it
        for order in {id(order): order for order in (sweep.order, self._order)}.values():
            order.add(page.ids, page.create_times or (None,) * len(page.ids))

    def _is_doubtful(self, offset: int, page: Page) -> bool:
        """Read a page again that is not what it should be; whether that is being done, or the listing has ended."""
        sweep = self._sweep
        if page.flaw is None and self._is_empty_surprise(offset, page):
            sweep.empty_reads += 1
            if sweep.empty_reads < 2:  # noqa: PLR2004 - read twice
                self._ask_again(offset, is_doubtful=True)
                return True
        doubt = page.flaw or self._contradiction(offset, page) or self._repeats(offset, page)
        if doubt is None:
            return False
        if offset and self._probe != "answered" and self._offset_unit == "unknown" and 0 in sweep.pages:
            self._send_probe()  # an offset that counts pages looks just like this
            sweep.held.append(offset)
            return True
        sweep.doubts[offset] += 1
        if sweep.doubts[offset] < READS_OF_A_DOUBTFUL_PAGE:
            self._ask_again(offset, is_doubtful=True)
        else:
            self._finish(None, doubt)
        return True

    def _is_empty_surprise(self, offset: int, page: Page) -> bool:
        return offset == 0 and not page.ids and not page.total and self.rules.expects_rows

    def _contradiction(self, offset: int, page: Page) -> str | None:
        """Whether a page has other rows than its own `total` lets expect."""
        before = self._rows_before(offset)
        is_wrong = contradicts_total(len(page.ids), page.total, before, self.rules.limit)
        return "page_contradicts_total" if is_wrong else None

    def _repeats(self, offset: int, page: Page) -> str | None:
        """Whether a full page shows nothing new where only its fullness says that the list goes on."""
        sweep = self._sweep
        if not offset or offset != sweep.frontier or not self._is_end_unsaid(offset, page.total):
            return None
        if not page.ids or self._reaches_end(offset, page) or not sweep.groups.ids.keys() >= set(page.ids):
            return None
        is_full = len(page.ids) == self.rules.limit
        first = sweep.pages[0].ids if 0 in sweep.pages else ()
        return "pages_repeat" if is_full or page.ids == first else None

    def _reaches_end(self, offset: int, page: Page) -> bool:
        """Whether nothing lies behind a page: its total says so, or it read on from the last rows and found nothing."""
        if page.total is not None and not self._is_end_unsaid(offset, page.total):
            return self._rows_before(offset) + len(page.ids) >= page.total
        if not page.ids or len(page.ids) == self.rules.limit:
            return False
        return any(
            earlier < offset and other.ids[:1] != page.ids[:1] and set(page.ids) <= set(other.ids)
            for earlier, other in self._sweep.pages.items()
        )

    # -- what offset counts --------------------------------------------------------------------------------------

    def _send_probe(self) -> None:
        if self._probe == "not_asked":
            self._probe = "asked"
            self._ask(1, is_probe=True)

    def _is_waiting_for_probe(self) -> bool:
        return self._probe == "asked"

    def _hear_probe(self, page: Page) -> None:
        """Rows shared with what was read mean that `offset` counts rows; none shared, though there are some, pages."""
        self._probe = "answered"
        if not self._sweep.groups.ids.keys().isdisjoint(page.ids):
            self._offset_unit = "rows"
        elif page.ids:
            self._offset_unit = "pages"
            self._needs_agreement = True
            self._begin_sweep()

    # -- gaps ----------------------------------------------------------------------------------------------------

    def _look_for_gaps(self, offset: int) -> None:
        """Bridge the gaps beside a page that has just been read."""
        sweep = self._sweep
        if not self._overlap or sweep.unit == "pages":
            return
        if self.rules.hinted_unit == "pages" and offset == 0 and self._is_more_beyond():
            self._send_probe()
            return
        before = bisect_left(sweep.offsets, offset) - 1
        after = bisect_right(sweep.offsets, offset)
        for left, right in ((before, before + 1), (after - 1, after)):
            if left >= 0 and right < len(sweep.offsets):
                self._bridge(sweep.offsets[left], sweep.offsets[right])

    def _bridge(self, left: int, right: int) -> None:
        sweep = self._sweep
        if left not in sweep.pages or right not in sweep.pages or sweep.under_way[left] or sweep.under_way[right]:
            return
        one = sweep.pages[left]
        self._note_movement(left, right)
        if self._reaches_end(left, one) or sweep.groups.are_joined(sweep.numbers[left], sweep.numbers[right]):
            return
        if sweep.groups.reach_from_head_to_tail():
            return
        if self._offset_unit == "unknown" and self._probe == "not_asked":
            self._send_probe()
            return
        if sweep.repairs >= self.rules.max_repairs:
            return
        if right - left > self.rules.limit // 2:
            self._ask_again((left + right) // 2)
        else:  # what lay between has slid away: the older of the two pages is out of date
            self._ask_again(left if sweep.numbers[left] < sweep.numbers[right] else right)

    def _note_movement(self, left: int, right: int) -> None:
        """Where fewer rows are shared than expected, pages not yet asked for shall share more."""
        sweep = self._sweep
        one, other = sweep.pages[left].ids, sweep.pages[right].ids
        expected = max(0, left + len(one) - right)
        tail = one[len(one) - expected :] if expected else ()
        shared = len(set(one) & set(other))
        if shared and self._offset_unit == "unknown":
            self._offset_unit = "rows"
        if tail != other[: len(tail)]:
            sweep.has_moved = True
            lost = expected - shared
            if lost > 0:
                self._overlap = min(max(self._overlap, lost + 2), max(self.rules.limit // 2, 1))

    # -- ending --------------------------------------------------------------------------------------------------

    def _end_if_idle(self) -> None:
        sweep = self._sweep
        if self.outcome is not None or sweep.waiting or sweep.under_way.total() or self._is_more_beyond():
            return
        if self._is_joined():
            if totals.have_step(sweep.totals) and not sweep.is_head_read_again:
                sweep.is_head_read_again = True
                self._ask_again(0)  # is what is said now what was said in between?
                return
            self._end_sweep(self._flaw_of_sweep())
            return
        for left, right in zip(sweep.offsets, sweep.offsets[1:], strict=False):
            self._bridge(left, right)
            if sweep.waiting:
                return
        if self._can_overlap and sweep.repairs < self.rules.max_repairs and self._read_end_again():
            return
        self._end_sweep("pages_not_joined")

    def _read_end_again(self) -> bool:
        """Where the end is not said and slid away before the read that was to confirm it: begin at the page before."""
        sweep = self._sweep
        newest = sweep.newest
        if sweep.frontier is None or not newest or not self._is_end_unsaid(sweep.frontier, newest.total):
            return False
        before = [offset for offset in sweep.offsets if offset < sweep.frontier and len(sweep.pages[offset].ids) > 1]
        sweep.frontier = before[-1] if before else 0
        sweep.offsets = [offset for offset in sweep.offsets if offset <= (sweep.frontier or 0)]
        self._ask_again(sweep.frontier)
        return True

    def _is_joined(self) -> bool:
        sweep = self._sweep
        first = sweep.pages[0]
        if not first.ids:
            return True  # a believed empty list
        return not self._can_overlap or sweep.groups.reach_from_head_to_tail()

    def _flaw_of_sweep(self) -> str | None:
        sweep = self._sweep
        count, said = len(sweep.groups.ids), [total for total in sweep.kept_totals if total is not None]
        is_at_ceiling = bool(said) and self._is_at_least(max(said))
        if is_at_ceiling and not (sweep.is_past_ceiling or sweep.ends_below_ceiling):
            return "total_at_ceiling"
        if said and self._has_too_few_or_many(count, said, is_at_ceiling=is_at_ceiling):
            return "ids_differ_from_total"
        if totals.contradict(sweep.totals):
            self._needs_agreement = True
            return "totals_contradict"
        if sweep.order.is_contradicted():
            self._needs_agreement = True
            return "order_unstable"
        if self._order is not sweep.order and self._order.is_contradicted():
            self._needs_agreement = True
        has_moved = len(sweep.kept_totals) != 1 or (bool(said) and not is_at_ceiling and count != said[0])
        return "list_moved_unproved" if self._needs_agreement and len(sweep.pages) > 1 and has_moved else None

    def _has_too_few_or_many(self, count: int, said: list[int], *, is_at_ceiling: bool) -> bool:
        """Whether the number of tasks does not fit the totals, even if some appeared and ended meanwhile.

        A list that changes shows it in its totals. Where they never moved, none may be missing; where they did, a task
        a page may have come and gone unseen. If more are missing, the order has moved or an answer is old.
        """
        sweep = self._sweep
        if len(sweep.kept_totals) == 1 and not is_at_ceiling:
            return count < said[0] if sweep.has_moved else count != said[0]
        return count < min(said) - len(sweep.pages) or count < max(said) - totals.allowed(len(sweep.totals))

    def _agrees_with_before(self) -> bool:
        if self._before is None or self._before.groups.ids.keys() != self._sweep.groups.ids.keys():
            return False
        both = Order()
        for sweep in (self._before, self._sweep):
            for page in sweep.pages.values():
                both.add(page.ids, page.create_times or (None,) * len(page.ids))
        return not both.is_contradicted()

    def _end_sweep(self, flaw: str | None) -> None:
        sweep = self._sweep
        if flaw is None and (not self._needs_agreement or len(sweep.pages) == 1):
            self._finish("by_chain", self._remark())
        elif flaw is None and self._agrees_with_before():
            self._finish("by_agreement", self._remark())
        elif flaw == "total_at_ceiling":
            self._finish(None, flaw)  # another sweep would show no more
        elif sweep.number - self.rules.first_sweep + 1 >= self.rules.max_sweeps:
            self._finish(None, flaw or "sweeps_disagree")
        else:
            self._before = sweep if flaw is None else None
            self._begin_sweep()

    def _remark(self) -> str | None:
        """What is worth knowing of a listing that is complete."""
        sweep = self._sweep
        if sweep.kept_totals == {None}:
            return "total_missing"
        is_at_ceiling = TOTAL_CEILING in sweep.kept_totals and self._is_at_least(TOTAL_CEILING)
        return "total_at_ceiling" if is_at_ceiling and not sweep.ends_below_ceiling else None

    def _begin_sweep(self) -> None:
        self._sweep = _Sweep(self._sweep.number + 1, "pages" if self._offset_unit == "pages" else "unknown")
        self._ask(0)

    def _finish(self, proof: Proof | None, reason: str | None) -> None:
        sweep = self._sweep
        sweep.waiting.clear()
        self.outcome = Outcome(
            verdict="complete" if proof else "incomplete",
            proof=proof,
            reason=reason,
            counted_sweep=sweep.number if proof else None,
            sweeps=sweep.number,
            ids=frozenset(sweep.groups.ids) if proof else frozenset(self.seen),
            repairs=self.repairs,
            offset_unit=self._offset_unit,
            order_witness=self._order.witness,
        )
