"""ListPullTasks: reads the pages that a listing wants, says what each page showed, asks for what is missing.

Lives here: query parameters, taking an answer apart, keeping several requests under way.
Does not live here: when a listing is complete (listing), retries and refusals (client), what fields mean (tables).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from pipelines.errors import ApiError, CredentialRefused
from pipelines.huawei.pages import Outcome, Page

if TYPE_CHECKING:
    from pipelines.huawei.client import LiveClient, Recorder
    from pipelines.huawei.listing import Listing
    from pipelines.huawei.pages import PageRequest
    from pipelines.huawei.refusals import Answer
    from pipelines.settings import Target


_Id = Annotated[str, msgspec.Meta(min_length=1)]


class _Named(msgspec.Struct):
    task_id: _Id
    create_time: str | None = None


class _OddlyNamed(msgspec.Struct):
    task_id: Any = None
    create_time: Any = None


class _Envelope(msgspec.Struct):
    request_id: Any = None
    total: Any = msgspec.UNSET
    task_infos: Any = msgspec.UNSET


class _Filled(msgspec.Struct):
    request_id: str
    task_infos: list[_Named]
    total: int | None = None


class _OddlyFilled(msgspec.Struct):
    request_id: str
    task_infos: list[_OddlyNamed]
    total: int | None = None


_decode_filled = msgspec.json.Decoder(_Filled).decode
_decode_oddly_filled = msgspec.json.Decoder(_OddlyFilled).decode
_decode_envelope = msgspec.json.Decoder(_Envelope).decode


def read_page(content: bytes) -> Page:
    """What an answer showed.

    An empty page is believed only from an object that has a `request_id` and says so (`task_infos: []` or
    `total: 0`); anything else that is not a list of tasks is a flaw, never an empty list.
    """
    try:
        filled = _decode_filled(content)
    except msgspec.DecodeError:
        return _read_odd_page(content)
    tasks = filled.task_infos
    return Page(
        tuple([task.task_id for task in tasks]), filled.total, None, tuple([task.create_time for task in tasks])
    )


def _read_odd_page(content: bytes) -> Page:
    try:
        filled = _decode_oddly_filled(content)
    except msgspec.DecodeError:
        return _read_strange_answer(content)
    ids = tuple(task.task_id for task in filled.task_infos)
    if not all(isinstance(task_id, str) and task_id for task_id in ids):
        return Page(tuple(i for i in ids if isinstance(i, str) and i), filled.total, "task_without_id")
    times = (task.create_time for task in filled.task_infos)
    return Page(ids, filled.total, None, tuple(time if isinstance(time, str) else None for time in times))


def _read_strange_answer(content: bytes) -> Page:
    try:
        envelope = _decode_envelope(content)
    except msgspec.DecodeError:
        return Page((), None, "answer_not_json_object")
    total = envelope.total if type(envelope.total) is int else None
    if not isinstance(envelope.request_id, str) or (envelope.total is not msgspec.UNSET and total is None):
        return Page((), total, "answer_not_recognised")
    if envelope.task_infos in (None, msgspec.UNSET) and total == 0:
        return Page((), 0)
    if envelope.task_infos is None:
        return Page((), total, "tasks_null_beside_total")
    return Page((), total, "answer_not_recognised")


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
        while listing.outcome is None:
            while len(under_way) < max_concurrency and (request := listing.next()) is not None:
                under_way.add(asyncio.create_task(read(request)))
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
    return listing.outcome


async def find_ends(
    client: LiveClient, target: Target, missing: Sequence[str], max_checks: int, recorder_for: RecorderFor
) -> Ends:
    """Ask for tasks by their id; at most `max_checks` of them, the rest stay unchecked.

    Raises:
        CredentialRefused: when the credential dies on the way; any other refusal leaves the task unchecked.
    """

    async def ask(task_id: str) -> Literal["gone", "unlisted", "unchecked"]:
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
