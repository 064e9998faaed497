"""A list that changes while it is read, and every dishonest way of showing it; no test by itself."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field

from pulltasks.proof.listing import Listing
from pulltasks.proof.pages import Outcome, Page, PageRequest, Rules

PLACES = ("head", "tail", "anywhere")
# What the server does beside serving; "stable" ones keep one order of the list.
STABLE_MANNERS = ("honest", "short", "capped", "by_page", "flickering", "lagging", "no_total")
MOVING_MANNERS = ("shuffled", "rotating", "resorted_once", "swapping", "bumping")
LAG = 5  # how many changes a lagging replica may be behind
# Answers that are older than the capture: one of them, each from a replica of its own, the same page whenever asked, those
# before a cache forgets, all but those for the first page, those of another replica that stands in for a while.
OLD_MANNERS = ("one_old", "replicas", "sticky", "expiring", "head_only", "failing_over")
# A service that shows no row beyond the 10,000th, and one that says no total and shows half of what it is asked for.
NARROW_MANNERS = ("window", "few_rows")


@dataclass
class ModelServer:
    """A list of tasks with one order, changed between any two requests."""

    size: int
    dice: random.Random
    places: tuple[str, ...] = PLACES
    manner: str = "honest"
    cap: int = 0
    births: float = 0.5  # the share of changes that are births
    changes_before: int = 0  # how much of its past an answer may show
    rows: list[str] = field(init=False)

    def __post_init__(self) -> None:
        self.rows = [f"task-{n:05}" for n in range(self.size)]
        self.throughout = set(self.rows)
        self.yesterday = frozenset(self.rows)
        self._born = self.size
        self._past = deque([self.rows[:]], maxlen=max(LAG, self.changes_before) + 1)
        for _ in range(self.changes_before):
            self.change()
        self.throughout = set(self.rows)
        self._answers = 0
        self._old_answer = self.dice.randrange(2 + self.size // 90) if self.changes_before else None
        self._old_page: dict[int, list[str]] = {}
        self._lags = [0, *(self.dice.randint(0, self.changes_before) for _ in range(3))]

    def change(self) -> None:
        """One task appears or ends."""
        place = self.dice.choice(self.places)
        if self.dice.random() < self.births:
            at = {"head": 0, "tail": len(self.rows), "anywhere": self.dice.randint(0, len(self.rows))}[place]
            self.rows.insert(at, f"task-{self._born:05}")
            self._born += 1
        elif self.rows:
            at = {"head": 0, "tail": len(self.rows) - 1, "anywhere": self.dice.randrange(len(self.rows))}[place]
            self.throughout.discard(self.rows.pop(at))
        if self.manner in {"lagging", *OLD_MANNERS}:
            self._past.append(self.rows[:])

    def answer(self, request: PageRequest) -> Page:
        rows = self._shown(request)
        start = request.offset * request.limit if self.manner == "by_page" else request.offset
        page = rows[start : start + request.limit]
        if self.manner == "short" and page and self.dice.random() < 0.2:
            page = page[:-1]
        if self.manner == "window":
            page = rows[:10_000][start : start + request.limit]
        if self.manner == "few_rows":
            page = page[: max(2, request.limit // 2)]
        if self.manner == "capped":
            page = rows[: self.cap][start : start + request.limit]
        total = None if self.manner in {"no_total", "few_rows"} else min(len(rows), 10_000)
        return Page(tuple(page), total)

    def _shown(self, request: PageRequest) -> list[str]:
        if self.manner == "lagging":
            return self.dice.choice(self._past)
        if self.manner in OLD_MANNERS:
            return self._old_rows(request)
        if self.manner == "shuffled":
            return self.dice.sample(self.rows, len(self.rows))
        if self.manner == "rotating" and self.rows:
            turn = self.dice.randrange(len(self.rows))
            return self.rows[turn:] + self.rows[:turn]
        if self.manner == "resorted_once" and request.offset > self.size // 2 and request.sweep == 1:
            return sorted(self.rows, key=hash)
        if self.manner == "swapping" and len(self.rows) > 1:
            at = self.dice.randrange(len(self.rows) - 1)
            self.rows[at], self.rows[at + 1] = self.rows[at + 1], self.rows[at]
        if self.manner == "bumping" and self.rows:  # a list sorted by the last change: a task jumps to the head
            self.rows.insert(0, self.rows.pop(self.dice.randrange(len(self.rows))))
        return self.rows

    def _old_rows(self, request: PageRequest) -> list[str]:
        self._answers += 1
        if self.manner == "replicas":
            return self._past[-1 - min(self.dice.choice(self._lags), len(self._past) - 1)]
        if self.manner == "head_only":
            return self.rows if request.offset == 0 else self._past[0]
        if self.manner == "failing_over":
            return self._past[0] if 1 < self._answers <= 10 else self.rows
        if self.manner == "expiring":
            return self._past[0] if self._answers <= (self._old_answer or 0) else self.rows
        is_old = self._answers - 1 == self._old_answer
        if self.manner == "sticky":
            if is_old and not self._old_page:
                self._old_page[request.offset] = self._past[0]
            return self._old_page.get(request.offset, self.rows)
        return self._past[0] if is_old else self.rows


@dataclass(frozen=True)
class Reading:
    """One listing from a model server."""

    outcome: Outcome
    requests: int
    pages: list[tuple[PageRequest, Page]]


def read(
    server: ModelServer, rules: Rules, *, in_flight: int, changes: float, machine: type[Listing] = Listing
) -> Reading:
    """Drive the machine: so many pages in flight, answered in any order, so many changes before each answer."""
    listing = machine(rules)
    waiting: list[PageRequest] = []
    pages: list[tuple[PageRequest, Page]] = []
    while listing.outcome is None:
        while len(waiting) < in_flight and (request := listing.next()) is not None:
            waiting.append(request)
        if listing.outcome is not None:
            break  # given up
        assert waiting, "the machine waits for nothing"
        for _ in range(int(changes) + (server.dice.random() < changes % 1)):
            server.change()
        request = waiting.pop(server.dice.randrange(len(waiting)))
        page = server.answer(request)
        pages.append((request, page))
        listing.receive(request, page)
        assert len(pages) < 50_000, "the machine does not end"
    assert listing.outcome is not None
    return Reading(listing.outcome, len(pages), pages)


def contradict(totals: list[int]) -> bool:
    """Tell whether totals contradict each other, by the rule of the design, word by word."""
    return any(
        sign * (totals[i] - totals[j]) > 10 + 2 * (j - i) and sign * (totals[k] - totals[j]) > 10 + 2 * (k - j)
        for j in range(len(totals))
        for sign in (1, -1)
        for i in range(j)
        for k in range(j + 1, len(totals))
    )
