"""One pass over the pages of a list: what was asked for, what came, where the list ends, how many tasks it should have.

Lives here: the state of a sweep, and what can be told from it alone.
Does not live here: which page is read again and why, when a sweep is believed (listing).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pulltasks.proof import totals
from pulltasks.proof.asked import Asked
from pulltasks.proof.order import Order
from pulltasks.proof.pages import TOTAL_CEILING, Groups, OffsetUnit, Page, PageRequest, contradicts_total


@dataclass
class Measures:
    """What all sweeps of a listing share.

    Attributes:
        limit: rows a page.
        overlap: rows that neighbouring pages should share; it grows while the list moves.
        largest_total: of all answers.
    """

    limit: int
    overlap: int
    largest_total: int = 0

    def is_at_least(self, total: int) -> bool:
        """Whether a total may stand for more: 10,000, where no answer said more."""
        return total == TOTAL_CEILING and self.largest_total <= TOTAL_CEILING


@dataclass
class Said:
    """What the answers of a sweep said of the number of tasks, and of where the list ends.

    Attributes:
        totals: of all answers, in the order of receipt; None for those that said none.
        kept: the totals of the pages that count.
        is_past_ceiling: whether some page shows a row that a total of 10,000 does not count.
        ends_below_ceiling: whether the page that reaches the end says a total below 10,000.
        before: by offset, how many answers had come before its newest page.
        read_again: by offset, the totals of the pages that were asked again in the end; None before that.
        is_read_twice: whether they were asked a second time.
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
        """The totals of the pages that count, without those that said none."""
        return [total for total in self.kept if total is not None]


@dataclass
class Sweep:
    """One pass over the pages."""

    number: int
    unit: OffsetUnit
    measures: Measures
    groups: Groups = field(default_factory=Groups)
    order: Order = field(default_factory=Order)
    pages: dict[int, Page] = field(default_factory=dict)  # the newest at each offset
    numbers: dict[int, int] = field(default_factory=dict)  # offset -> number of its newest page, in order of reading
    newest: Page | None = None
    asked: Asked = field(default_factory=Asked)
    said: Said = field(default_factory=Said)
    has_moved: bool = False  # rows that neighbours should share are not the same

    def ask(self, offset: int, *, is_probe: bool = False, is_doubtful: bool = False) -> None:
        """Let a page be read."""
        self.asked.add(PageRequest(self.number, offset, self.measures.limit, is_probe, is_doubtful))

    def is_more_beyond(self) -> bool:
        """Whether the list goes on behind the last page asked for, by the newest answer."""
        newest, limit = self.newest, self.measures.limit
        if self.asked.frontier is None or newest is None or 0 not in self.pages:
            return False
        rows_before = self.rows_before(self.asked.frontier)
        if rows_before == 0 and newest.total is not None and newest.total < limit:
            return False  # one page holds all; a full one is believed only if the next one begins within its last rows
        if newest.total is None or self.is_end_unsaid(self.asked.frontier, newest.total):
            last = self.pages.get(self.asked.frontier)
            return last is not None and self._may_go_on(self.asked.frontier, last)
        return rows_before + limit <= newest.total

    def _may_go_on(self, offset: int, last: Page) -> bool:
        """Whether more is to be read behind the last page of a list whose end is not said."""
        if not self.can_overlap:
            return bool(last.ids)  # until a page is empty
        if len(last.ids) == 1:
            return offset == 0 and 1 not in self.asked.offsets
        return bool(last.ids) and (len(last.ids) == self.measures.limit or not self.reaches_end(offset, last))

    def next_offset(self) -> int:
        """Where the next page begins: a step on, or at the last rows where the end is still unconfirmed.

        A service may refuse what reaches beyond row 10,000: unless a total says that there is more, a page ends there.
        """
        frontier, limit = self.asked.frontier or 0, self.measures.limit
        last = self.pages.get(frontier)
        total = self.newest.total if self.newest else None
        if last and last.ids and len(last.ids) < limit and self.can_overlap and self.is_end_unsaid(frontier, total):
            return frontier + max(1, len(last.ids) - self.measures.overlap)
        following, last_below = frontier + self._step, TOTAL_CEILING - limit
        may_be_less = self.unit != "pages" and (total is None or total <= TOTAL_CEILING)
        return last_below if may_be_less and frontier < last_below < following else following

    def most_pages(self, max_pages: int, max_repairs: int) -> int:
        """How many pages may be read: what the largest total needs, and repairs; without one `max_pages`."""
        said = self.said.kept_numbers
        if not said or self.measures.is_at_least(max(said)):
            return max_pages
        return 2 + max(said) // self._step + max_repairs

    @property
    def _step(self) -> int:
        return 1 if self.unit == "pages" else self.measures.limit - self.measures.overlap

    @property
    def can_overlap(self) -> bool:
        """Whether pages can share rows."""
        return bool(self.measures.overlap) and self.unit != "pages"

    def rows_before(self, offset: int) -> int:
        """How many rows of the list lie before a page."""
        return offset * self.measures.limit if self.unit == "pages" else offset

    def keep(self, offset: int, page: Page) -> None:
        """Take in a page that is what it should be."""
        is_tail = self.reaches_end(offset, page)
        self.pages[offset] = self.newest = page
        self.said.before[offset] = len(self.said.totals) - 1
        self.numbers[offset] = self.groups.add(page.ids, is_head=offset == 0, is_tail=is_tail)
        self.said.kept.add(page.total)
        self.said.is_past_ceiling |= self.rows_before(offset) + len(page.ids) > TOTAL_CEILING
        self.said.ends_below_ceiling |= is_tail and page.total is not None and page.total < TOTAL_CEILING
        if offset == 1 and not page.ids and page.total is None and len(self.groups.ids) == 1:
            self.groups.end_at(self.numbers[0])  # one task, and nothing after it
        self.order.add(page.ids, page.times)

    def contradicts_total(self, offset: int, page: Page) -> bool:
        """Whether a page has other rows than its own `total` lets expect."""
        return contradicts_total(len(page.ids), page.total, self.rows_before(offset), self.measures.limit)

    def repeats(self, offset: int, page: Page) -> bool:
        """Whether a page shows nothing new where only its rows say that the list goes on."""
        if not offset or offset != self.asked.frontier or not self.is_end_unsaid(offset, page.total):
            return False
        if not page.ids or self.reaches_end(offset, page) or not self.groups.ids.keys() >= set(page.ids):
            return False
        return len(page.ids) == self.measures.limit or (0 in self.pages and page.ids == self.pages[0].ids)

    def is_end_unsaid(self, offset: int, total: int | None) -> bool:
        """Whether a page with this total does not say where the list ends."""
        if total is None:
            return True
        return self.measures.is_at_least(total) and self.rows_before(offset) + self.measures.limit >= TOTAL_CEILING

    def reaches_end(self, offset: int, page: Page) -> bool:
        """Whether nothing lies behind a page: its total says so, or it read on from the last rows and found nothing."""
        if page.total is not None and not self.is_end_unsaid(offset, page.total):
            return self.rows_before(offset) + len(page.ids) >= page.total
        if not page.ids or len(page.ids) == self.measures.limit:
            return False
        return any(
            earlier < offset and other.ids[:1] != page.ids[:1] and set(page.ids) <= set(other.ids)
            for earlier, other in self.pages.items()
        )

    def to_read_again(self) -> list[int]:
        """Return the pages to ask again where totals differ: one of the smallest and one of the largest total.

        After a step of the total all pages before it are asked as well. That is done once a sweep; where the two differ
        by one and both repeat it, which a list that moves may do by chance, they are asked a second time.
        """
        if self.said.read_again is not None:
            is_in_doubt = self.repeated_difference() == 1 and not self.said.is_read_twice
            self.said.is_read_twice = True
            return sorted(self.said.read_again) if is_in_doubt else []
        said = {page.total: offset for offset, page in self.pages.items() if page.total is not None}
        extremes = {said[min(said)], said[max(said)]} if len(said) > 1 else set()
        self.said.read_again = {offset: self.pages[offset].total for offset in extremes}
        return sorted({*extremes, *self._left_behind()})

    def repeated_difference(self) -> int:
        """Return by how much the smallest and the largest total differ, if both were said again; else 0.

        Then answers are of different ages. Each page may repeat its own total, or the two may change places, as
        answers of two replicas in turn do; an ordinary list may change places by one between two answers.
        """
        before = self.said.read_again or {}
        said = {offset: self.pages[offset].total for offset in before}
        smallest, largest = (min(self._said(before), default=0), max(self._said(before), default=0))
        difference = largest - smallest
        has_changed_places = difference > 1 and {*said.values()} == {smallest, largest}
        return difference if said == before or has_changed_places else 0

    @staticmethod
    def _said(totals_by_offset: dict[int, int | None]) -> list[int]:
        return [total for total in totals_by_offset.values() if total is not None]

    def _left_behind(self) -> list[int]:
        """Pages on the far side of a step of the total, and the first one in any case; none where there is no step.

        They may be old answers, so that tasks are missing that were there all the time.
        """
        newest = self.newest.total if self.newest else None
        if newest is None or not totals.have_step(self.said.totals):
            return []
        before, answers = self.said.before, len(self.said.totals) - 1
        return [
            offset
            for offset, page in self.pages.items()
            if offset == 0
            or (page.total is not None and abs(page.total - newest) > totals.allowed(answers - before[offset]))
        ]

    def end_to_read_again(self) -> int | None:
        """Step back to the page before the end, where the unstated end moved before it was confirmed; its offset."""
        frontier, newest = self.asked.frontier, self.newest
        if frontier is None or not newest or not self.is_end_unsaid(frontier, newest.total):
            return None
        before = [offset for offset in self.asked.offsets if offset < frontier and len(self.pages[offset].ids) > 1]
        offset = before[-1] if before else 0
        self.asked.step_back(offset)
        return offset

    def note_movement(self, left: int, right: int) -> int:
        """How many rows neighbours share; where fewer than expected, pages not yet asked for shall share more."""
        one, other = self.pages[left].ids, self.pages[right].ids
        expected = max(0, left + len(one) - right)
        tail = one[len(one) - expected :] if expected else ()
        shared = len(set(one) & set(other))
        if tail != other[: len(tail)]:
            self.has_moved = True
            lost = expected - shared
            if lost > 0:
                half = max(self.measures.limit // 2, 1)
                self.measures.overlap = max(self.measures.overlap, min(lost + 2, half))
        return shared

    def is_joined(self) -> bool:
        """Whether its pages hang together from the head to the end, or need not."""
        if not self.pages[0].ids:
            return True  # a believed empty list
        return not self.can_overlap or self.groups.reach_from_head_to_tail()

    def has_holes(self) -> bool:
        """Whether a short page that shares no rows with others is followed by one with rows: some are hidden."""
        if self.can_overlap:
            return False
        filled = [offset for offset in sorted(self.pages) if self.pages[offset].ids]
        return any(len(self.pages[offset].ids) < self.measures.limit for offset in filled[:-1])

    @property
    def is_at_ceiling(self) -> bool:
        """Whether the totals of its pages stay at 10,000, which may stand for more."""
        said = self.said.kept_numbers
        return bool(said) and self.measures.is_at_least(max(said))

    def may_hide_more(self) -> bool:
        """Whether all that its pages say is at least 10,000, and nothing says whether there is more."""
        return self.is_at_ceiling and not (self.said.is_past_ceiling or self.said.ends_below_ceiling)

    def has_too_few_or_many(self) -> bool:
        """Whether the number of tasks does not fit the totals, even if some appeared and ended meanwhile.

        A list that changes shows it in its totals. Where they never moved, none may be missing; where they did, a task
        a page may have come and gone unseen. If more are missing, the order has moved or an answer is old.
        """
        count, said = len(self.groups.ids), self.said.kept_numbers
        if not said:
            return False
        if len(self.said.kept) == 1 and not self.is_at_ceiling:
            return count < said[0] if self.has_moved else count != said[0]
        return count < min(said) - len(self.pages) or count < max(said) - totals.allowed(len(self.said.totals))

    def lack(self) -> str | None:
        """Return why tasks may be missing from its pages, a reason; None where nothing says so."""
        if self.says_more():
            return "answer_says_more"
        if self.may_hide_more():
            return "total_at_ceiling"
        if self.has_holes():
            return "pages_not_joined"
        return "ids_differ_from_total" if self.has_too_few_or_many() else None

    def says_more(self) -> bool:
        """Tell whether its answers speak of tasks beside those that they list.

        That more follows is as it should be on every page but the one that reaches the end.
        """
        if any(page.more.is_part or page.more.ids - self.groups.ids.keys() for page in self.pages.values()):
            return True
        ends = [page for offset, page in self.pages.items() if not page.ids or self.reaches_end(offset, page)]
        largest = max((page.more.count for page in self.pages.values()), default=0)
        moved = totals.allowed(len(self.said.totals)) if self.has_changed() else 0
        return any(page.more.has_next for page in ends) or largest > len(self.groups.ids) + moved

    def has_changed(self) -> bool:
        """Whether the list was another one from page to page."""
        if len(self.said.kept) != 1:
            return True
        (total,) = self.said.kept
        return total is not None and not self.is_at_ceiling and len(self.groups.ids) != total

    def remark(self) -> str | None:
        """The remark beside a complete listing, if there is one."""
        if self.said.kept == {None}:
            return "total_missing"
        return "total_at_ceiling" if self.is_at_ceiling and not self.said.ends_below_ceiling else None
