"""ListPullTasks: reads the pages that a listing requests, and asks for missing tasks by their id.

Lives here: query parameters, several requests under way at once.
Does not live here: parsing an answer (reading), the proof of a listing (proof), retries and refusals (client).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeVar

from pulltasks.errors import ApiError, CredentialRefused
from pulltasks.huawei.reading import read_shown
from pulltasks.huawei.refusals import BAD_REQUEST
from pulltasks.proof.pages import Outcome, Page

if TYPE_CHECKING:
    from collections.abc import Collection, Coroutine, Iterable, Sequence
    from collections.abc import Set as AbstractSet

    from pulltasks.huawei.client import LiveClient
    from pulltasks.huawei.recorder import Recorder
    from pulltasks.proof.listing import Listing
    from pulltasks.proof.pages import PageRequest
    from pulltasks.settings import Target


def read_page(content: bytes) -> Page:
    """Return the content of an answer in the form that the proof reads."""
    shown = read_shown(content)
    return Page(shown.ids, shown.total, shown.flaw, shown.create_times, shown.regions, shown.more)


@dataclass(frozen=True)
class Ends:
    """The fate of tasks that the last complete capture had and a new complete one lacks; each set has task ids.

    Attributes:
        gone: the service does not know them any more.
        unlisted: the service knows them, but does not list them.
        unclear: the service gave no clear answer.
    """

    gone: frozenset[str] = frozenset()
    unlisted: frozenset[str] = frozenset()
    unclear: frozenset[str] = frozenset()

    @property
    def asked(self) -> frozenset[str]:
        """All tasks that were asked for by id."""
        return self.gone | self.unlisted | self.unclear

    def __or__(self, other: Ends) -> Ends:
        """Return the union of both."""
        return Ends(self.gone | other.gone, self.unlisted | other.unlisted, self.unclear | other.unclear)

    def among(self, task_ids: AbstractSet[str]) -> Ends:
        """Return the part about some of the tasks."""
        return Ends(self.gone & task_ids, self.unlisted & task_ids, self.unclear & task_ids)


NO_ENDS = Ends()
_T = TypeVar("_T")
# Codes of the service begin so; those of the gateway before it begin with APIGW.
SERVICE_CODES = "LIVE."
# A longer id cannot be asked for: the URL would be too long.
MAX_ID_CHARACTERS = 1000
RecorderFor = Callable[["PageRequest | str"], "Recorder"]


@dataclass(frozen=True)
class PageReader:
    """Reads the pages of one target.

    Attributes:
        client: sends the requests.
        target: the target to list.
        recorder_for: returns the recorder of a page's requests.
        known_regions: the regions of tasks in earlier captures. A page whose tasks all name another region may be the
            answer to another client's request: it is read again over a new connection, and the second answer counts.
    """

    client: LiveClient
    target: Target
    recorder_for: RecorderFor
    known_regions: frozenset[str] = frozenset()

    async def read(self, request: PageRequest, *, may_be_refused: bool) -> Page | None:
        """Return the requested page; None if the service refuses it with HTTP 400 and `may_be_refused` is set.

        Raises:
            ApiError: when a request fails for good.
        """
        try:
            page = await self._ask(request, is_doubtful=request.is_doubtful)
            if page.names_other_regions(self.known_regions):
                page = await self._ask(request, is_doubtful=True)
        except ApiError as error:
            if may_be_refused and error.said.status == BAD_REQUEST:
                return None
            raise
        return page

    async def _ask(self, request: PageRequest, *, is_doubtful: bool) -> Page:
        query: dict[str, str | int] = {"offset": request.offset, "limit": request.limit, "region": _region(self.target)}
        recorder = self.recorder_for(request)
        answer = await self.client.get_pull_tasks(self.target, query, recorder, over_new_connection=is_doubtful)
        return read_page(answer.content)


async def list_pull_tasks(
    reader: PageReader, listing: Listing, max_concurrency: int, on_page: Callable[[Page], None]
) -> Outcome:
    """Read pages until the listing has its outcome, and return the outcome.

    Args:
        reader: reads one page.
        listing: chooses the pages and tells when it is done.
        max_concurrency: number of pages under way at once; the next ones are chosen when answers have come.
        on_page: is called with each page.

    Raises:
        ApiError: when a request fails for good.
    """

    async def read(request: PageRequest) -> tuple[PageRequest, Page | None]:
        return request, await reader.read(request, may_be_refused=listing.reaches_beyond_ceiling(request))

    under_way: set[asyncio.Task[tuple[PageRequest, Page | None]]] = set()
    try:
        while (outcome := listing.outcome) is None:
            while len(under_way) < max_concurrency and (request := listing.next()) is not None:
                under_way.add(asyncio.create_task(read(request)))
            if not under_way:
                continue  # the listing has just been given up
            done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            errors = [error for task in done if (error := task.exception()) is not None]
            for request, page in [task.result() for task in done if task.exception() is None]:
                if page is None:
                    listing.refuse(request)
                else:
                    on_page(page)
                    listing.receive(request, page)
            if errors:  # only after all results were read, so that no page is lost and no exception is unretrieved
                raise errors[0]
    finally:
        for task in under_way:
            task.cancel()
        # Cancelled requests must have ended before the client closes its connections.
        await asyncio.gather(*under_way, return_exceptions=True)
    return outcome


async def find_ends(
    client: LiveClient, target: Target, missing: Collection[str], control: str | None, recorder_for: RecorderFor
) -> Ends:
    """Ask for missing tasks by their id, and return what became of them.

    Args:
        client: sends the requests.
        target: the target whose listing lacks the tasks.
        missing: the ids of the tasks.
        control: the id of a listed task. A 200 response without tasks means that a task is gone only if the same
            request finds this one; without a control such a response means nothing.
        recorder_for: returns the recorder of a task's requests.

    Raises:
        CredentialRefused: when the credential is refused meanwhile; after any other refusal a task is unclear.
    """

    async def ask(task_id: str) -> Literal["not_known", "no_rows", "found", "unclear"]:
        if len(task_id) > MAX_ID_CHARACTERS:
            return "unclear"
        query: dict[str, str | int] = {"task_id": task_id, "offset": 0, "limit": 1, "region": _region(target)}
        try:
            answer = await client.get_pull_tasks(target, query, recorder_for(task_id))
        except CredentialRefused:
            raise
        except ApiError as error:
            return "not_known" if is_of_the_service(error) else "unclear"
        page = read_page(answer.content)
        if task_id in page.ids:
            return "found"
        is_empty = not page.ids and not page.total and page.flaw is None and not page.more.says_more
        return "no_rows" if is_empty else "unclear"

    found = dict(zip(missing, await _all_of([ask(task_id) for task_id in missing]), strict=True))
    is_confirmed = "no_rows" in found.values() and control is not None and await ask(control) == "found"
    means_gone = {"not_known", "no_rows"} if is_confirmed else {"not_known"}
    return Ends(
        gone=frozenset(task_id for task_id, answer in found.items() if answer in means_gone),
        unlisted=frozenset(task_id for task_id, answer in found.items() if answer == "found"),
        unclear=frozenset(task_id for task_id, answer in found.items() if answer not in {*means_gone, "found"}),
    )


def spread(items: Sequence[str], count: int) -> list[str]:
    """Return at most `count` of the items, evenly spread over all of them."""
    few = min(count, len(items))
    return [items[number * len(items) // few] for number in range(few)]


async def _all_of(calls: Iterable[Coroutine[None, None, _T]]) -> list[_T]:
    """Return the results of concurrent calls; all of them end before the first error is raised."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    await asyncio.gather(*tasks, return_exceptions=True)
    return [task.result() for task in tasks]


def is_of_the_service(error: ApiError) -> bool:
    """Tell whether the service itself does not know a task; a gateway's 404 response is not about tasks."""
    return error.reason == "not_found" and (error.said.error_code or "").startswith(SERVICE_CODES)


def _region(target: Target) -> str:
    return target.query_region or target.region
