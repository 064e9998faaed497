"""One pass over the pages of a list: its requests, its pages, the end of the list and the expected number of tasks.

Lives here: the state of a sweep, and what follows from it alone.
Does not live here: the choice of pages to read again, the decision to accept a sweep (listing).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pulltasks.proof import totals
from pulltasks.proof.order import Order
from pulltasks.proof.pages import TOTAL_CEILING, Groups, OffsetUnit, Page, PageRequest, contradicts_total
from pulltasks.proof.requests import Requests


@dataclass
class Measures:
    """The measures that all sweeps of a listing share.

    Attributes:
        limit: rows per page.
        overlap: number of rows that neighbouring pages should share; it grows while the list moves.
        largest_total: the largest total of all answers.
    """

    limit: int
    overlap: int
    largest_total: int = 0

    def is_at_least(self, total: int) -> bool:
        """Tell whether a total may mean "or more": it is 10,000, and no answer had a larger one."""
        return total == TOTAL_CEILING and self.largest_total <= TOTAL_CEILING


@dataclass
class Reported:
    """The totals in the answers of a sweep, and what they tell about the end of the list.

    Attributes:
        totals: the totals of all answers, in the order of receipt; None for an answer without one.
        kept: the distinct totals of the pages that count.
        is_past_ceiling: some page has a row after the 10,000th, which a total of 10,000 does not count.
        ends_below_ceiling: the page that reaches the end has a total below 10,000.
        before: by offset, the number of answers that came before its newest page.
        read_again: by offset, the totals of the pages that were read again at the end; None before that.
        is_read_twice: they were read a second time.
    """

    totals: list[int | None] = field(default_factory=list)
    kept: set[int | None] = field(default_factory=set)
    is_past_ceiling: bool = False
    ends_below_ceiling: bool = False
    before: dict[int, int] = field(default_factory=dict)
    read_again: dict[int, int | None] | None = None
    is_read_twice: bool = False

    @property
    def kept_numbers(self) -> list[int]:
        """The distinct totals of the pages that count, without None."""
        return [total for total in self.kept if total is not None]


@dataclass
class Sweep:
    """One pass over the pages; offsets are in the unit that the service counts, rows or pages."""

    number: int
    unit: OffsetUnit
    measures: Measures
    groups: Groups = field(default_factory=Groups)
    order: Order = field(default_factory=Order)
    pages: dict[int, Page] = field(default_factory=dict)  # the newest at each offset
    numbers: dict[int, int] = field(default_factory=dict)  # offset -> number of its newest page, in order of reading
    newest: Page | None = None
    requests: Requests = field(default_factory=Requests)
    reported: Reported = field(default_factory=Reported)
    has_moved: bool = False  # rows that neighbours should share are not the same

    def ask(self, offset: int, *, is_probe: bool = False, is_doubtful: bool = False) -> None:
        """Queue a request for the page at an offset."""
        self.requests.add(PageRequest(self.number, offset, self.measures.limit, is_probe, is_doubtful))

    def is_more_beyond(self) -> bool:
        """Tell whether the list continues after the last requested page, by the newest answer."""
        newest, limit = self.newest, self.measures.limit
        if self.requests.frontier is None or newest is None or 0 not in self.pages:
            return False
        rows_before = self.rows_before(self.requests.frontier)
        if rows_before == 0 and newest.total is not None and newest.total < limit:
            return False  # one page has all; after a full one, a read from its last rows on must confirm the end
        if newest.total is None or self.is_end_unsaid(self.requests.frontier, newest.total):
            last = self.pages.get(self.requests.frontier)
            return last is not None and self._may_continue(self.requests.frontier, last)
        return rows_before + limit <= newest.total

    def _may_continue(self, offset: int, last: Page) -> bool:
        """Tell whether to read on after the last page of a list whose end is not given."""
        if not self.can_overlap:
            return bool(last.ids)  # such a list ends with an empty page
        if len(last.ids) == 1:
            return offset == 0 and 1 not in self.requests.offsets
        return bool(last.ids) and (len(last.ids) == self.measures.limit or not self.reaches_end(offset, last))

    def next_offset(self) -> int:
        """Return the offset of the next page: one step on, or at the last rows if the end is not confirmed yet.

        A service may refuse a page that reaches beyond row 10,000: a page ends exactly there unless a total is larger.
        """
        frontier, limit = self.requests.frontier or 0, self.measures.limit
        last = self.pages.get(frontier)
        total = self.newest.total if self.newest else None
        if last and last.ids and len(last.ids) < limit and self.can_overlap and self.is_end_unsaid(frontier, total):
            return frontier + max(1, len(last.ids) - self.measures.overlap)
        following, last_below = frontier + self._step, TOTAL_CEILING - limit
        may_be_less = self.unit != "pages" and (total is None or total <= TOTAL_CEILING)
        return last_below if may_be_less and frontier < last_below < following else following

    def most_pages(self, max_pages: int, max_repairs: int) -> int:
        """Return the allowed number of pages: those that the largest total needs, plus repairs; else `max_pages`."""
        known = self.reported.kept_numbers
        if not known or self.measures.is_at_least(max(known)):
            return max_pages
        return 2 + max(known) // self._step + max_repairs

    @property
    def _step(self) -> int:
        return 1 if self.unit == "pages" else self.measures.limit - self.measures.overlap

    @property
    def can_overlap(self) -> bool:
        """Tell whether pages can share rows."""
        return bool(self.measures.overlap) and self.unit != "pages"

    def rows_before(self, offset: int) -> int:
        """Return the number of rows of the list before the page at an offset."""
        return offset * self.measures.limit if self.unit == "pages" else offset

    def keep(self, offset: int, page: Page) -> None:
        """Add a page without a flaw; it replaces an earlier one at the same offset."""
        is_tail = self.reaches_end(offset, page)
        self.pages[offset] = self.newest = page
        self.reported.before[offset] = len(self.reported.totals) - 1
        self.numbers[offset] = self.groups.add(page.ids, is_head=offset == 0, is_tail=is_tail)
        self.reported.kept.add(page.total)
        self.reported.is_past_ceiling |= self.rows_before(offset) + len(page.ids) > TOTAL_CEILING
        self.reported.ends_below_ceiling |= is_tail and page.total is not None and page.total < TOTAL_CEILING
        if offset == 1 and not page.ids and page.total is None and len(self.groups.ids) == 1:
            self.groups.end_at(self.numbers[0])  # one task, and nothing after it
        self.order.add(page.ids, page.times)

    def contradicts_total(self, offset: int, page: Page) -> bool:
        """Tell whether a page has more or fewer rows than its own `total` implies."""
        return contradicts_total(len(page.ids), page.total, self.rows_before(offset), self.measures.limit)

    def repeats(self, offset: int, page: Page) -> bool:
        """Tell whether the last page has no new task, although only its rows show that the list continues."""
        if not offset or offset != self.requests.frontier or not self.is_end_unsaid(offset, page.total):
            return False
        if not page.ids or self.reaches_end(offset, page) or not self.groups.ids.keys() >= set(page.ids):
            return False
        return len(page.ids) == self.measures.limit or (0 in self.pages and page.ids == self.pages[0].ids)

    def is_end_unsaid(self, offset: int, total: int | None) -> bool:
        """Tell whether the end of the list stays unknown, given the total of a page."""
        if total is None:
            return True
        return self.measures.is_at_least(total) and self.rows_before(offset) + self.measures.limit >= TOTAL_CEILING

    def reaches_end(self, offset: int, page: Page) -> bool:
        """Tell whether the list ends with a page: by its total, or as it began at the last rows and has no others."""
        if page.total is not None and not self.is_end_unsaid(offset, page.total):
            return self.rows_before(offset) + len(page.ids) >= page.total
        if not page.ids or len(page.ids) == self.measures.limit:
            return False
        return any(
            earlier < offset and other.ids[:1] != page.ids[:1] and set(page.ids) <= set(other.ids)
            for earlier, other in self.pages.items()
        )

    def to_read_again(self) -> list[int]:
        """Return the offsets to read again where totals differ: one of the smallest and one of the largest total.

        After a step of the total all pages before it are read again as well. That happens once per sweep; where the two
        differ by one and both repeat it, which a changing list may do by chance, they are read a second time.
        """
        if self.reported.read_again is not None:
            is_in_doubt = self.repeated_difference() == 1 and not self.reported.is_read_twice
            self.reported.is_read_twice = True
            return sorted(self.reported.read_again) if is_in_doubt else []
        known = {page.total: offset for offset, page in self.pages.items() if page.total is not None}
        extremes = {known[min(known)], known[max(known)]} if len(known) > 1 else set()
        self.reported.read_again = {offset: self.pages[offset].total for offset in extremes}
        return sorted({*extremes, *self._older_pages()})

    def repeated_difference(self) -> int:
        """Return the difference of the smallest and the largest total if both were repeated, else 0.

        A repeated difference means that answers are of different ages. Each page may repeat its own total, or the two
        may swap, as answers of two replicas in turn do. A difference of one may swap by chance in an ordinary list.
        """
        before = self.reported.read_again or {}
        known = {offset: self.pages[offset].total for offset in before}
        smallest, largest = (min(self._numbers(before), default=0), max(self._numbers(before), default=0))
        difference = largest - smallest
        has_changed_places = difference > 1 and {*known.values()} == {smallest, largest}
        return difference if known == before or has_changed_places else 0

    @staticmethod
    def _numbers(totals_by_offset: dict[int, int | None]) -> list[int]:
        return [total for total in totals_by_offset.values() if total is not None]

    def _older_pages(self) -> list[int]:
        """Return the offsets of pages before a step of the total, always with the first page; empty without a step.

        Such pages may be old answers that lack tasks which existed all the time.
        """
        newest = self.newest.total if self.newest else None
        if newest is None or not totals.have_step(self.reported.totals):
            return []
        before, answers = self.reported.before, len(self.reported.totals) - 1
        return [
            offset
            for offset, page in self.pages.items()
            if offset == 0
            or (page.total is not None and abs(page.total - newest) > totals.allowed(answers - before[offset]))
        ]

    def end_to_read_again(self) -> int | None:
        """Step back to the page before the end, and return its offset; None if totals give the end.

        An end that no total gives may move before it is confirmed.
        """
        frontier, newest = self.requests.frontier, self.newest
        if frontier is None or not newest or not self.is_end_unsaid(frontier, newest.total):
            return None
        before = [offset for offset in self.requests.offsets if offset < frontier and len(self.pages[offset].ids) > 1]
        offset = before[-1] if before else 0
        self.requests.step_back(offset)
        return offset

    def note_movement(self, left: int, right: int) -> int:
        """Return the number of rows that two neighbours share; if too few, let the pages to come overlap more."""
        one, other = self.pages[left].ids, self.pages[right].ids
        expected = max(0, left + len(one) - right)
        tail = one[len(one) - expected :] if expected else ()
        shared = len(set(one) & set(other))
        if tail != other[: len(tail)]:
            self.has_moved = True
            # Two rows more than were lost, in case the list moves faster; at most half a page, so that pages advance.
            lost = expected - shared
            if lost > 0:
                half = max(self.measures.limit // 2, 1)
                self.measures.overlap = max(self.measures.overlap, min(lost + 2, half))
        return shared

    def is_joined(self) -> bool:
        """Tell whether the pages are linked from the head to the end of the list, where they can be linked."""
        if not self.pages[0].ids:
            return True  # an accepted empty list
        return not self.can_overlap or self.groups.reach_from_head_to_tail()

    def has_holes(self) -> bool:
        """Tell whether a short page is followed by one with rows, where pages cannot overlap: rows are missing."""
        if self.can_overlap:
            return False
        filled = [offset for offset in sorted(self.pages) if self.pages[offset].ids]
        return any(len(self.pages[offset].ids) < self.measures.limit for offset in filled[:-1])

    @property
    def is_at_ceiling(self) -> bool:
        """Tell whether the totals of its pages stay at 10,000, which may mean "or more"."""
        known = self.reported.kept_numbers
        return bool(known) and self.measures.is_at_least(max(known))

    def may_hide_more(self) -> bool:
        """Tell whether its pages only show that there are 10,000 tasks or more."""
        return self.is_at_ceiling and not (self.reported.is_past_ceiling or self.reported.ends_below_ceiling)

    def has_too_few_or_many(self) -> bool:
        """Tell whether the number of tasks does not fit the totals, even if some appeared and ended meanwhile.

        A list that changes shows it in its totals. If they never changed, no task may be missing; if they did, one task
        per page may have appeared and ended unseen. If more are missing, the order has changed or an answer is old.
        """
        count, known = len(self.groups.ids), self.reported.kept_numbers
        if not known:
            return False
        if len(self.reported.kept) == 1 and not self.is_at_ceiling:
            return count < known[0] if self.has_moved else count != known[0]
        return count < min(known) - len(self.pages) or count < max(known) - totals.allowed(len(self.reported.totals))

    def lack(self) -> str | None:
        """Return the reason why tasks may be missing from its pages, or None."""
        if self.says_more():
            return "answer_says_more"
        if self.may_hide_more():
            return "total_at_ceiling"
        if self.has_holes():
            return "pages_not_joined"
        return "ids_differ_from_total" if self.has_too_few_or_many() else None

    def says_more(self) -> bool:
        """Tell whether its answers announce tasks beside those that they list.

        A page in the middle may announce that more follows; the page that reaches the end may not.
        """
        if any(page.more.is_part or page.more.ids - self.groups.ids.keys() for page in self.pages.values()):
            return True
        ends = [page for offset, page in self.pages.items() if not page.ids or self.reaches_end(offset, page)]
        largest = max((page.more.count for page in self.pages.values()), default=0)
        moved = totals.allowed(len(self.reported.totals)) if self.has_changed() else 0
        return any(page.more.has_next for page in ends) or largest > len(self.groups.ids) + moved

    def has_changed(self) -> bool:
        """Tell whether the list changed between its pages."""
        if len(self.reported.kept) != 1:
            return True
        (total,) = self.reported.kept
        return total is not None and not self.is_at_ceiling and len(self.groups.ids) != total

    def remark(self) -> str | None:
        """Return the remark beside a complete listing, or None."""
        if self.reported.kept == {None}:
            return "total_missing"
        return "total_at_ceiling" if self.is_at_ceiling and not self.reported.ends_below_ceiling else None
