"""The order of a list, as far as its pages give it away.

Lives here: whether the row orders of many pages can be parts of one order, and by which field they are sorted.
Does not live here: which pages there are, what follows from an order that moves (listing).
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
    """Finds whether pages contradict each other, and which immutable field they are sorted by.

    Rows of one page stand in the order of the list. If the list has one order, all pages are parts of it and the
    arrows "stands before" of all pages together run in no circle. A circle, or a task twice in one page, proves that
    there is no such order. The reverse cannot be proved from pages: an order may move without a trace.
    """

    def __init__(self) -> None:
        self._pages: list[tuple[Sequence[str], Sequence[str | None]]] = []
        self._has_double = False
        # field -> comparisons that hold between all neighbours so far; the first two are strict
        self._sorted_by = {field: {lt, gt, le, ge} for field in WITNESSES}
        self._has_neighbours = False

    def add(self, ids: Sequence[str], create_times: Sequence[str | None]) -> None:
        """Take in the rows of one page, in their order."""
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
        kept = self._sorted_by[field]
        self._sorted_by[field] = {holds for holds in kept if all(map(holds, known, known[1:]))}

    @property
    def witness(self) -> str:
        """`create_time` or `task_id` when all pages are sorted by it in one direction, else `assumed`."""
        if not self._has_neighbours:
            return ASSUMED
        return next((field for field in WITNESSES if self._sorted_by[field]), ASSUMED)

    def is_contradicted(self) -> bool:
        """Whether the pages prove that there is no one order."""
        if self._has_double:
            return True
        if self._sorted_by["task_id"] & {lt, gt}:
            return False  # parts of the order of that field
        if self._sorted_by["create_time"] and self._times_are_fixed():
            return _runs_in_a_circle(self._neighbours_of_one_time())
        return _runs_in_a_circle(pair for ids, _ in self._pages for pair in pairwise(ids))

    def _times_are_fixed(self) -> bool:
        """Whether no task was shown with two times."""
        shown: dict[str, str | None] = {}
        return all(
            shown.setdefault(task_id, time) == time
            for ids, times in self._pages
            for task_id, time in zip(ids, times, strict=True)
        )

    def _neighbours_of_one_time(self) -> Iterator[tuple[str, str]]:
        """Where pages are sorted by a fixed time, no circle leads from one time to another and back."""
        for ids, times in self._pages:
            for position in range(1, len(ids)):
                if times[position] == times[position - 1]:
                    yield ids[position - 1], ids[position]


def _runs_in_a_circle(neighbours: Iterable[tuple[str, str]]) -> bool:
    before: dict[str, set[str]] = {}
    for first, second in neighbours:
        before.setdefault(second, set()).add(first)
    try:
        TopologicalSorter(before).prepare()
    except CycleError:
        return True
    return False
