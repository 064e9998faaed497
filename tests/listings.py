"""Lists that a listing is read from without any service, page by page; no test by itself."""

from __future__ import annotations

from math import ceil

from pulltasks.proof.listing import Listing
from pulltasks.proof.pages import Outcome, Page, PageRequest, Rules

OVERLAP = Rules().overlap


def ids(count: int) -> list[str]:
    return [f"task-{n:05}" for n in range(count)]


def page_of(rows: list[str], request: PageRequest) -> Page:
    return Page(tuple(rows[request.offset : request.offset + request.limit]), len(rows))


def run(listing: Listing, answer) -> tuple[Outcome, list[PageRequest]]:
    """Answer page by page, in the order of asking."""
    asked: list[PageRequest] = []
    while listing.outcome is None:
        request = listing.next()
        assert request is not None, "the machine waits for nothing"
        asked.append(request)
        listing.receive(request, answer(request))
    return listing.outcome, asked


def quiet_requests(count: int, limit: int, overlap: int) -> int:
    if count == 0:
        return 2  # an empty list is read twice
    return 1 if count < limit else 1 + ceil((count - limit + 1) / (limit - overlap))
