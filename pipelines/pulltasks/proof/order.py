"""The order of a list, as far as its pages reveal it.

Lives here: the test whether the row orders of many pages fit one order, and the field they are sorted by.
Does not live here: the choice of pages, the consequence of an order that changes (listing).
"""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from operator import ge, gt, le, lt
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

ASSUMED = "assumed"
WITNESSES = ("create_time", "task_id")


class Order:
    """Collects pages; tells whether their orders contradict each other, and which immutable field they are sorted by.

    Rows of one page are in the order of the list. If the list has one order, all pages are parts of it and the
    arrows "comes before" of all pages together form no cycle. A cycle, or a task twice in one page, proves that
    there is no such order. The reverse cannot be proved from pages: an order may change without a trace.
    """

    def __init__(self) -> None:
        self._pages: list[tuple[Sequence[str], Sequence[str | None]]] = []
        self._has_double = False
        # field -> comparisons that hold between all neighbours so far; the first two are strict
        self._sorted_by = {field: {lt, gt, le, ge} for field in WITNESSES}
        self._has_neighbours = False

    def add(self, ids: Sequence[str], create_times: Sequence[str | None]) -> None:
        """Add the rows of one page: task ids and creation times, both in the order of the page."""
        self._pages.append((ids, create_times))
        self._has_double |= len(set(ids)) < len(ids)
        for field, values in zip(WITNESSES, (create_times, ids), strict=True):
            if self._sorted_by[field]:
                self._narrow(field, values)
        self._has_neighbours |= len(ids) > 1

    def _narrow(self, field: str, values: Sequence[str | None]) -> None:
        if None in values:
            self._sorted_by[field] = set()
            return
        known = [value for value in values if value is not None]
        comparisons = self._sorted_by[field]
        self._sorted_by[field] = {holds for holds in comparisons if all(map(holds, known, known[1:]))}

    @property
    def witness(self) -> str:
        """The field by which all pages are sorted in one direction, `create_time` or `task_id`; else `assumed`."""
        if not self._has_neighbours:
            return ASSUMED
        return next((field for field in WITNESSES if self._sorted_by[field]), ASSUMED)

    def is_contradicted(self) -> bool:
        """Tell whether the pages prove that the list has no single order."""
        if self._has_double:
            return True
        if self._sorted_by["task_id"] & {lt, gt}:
            return False  # parts of the order of that field
        if self._sorted_by["create_time"] and self._times_are_fixed():
            return _has_cycle(self._neighbours_of_one_time())
        return _has_cycle(pair for ids, _ in self._pages for pair in pairwise(ids))

    def _times_are_fixed(self) -> bool:
        """Tell whether each task has the same creation time on every page."""
        shown: dict[str, str | None] = {}
        return all(
            shown.setdefault(task_id, time) == time
            for ids, times in self._pages
            for task_id, time in zip(ids, times, strict=True)
        )

    def _neighbours_of_one_time(self) -> Iterator[tuple[str, str]]:
        """Yield the neighbouring rows `(first, second)` with equal creation times."""
        # Pages are sorted by a time that never changes, so no cycle leads from one time to another and back. Leaving
        # those pairs out keeps the graph small.
        for ids, times in self._pages:
            for position in range(1, len(ids)):
                if times[position] == times[position - 1]:
                    yield ids[position - 1], ids[position]


def _has_cycle(neighbours: Iterable[tuple[str, str]]) -> bool:
    before: dict[str, set[str]] = {}
    for first, second in neighbours:
        before.setdefault(second, set()).add(first)
    try:
        TopologicalSorter(before).prepare()
    except CycleError:
        return True
    return False
