"""ListPullTasks: reads the pages that a listing wants, says what each page showed, asks for what is missing.

Lives here: query parameters, keeping several requests under way.
Does not live here: what an answer says (reading), when a listing is complete (listing), retries and refusals (client).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from pipelines.errors import ApiError, CredentialRefused
from pipelines.huawei.pages import Outcome, Page
from pipelines.huawei.reading import read_shown

if TYPE_CHECKING:
    from pipelines.huawei.client import LiveClient, Recorder
    from pipelines.huawei.listing import Listing
    from pipelines.huawei.pages import PageRequest
    from pipelines.huawei.refusals import Answer
    from pipelines.settings import Target


def read_page(content: bytes) -> Page:
    """What an answer showed, as the proof takes it."""
    shown = read_shown(content)
    return Page(shown.ids, shown.total, shown.flaw, shown.create_times)


@dataclass(frozen=True)
class Ends:
    """What became of tasks of the last complete capture that a complete one lacks.

    Attributes:
        gone: the service does not know them any more.
        unlisted: it knows them, and still does not list them.
        unchecked: it was not asked, or gave no clear answer.
    """

    gone: tuple[str, ...] = ()
    unlisted: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()


NO_ENDS = Ends()
# A longer id is nobody's: no address could carry it.
MAX_ID_CHARACTERS = 1000
RecorderFor = Callable[["PageRequest | str"], "Recorder"]


async def list_pull_tasks(
    client: LiveClient,
    target: Target,
    listing: Listing,
    max_concurrency: int,
    recorder_for: RecorderFor,
    on_page: Callable[[Page], None],
) -> Outcome:
    """Read pages until the listing has its outcome.

    Args:
        client: sends the requests.
        target: what is listed.
        listing: says which pages are wanted and when it is done.
        max_concurrency: pages under way at once; the next ones are chosen when answers have come.
        recorder_for: gives the recorder of a page's requests.
        on_page: is told what each page showed.

    Raises:
        ApiError: when a request fails for good.
    """

    async def read(request: PageRequest) -> tuple[PageRequest, Answer]:
        query: dict[str, str | int] = {"offset": request.offset, "limit": request.limit, "region": _region(target)}
        return request, await client.get_pull_tasks(target, query, recorder_for(request))

    under_way: set[asyncio.Task[tuple[PageRequest, Answer]]] = set()
    try:
        while (outcome := listing.outcome) is None:
            while len(under_way) < max_concurrency and (request := listing.next()) is not None:
                under_way.add(asyncio.create_task(read(request)))
            if not under_way:
                continue  # the listing has just been given up
            done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                request, answer = task.result()
                page = read_page(answer.content)
                on_page(page)
                listing.receive(request, page)
    finally:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
    return outcome


async def find_ends(
    client: LiveClient, target: Target, missing: Sequence[str], max_checks: int, recorder_for: RecorderFor
) -> Ends:
    """Ask for tasks by their id; at most `max_checks` of them, the rest stay unchecked.

    Raises:
        CredentialRefused: when the credential dies on the way; any other refusal leaves the task unchecked.
    """

    async def ask(task_id: str) -> Literal["gone", "unlisted", "unchecked"]:
        if len(task_id) > MAX_ID_CHARACTERS:
            return "unchecked"
        query: dict[str, str | int] = {"task_id": task_id, "offset": 0, "limit": 1, "region": _region(target)}
        try:
            answer = await client.get_pull_tasks(target, query, recorder_for(task_id))
        except CredentialRefused:
            raise
        except ApiError as error:
            return "gone" if error.reason == "not_found" else "unchecked"
        page = read_page(answer.content)
        if task_id in page.ids:
            return "unlisted"
        return "unchecked" if page.ids or page.flaw else "gone"

    asked = missing[:max_checks]
    found = dict(zip(asked, await asyncio.gather(*map(ask, asked)), strict=True))
    return Ends(
        gone=tuple(task_id for task_id in asked if found[task_id] == "gone"),
        unlisted=tuple(task_id for task_id in asked if found[task_id] == "unlisted"),
        unchecked=(*(task_id for task_id in asked if found[task_id] == "unchecked"), *missing[max_checks:]),
    )


def _region(target: Target) -> str:
    return target.query_region or target.region
