"""ListPullTasks: reads the pages that a listing wants, and says what each page showed.

Lives here: query parameters, taking an answer apart, keeping several requests under way.
Does not live here: when a listing is complete (listing), retries and refusals (client), what fields mean (tables).
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import msgspec

from pipelines.huawei.listing import Outcome, Page

if TYPE_CHECKING:
    from collections.abc import Callable

    from pipelines.config import Target
    from pipelines.huawei.client import Answer, LiveClient, Recorder
    from pipelines.huawei.listing import Listing, PageRequest


class _Named(msgspec.Struct):
    task_id: Any = None


class _Envelope(msgspec.Struct):
    request_id: Any = None
    total: Any = msgspec.UNSET
    task_infos: Any = msgspec.UNSET


class _Filled(msgspec.Struct):
    request_id: str
    task_infos: list[_Named]
    total: int | None = None


_decode_filled = msgspec.json.Decoder(_Filled).decode
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
    ids = tuple(task.task_id for task in filled.task_infos)
    if not all(isinstance(task_id, str) and task_id for task_id in ids):
        return Page(tuple(i for i in ids if isinstance(i, str) and i), filled.total, "task_without_id")
    return Page(ids, filled.total)


def _read_odd_page(content: bytes) -> Page:
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


async def list_pull_tasks(
    client: LiveClient, target: Target, listing: Listing, recorder_for: Callable[[PageRequest], Recorder]
) -> Outcome:
    """Read pages until the listing has its outcome.

    Args:
        client: sends the requests; it bounds how many are in flight.
        target: what is listed.
        listing: says which pages are wanted and when it is done.
        recorder_for: gives the recorder of a page's requests.

    Raises:
        ApiError: when a request fails for good.
    """

    async def read(request: PageRequest) -> tuple[PageRequest, Answer]:
        query: dict[str, str | int] = {"offset": request.offset, "limit": request.limit}
        query["region"] = target.query_region or target.region
        return request, await client.get_pull_tasks(target, query, recorder_for(request))

    under_way: set[asyncio.Task[tuple[PageRequest, Answer]]] = set()
    try:
        while listing.outcome is None:
            under_way |= {asyncio.create_task(read(request)) for request in listing.wanted()}
            done, under_way = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                request, answer = task.result()
                listing.receive(request, read_page(answer.content))
    finally:
        for task in under_way:
            task.cancel()
        await asyncio.gather(*under_way, return_exceptions=True)
    return listing.outcome
