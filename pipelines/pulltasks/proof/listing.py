"""The proof that a listing is complete: a state machine that requests pages and receives them.

Lives here: the pages of a sweep, the checks of each page, how gaps are bridged, when a listing is complete.
Does not live here: HTTP, files, the clock; the caller passes everything in.

Premises. (1) There is one total order over all tasks that appear in any answer, the same for the whole capture.
(2) A task is in the list at most once at a moment. (3) Each answer is the complete run of the list between its first
and its last row, at one moment of the capture.

What is proved. By (3) a page holds every task that existed throughout and lies, in the order of (1), between its first
and its last row. Two pages that share a row cover two stretches of that order with a point in common, so together they
cover the stretch from the first row of the one to the last row of the other without a hole. A page from offset 0
covers everything before its last row; a page that reaches the end of the list covers everything after its first row.
So a group of pages, linked by shared rows, that has a page from offset 0 and a page that reaches the end, holds every
task that existed throughout, whatever was inserted or deleted meanwhile and in whatever order the pages were read.

The end of the list. A page reaches it if its rows go as far as its own `total`; after a page that is exactly full, a
further read from its last rows on must agree, because `total` may count just these rows. Without a total, and after
the 10,000th row where `total` stays at 10,000, a short page proves nothing, because a service may return fewer rows
than requested: a further read from the last rows on must return only these. An answer that announces more (a flag, a
marker of a next page, another list or count of tasks) is believed.

What is only evidence. (3) is tested by each page's own `total`: a page with fewer or more rows than that is read again
and then rejected. "At one moment of the capture" is tested by the totals of all answers: where they differ, one page
of the smallest and one of the largest total are read again; where both repeat their totals, or totals contradict each
other, some answer is old, and two sweeps without such a contradiction must agree. (1) can be disproved by
contradicting row orders (see `order`), never proved; then, and where pages cannot overlap (one row per page, or an
`offset` that counts pages), two sweeps must have the same tasks, as many as `total` each time. A sweep in which
nothing moved must have as many tasks as `total` in any case.
"""

from __future__ import annotations

from typing import Literal

from pulltasks.proof import totals
from pulltasks.proof.evidence import Tested
from pulltasks.proof.order import Order
from pulltasks.proof.pages import TOTAL_CEILING, OffsetUnit, Outcome, Page, PageRequest, Proof, Rules
from pulltasks.proof.sweep import Measures, Sweep

# The number of reads after which a page that contradicts itself is rejected.
READS_OF_A_DOUBTFUL_PAGE = 3
# One empty answer may be a fault of the service, on a first day as well, when there is nothing to compare it with.
READS_OF_AN_EMPTY_LIST = 2


# What is known about the unit of `offset`; see `Listing`.
OffsetTest = Literal["untested", "probing", "rows", "pages", "unclear"]


class Listing:
    """One listing: sweeps until one is proved.

    `next` returns the next page to read now, or None; `receive` takes a page, in any order and with any number under
    way. `outcome` is set when nothing more is wanted.

    Three parts of the state change while a listing is read.

    The unit of `offset` (`_offset_test`). The probe is a page at offset 1: it shares rows with the first page only
    where `offset` counts rows.

        untested --neighbours share rows----------------> rows
        untested --a gap, a doubtful page, or a hint----> probing
        probing --its page shares rows------------------> rows
        probing --its page has other rows---------------> pages: proof by agreement, and a new sweep
        probing --its page is empty, as hinted----------> pages
        probing --its page is empty---------------------> unclear --neighbours share rows--> rows

    The required proof (`_wanted_proof`). It never changes back.

        by_chain --one row per page, offset counts pages, totals contradict, order is unstable--> by_agreement

    The sweep under way (`_end_if_idle`, `_end_sweep`), once no page is wanted and none is under way.

        reading --chain complete, but totals differ----> one page of the smallest and one of the largest total are read
                                                         again, and all before a step of the total; once per sweep
        reading --chain broken, repairs are left-------> the gaps are bridged
        reading --no flaw, by_chain is wanted----------> complete
        reading --no flaw, agrees with the one before--> complete
        reading --anything else------------------------> the next sweep; after the last one, incomplete
    """

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.outcome: Outcome | None = None
        self.repairs = 0
        self.seen: set[str] = set()
        self._order = Order()  # of all sweeps
        self._measures = Measures(rules.limit, min(rules.overlap, rules.limit - 1))
        self._offset_test: OffsetTest = "untested"
        self._wanted_proof: Proof = "by_agreement" if rules.limit == 1 else "by_chain"
        self._before: Sweep | None = None  # the sweep that the next one may agree with
        # The first sweep shares the order of the listing: nothing else was read yet, so a second one would be equal.
        self._sweep = Sweep(rules.first_sweep, "unknown", self._measures, order=self._order)
        self._sweep.ask(0)

    @property
    def sweep(self) -> int:
        """The number of the sweep under way."""
        return self._sweep.number

    def next(self) -> PageRequest | None:
        """Return the next page to read, or None if none is wanted now; each request is returned once."""
        sweep = self._sweep
        if self.outcome is not None:
            return None
        if not sweep.requests.waiting and self._is_more_beyond():
            if len(sweep.requests.offsets) >= sweep.most_pages(self.rules.max_pages, self.rules.max_repairs):
                self.give_up("list_without_end")
                return None
            sweep.ask(sweep.next_offset())
        return sweep.requests.take()

    def give_up(self, reason: str) -> None:
        """End the listing without a proof; the ids seen so far are kept."""
        self._finish(None, reason)

    def refuse(self, request: PageRequest) -> None:
        """End the listing because the service refused a page after the 10,000th row, whose tasks cannot be known."""
        if self.outcome is None and request.sweep == self._sweep.number:
            self.give_up("total_at_ceiling")

    def reaches_beyond_ceiling(self, request: PageRequest) -> bool:
        """Tell whether a page has rows after the 10,000th, which a service may refuse to return."""
        return self._sweep.rows_before(request.offset) + request.limit > TOTAL_CEILING

    def _is_more_beyond(self) -> bool:
        return self._offset_test != "probing" and self._sweep.is_more_beyond()

    def _ask_again(self, offset: int, *, is_doubtful: bool = False) -> None:
        self._sweep.requests.repairs += 1
        self.repairs += 1
        self._sweep.ask(offset, is_doubtful=is_doubtful)

    def receive(self, request: PageRequest, page: Page) -> None:
        """Process a page; a page of a sweep that was given up only adds to the ids seen."""
        self.seen.update(page.ids)
        self._measures.largest_total = max(self._measures.largest_total, page.total or 0)
        sweep = self._sweep
        if self.outcome is not None or request.sweep != sweep.number:
            return
        sweep.reported.totals.append(page.total)
        sweep.requests.under_way[request.offset] -= 1
        if request.is_probe:
            self._receive_probe(page)
            if self._sweep is not sweep:
                return
        elif self._is_doubtful(request.offset, page):
            return
        self._keep(request, page)
        if request.is_probe:
            for offset in sweep.requests.held:
                self._ask_again(offset)
        if self._offset_test != "probing":
            self._look_for_gaps(request.offset)
        self._end_if_idle()

    def _keep(self, request: PageRequest, page: Page) -> None:
        sweep = self._sweep
        if page.flaw is None and not sweep.contradicts_total(request.offset, page):
            sweep.keep(request.offset, page)
            if sweep.order is not self._order:
                self._order.add(page.ids, page.times)
        elif request.is_probe and not sweep.requests.under_way[request.offset]:
            sweep.requests.forget(request.offset)

    def _is_doubtful(self, offset: int, page: Page) -> bool:
        """Tell whether a page is doubtful; then it is requested again, or the listing has ended."""
        sweep = self._sweep
        if page.flaw is None and offset == 0 and not page.ids and not page.total:
            sweep.requests.empty_reads += 1
            if sweep.requests.empty_reads < READS_OF_AN_EMPTY_LIST:
                self._ask_again(offset, is_doubtful=True)
                return True
        doubt = page.flaw
        if doubt is None and sweep.contradicts_total(offset, page):
            doubt = "page_contradicts_total"
        if doubt is None and sweep.repeats(offset, page):
            doubt = "pages_repeat"
        if doubt is None:
            return False
        if offset and self._offset_test in {"untested", "probing"} and 0 in sweep.pages:
            # A service whose offset counts pages gives the same picture, so the unit is tested first.
            self._send_probe()
            sweep.requests.held.append(offset)
            return True
        sweep.requests.doubts[offset] += 1
        if sweep.requests.doubts[offset] < READS_OF_A_DOUBTFUL_PAGE:
            self._ask_again(offset, is_doubtful=True)
        else:
            self._finish(None, doubt)
        return True

    @property
    def _offset_unit(self) -> OffsetUnit:
        return self._offset_test if self._offset_test in {"rows", "pages"} else "unknown"

    def _send_probe(self) -> None:
        if self._offset_test == "untested":
            self._offset_test = "probing"
            self._sweep.ask(1, is_probe=True)

    def _receive_probe(self, page: Page) -> None:
        # Row 1 is on the first page as well. Only where `offset` counts pages does the probe have other rows.
        if not self._sweep.groups.ids.keys().isdisjoint(page.ids):
            self._offset_test = "rows"
        elif page.ids or (self.rules.hinted_unit == "pages" and (page.total or 0) <= self.rules.limit):
            self._offset_test = "pages"
            self._wanted_proof = "by_agreement"
            self._begin_sweep()
        else:
            self._offset_test = "unclear"

    def _look_for_gaps(self, offset: int) -> None:
        """Bridge the gaps beside a page that has just been read."""
        sweep = self._sweep
        if not sweep.can_overlap:
            return
        is_hinted = self.rules.hinted_unit == "pages" and self._offset_test == "untested"
        # Where offsets counted pages last time, probing first spares a sweep that would end in gaps everywhere.
        if is_hinted and offset == 0 and self._is_more_beyond():
            self._send_probe()
            return
        for left, right in sweep.requests.neighbours(offset):
            self._bridge(left, right)

    def _bridge(self, left: int, right: int) -> None:
        sweep = self._sweep
        if (
            left not in sweep.pages
            or right not in sweep.pages
            or sweep.requests.under_way[left]
            or sweep.requests.under_way[right]
        ):
            return
        one = sweep.pages[left]
        # A shared row proves that offsets count rows, so the probe can be spared.
        if sweep.note_movement(left, right) and self._offset_test != "pages":
            self._offset_test = "rows"
        if sweep.reaches_end(left, one) or sweep.groups.are_joined(sweep.numbers[left], sweep.numbers[right]):
            return
        if sweep.groups.reach_from_head_to_tail():
            return
        if self._offset_test == "untested":
            self._send_probe()
            return
        if sweep.requests.repairs >= self.rules.max_repairs:
            return
        if right - left > self.rules.limit // 2:
            self._ask_again((left + right) // 2)
        else:  # the rows between have moved away: the older of the two pages is out of date
            self._ask_again(left if sweep.numbers[left] < sweep.numbers[right] else right)

    def _end_if_idle(self) -> None:
        sweep = self._sweep
        if self.outcome is not None or not sweep.requests.is_idle or self._is_more_beyond():
            return
        if sweep.is_joined():
            if again := sweep.to_read_again():
                for offset in again:
                    self._ask_again(offset)  # does it repeat its total?
                return
            self._end_sweep(self._flaw_of_sweep())
            return
        for left, right in sweep.requests.pairs():
            self._bridge(left, right)
            if sweep.requests.waiting:
                return
        may_repair = sweep.can_overlap and sweep.requests.repairs < self.rules.max_repairs
        if may_repair and (end := sweep.end_to_read_again()) is not None:
            self._ask_again(end)
            return
        self._end_sweep("pages_not_joined")

    def _flaw_of_sweep(self) -> str | None:
        sweep = self._sweep
        if (lack := sweep.lack()) is not None:
            return lack
        repeated = sweep.repeated_difference()
        if totals.contradict(sweep.reported.totals) or repeated > 1:
            self._wanted_proof = "by_agreement"
            return "totals_contradict"
        if repeated:
            # A small list that changes may do this by chance, so the next sweep may still be proved by itself.
            return "totals_contradict"
        if sweep.order.is_contradicted():
            self._wanted_proof = "by_agreement"
            return "order_unstable"
        if self._order is not sweep.order and self._order.is_contradicted():
            self._wanted_proof = "by_agreement"
        must_agree = self._wanted_proof == "by_agreement" and len(sweep.pages) > 1
        return "list_moved_unproved" if must_agree and sweep.has_changed() else None

    def _agrees_with_before(self) -> bool:
        if self._before is None or self._before.groups.ids.keys() != self._sweep.groups.ids.keys():
            return False
        # The same tasks in two orders that contradict each other prove nothing: rows may have moved from page to page.
        both = Order()
        for sweep in (self._before, self._sweep):
            for page in sweep.pages.values():
                both.add(page.ids, page.times)
        return not both.is_contradicted()

    def _end_sweep(self, flaw: str | None) -> None:
        sweep = self._sweep
        if flaw is None and (self._wanted_proof == "by_chain" or len(sweep.pages) == 1):
            self._finish("by_chain", sweep.remark())
        elif flaw is None and self._agrees_with_before():
            self._finish("by_agreement", sweep.remark())
        elif flaw == "total_at_ceiling":
            self._finish(None, flaw)  # another sweep would return no more rows
        elif sweep.number - self.rules.first_sweep + 1 >= self.rules.max_sweeps:
            self._finish(None, flaw or "sweeps_disagree")
        else:
            # A sweep with a flaw is not evidence for the next one.
            self._before = sweep if flaw is None else None
            self._begin_sweep()

    def _begin_sweep(self) -> None:
        unit: OffsetUnit = "pages" if self._offset_test == "pages" else "unknown"
        self._sweep = Sweep(self._sweep.number + 1, unit, self._measures)
        self._sweep.ask(0)

    def _finish(self, proof: Proof | None, reason: str | None) -> None:
        sweep = self._sweep
        # Nothing that still waits is needed any more: the caller must not send it.
        sweep.requests.waiting.clear()
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
            tested=self._tested(proof) if proof else None,
        )

    def _tested(self, proof: Proof) -> Tested:
        sweep = self._sweep
        return Tested(
            pages=len(sweep.pages),
            has_overlaps=sweep.can_overlap,
            sweeps_agree=proof == "by_agreement",
            totals=frozenset(sweep.reported.kept),
            is_past_ceiling=sweep.reported.is_past_ceiling,
            order_witness=self._order.witness,
            repairs=self.repairs,
        )
