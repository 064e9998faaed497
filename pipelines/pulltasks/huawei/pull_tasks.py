"""ListPullTasks: reads the pages that a listing wants, says what each page showed, asks for what is missing.

Lives here: query parameters, keeping several requests under way.
Does not live here: what an answer says (reading), when a listing is complete (listing), retries and refusals (client).
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
    """What an answer showed, as the proof takes it."""
    shown = read_shown(content)
    return Page(shown.ids, shown.total, shown.flaw, shown.create_times, shown.regions, shown.more)


@dataclass(frozen=True)
class Ends:
    """What became of tasks of the last complete capture that a complete one lacks.

    Attributes:
        gone: the service says that it does not know them any more.
        unlisted: it knows them, and still does not list them.
        unclear: it was asked, and gave no clear answer.
    """

    gone: frozenset[str] = frozenset()
    unlisted: frozenset[str] = frozenset()
    unclear: frozenset[str] = frozenset()

    @property
    def asked(self) -> frozenset[str]:
        """All that were asked for."""
        return self.gone | self.unlisted | self.unclear

    def __or__(self, other: Ends) -> Ends:
        """Return what became of the tasks of both."""
        return Ends(self.gone | other.gone, self.unlisted | other.unlisted, self.unclear | other.unclear)

    def among(self, task_ids: AbstractSet[str]) -> Ends:
        """Return what became of some of the tasks."""
        return Ends(self.gone & task_ids, self.unlisted & task_ids, self.unclear & task_ids)


NO_ENDS = Ends()
_T = TypeVar("_T")
SERVICE_CODES = "LIVE."
# A longer id is nobody's: no address could carry it.
MAX_ID_CHARACTERS = 1000
RecorderFor = Callable[["PageRequest | str"], "Recorder"]


@dataclass(frozen=True)
class PageReader:
    """Reads the pages of one target.

    Attributes:
        client: sends the requests.
        target: what is listed.
        recorder_for: gives the recorder of a page's requests.
        known_regions: what the tasks of earlier captures named. A page whose tasks all name another one may be the
            answer to somebody else's request: it is read again over a new connection, and what comes then counts.
    """

    client: LiveClient
    target: Target
    recorder_for: RecorderFor
    known_regions: frozenset[str] = frozenset()

    async def read(self, request: PageRequest, *, may_be_refused: bool) -> Page | None:
        """What a page showed; None where the service refuses it and may.

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
    """Read pages until the listing has its outcome.

    Args:
        reader: reads a page.
        listing: says which pages are wanted and when it is done.
        max_concurrency: pages under way at once; the next ones are chosen when answers have come.
        on_page: is told what each page showed.

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
            if errors:  # all results are read before one error ends the listing: none is lost, none is unheard
                raise errors[0]
    finally:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
    return outcome


async def find_ends(
    client: LiveClient, target: Target, missing: Collection[str], control: str | None, recorder_for: RecorderFor
) -> Ends:
    """Ask for tasks by their id.

    Args:
        client: sends the requests.
        target: the target whose listing lacks them.
        missing: the tasks.
        control: a task that is listed. A 200 response without tasks says that a task is gone only if this one, asked
            for in the same way, is found; without it such a response says nothing.
        recorder_for: gives the recorder of a task's requests.

    Raises:
        CredentialRefused: when the credential dies on the way; any other refusal leaves a task unclear.
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
    is_borne_out = "no_rows" in found.values() and control is not None and await ask(control) == "found"
    says_gone = {"not_known", "no_rows"} if is_borne_out else {"not_known"}
    return Ends(
        gone=frozenset(task_id for task_id, answer in found.items() if answer in says_gone),
        unlisted=frozenset(task_id for task_id, answer in found.items() if answer == "found"),
        unclear=frozenset(task_id for task_id, answer in found.items() if answer not in {*says_gone, "found"}),
    )


def spread(items: Sequence[str], count: int) -> list[str]:
    """Return at most `count` of some items, evenly spread over all of them."""
    few = min(count, len(items))
    return [items[number * len(items) // few] for number in range(few)]


async def _all_of(calls: Iterable[Coroutine[None, None, _T]]) -> list[_T]:
    """Return the results of concurrent calls; all of them end before the first error is raised."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    await asyncio.gather(*tasks, return_exceptions=True)
    return [task.result() for task in tasks]


def is_of_the_service(error: ApiError) -> bool:
    """Whether the service itself says that it does not know a task: a gateway's 404 says nothing of tasks."""
    return error.reason == "not_found" and (error.said.error_code or "").startswith(SERVICE_CODES)


def _region(target: Target) -> str:
    return target.query_region or target.region
