"""The service's manners, as the answers to a probe prove them; a pure function of the answers.

Lives here: the questions that a first page allows, the rule for each manner, reasons why an answer proves nothing.
Does not live here: requests (probe), the record and its file (lake.manners).

"Unknown" is the result wherever another explanation fits as well: a list that is empty, too short or changing, a
refusal that is not about the question, an answer that is not understood.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from pulltasks.errors import ApiError, CredentialRefused, NotAsked, TransientApiError
from pulltasks.huawei.pull_tasks import MAX_ID_CHARACTERS, is_of_the_service, read_page
from pulltasks.huawei.reading import ANSWER, KNOWN_FIELDS, read_object
from pulltasks.huawei.refusals import FORBIDDEN, OK, UNAUTHORISED
from pulltasks.lake.manners import MANNERS, Manners

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pulltasks.proof.pages import Page

PAGE_SIZE = 100
# With fewer tasks, a single one that ends meanwhile would make rows look like pages.
FEWEST_FOR_OFFSET = 6
FEWEST_ROWS_OF_OFFSET = FEWEST_FOR_OFFSET // 2
# The documented maximum of `total`, where it means "or more".
TOTAL_CEILING = 10_000
# Regions in which the service is documented; a target is asked for one of them that is not its own.
REGIONS = ("cn-north-4", "ap-southeast-3")
ENVELOPE = frozenset({"task_infos", "request_id", "total"})
MAX_NAMES, HIDDEN = 20, "***"
# A name made of words. A service could put anything into a name, so other names are not shown.
_NAME = re.compile(r"(?=.{1,40}$)([a-z]+(_[a-z]+)*|[a-z]+([A-Z][a-z]+)*)", re.ASCII)

# Refusals of the question; a 401 or 403 refuses the one who asks.
_ABOUT_THE_QUESTION = frozenset(range(400, 500)) - {UNAUTHORISED, FORBIDDEN}

Query = dict[str, str | int]
# The body of a 200 response, or the refusal.
BodyOrError = bytes | ApiError


class Question(StrEnum):
    """The questions of a probe, in the order in which they are asked; each is one request."""

    FIRST_PAGE = "first_page"
    OFFSET = "offset"
    PAST_THE_END = "past_the_end"
    UNKNOWN_ID = "unknown_id"
    KNOWN_ID = "known_id"
    # Last, as a gateway may refuse a foreign region with a 401.
    OTHER_REGION = "other_region"


@dataclass(frozen=True)
class Unlearnt:
    """The reason why an answer proves nothing."""

    reason: str


def first_query(region: str) -> Query:
    """Return the parameters of the first page."""
    return {"offset": 0, "limit": PAGE_SIZE, "region": region}


def later_queries(first: bytes, region: str, unknown_id: str) -> dict[Question, Query]:
    """Return the questions that the first page allows, with their parameters; none if it is not understood.

    Args:
        first: the body of the first page.
        region: the region with which the target is listed.
        unknown_id: an id that no task has.
    """
    page = read_page(first)
    if page.flaw is not None:
        return {}
    asked: dict[Question, Query] = {}
    if len(page.ids) >= FEWEST_FOR_OFFSET:
        asked[Question.OFFSET] = {"offset": 1, "limit": len(page.ids) // 2, "region": region}
    # A whole page after the end, so that tasks that appear meanwhile do not reach it.
    if isinstance(end := _end(page), int):
        asked[Question.PAST_THE_END] = {"offset": end + PAGE_SIZE, "limit": PAGE_SIZE, "region": region}
    asked[Question.UNKNOWN_ID] = {"task_id": unknown_id, "offset": 0, "limit": 1, "region": region}
    if page.ids:
        if len(page.ids[-1]) <= MAX_ID_CHARACTERS:
            asked[Question.KNOWN_ID] = {"task_id": page.ids[-1], "offset": 0, "limit": 1, "region": region}
        asked[Question.OTHER_REGION] = first_query(next(other for other in REGIONS if other != region))
    return asked


def judge(answers: Mapping[Question, BodyOrError]) -> Manners:
    """Return the manners that the answers prove; any answers give a record, without any text of the service.

    Args:
        answers: the answers by question; questions that were not asked are missing.
    """
    first = _page(answers, Question.FIRST_PAGE)
    names, has_tasks = _undocumented(answers)
    if isinstance(first, Unlearnt):
        found = dict.fromkeys(MANNERS, first.reason)
        return Manners(undocumented_fields=names, reasons=found)
    results = {name: rule(first, answers) for name, rule in _RULES.items()}
    reasons = {name: result.reason for name, result in results.items() if isinstance(result, Unlearnt)}
    if not has_tasks:
        reasons["undocumented_fields"] = "no task was shown"
    learnt = {name: result for name, result in results.items() if isinstance(result, str)}
    return msgspec.convert({**learnt, "undocumented_fields": names, "reasons": reasons}, Manners)


def _page(answers: Mapping[Question, BodyOrError], question: Question) -> Page | Unlearnt:
    """Return the page that answers a question, or the reason why there is none."""
    answer = answers.get(question)
    if answer is None:
        return Unlearnt("not answered before the probe ended")
    if isinstance(answer, ApiError):
        return _refusal(answer)
    page = read_page(answer)
    return page if page.flaw is None else Unlearnt(f"an answer was not understood ({page.flaw})")


def _refusal(error: ApiError) -> Unlearnt:
    """Return a refusal without the service's own words: status and reason."""
    if isinstance(error, NotAsked):
        return Unlearnt("not asked: its credential was refused before")
    status = f"HTTP {error.said.status}" if error.said.status else "no answer"
    return Unlearnt(f"refused: {status}, {error.reason}")


def _is_about_the_question(error: ApiError) -> bool:
    """Tell whether the service refuses this question, not the one who asks, nor all requests for a while."""
    status = error.said.status or 0
    # IAM refuses credentials as well, with statuses of its own.
    is_of_another_kind = isinstance(error, TransientApiError | CredentialRefused)
    return not is_of_another_kind and (status == OK or status in _ABOUT_THE_QUESTION)


def _by_unknown_id(first: Page, answers: Mapping[Question, BodyOrError]) -> str | Unlearnt:
    answer = answers.get(Question.UNKNOWN_ID)
    if isinstance(answer, ApiError) and _is_about_the_question(answer):
        return "404" if is_of_the_service(answer) else "other"
    page = _page(answers, Question.UNKNOWN_ID)
    if isinstance(page, Unlearnt):
        return page
    if page.ids:
        return "other"
    return "empty" if first.ids else Unlearnt("the list is empty, so an empty answer proves nothing about ids")


def _end(first: Page) -> int | Unlearnt:
    """Return the number of tasks, which is the first offset after the end, or the reason why it is not known."""
    if not first.ids:
        return Unlearnt("the list is empty")
    if first.total is None:
        return Unlearnt("the service gives no total, so the end is not known")
    if first.total >= TOTAL_CEILING:
        return Unlearnt(f"total is {TOTAL_CEILING} or more, so the end is not known")
    return max(first.total, len(first.ids))


def _past_the_end(first: Page, answers: Mapping[Question, BodyOrError]) -> str | Unlearnt:
    if isinstance(end := _end(first), Unlearnt):
        return end
    answer = answers.get(Question.PAST_THE_END)
    if isinstance(answer, ApiError) and _is_about_the_question(answer):
        return "refused"
    page = _page(answers, Question.PAST_THE_END)
    if isinstance(page, Unlearnt):
        return page
    if not page.ids:
        return "empty"
    return "repeats" if {*page.ids} & {*first.ids} else Unlearnt("the page has tasks that the first one does not")


def _offset_unit(first: Page, answers: Mapping[Question, BodyOrError]) -> str | Unlearnt:
    """Compare a page at offset 1, with half the number of tasks of the first page, with the first page."""
    if len(first.ids) < FEWEST_FOR_OFFSET:
        return Unlearnt(f"the first page has fewer than {FEWEST_FOR_OFFSET} tasks")
    if len({*first.ids}) < len(first.ids):
        return Unlearnt("the first page has a task twice")
    page = _page(answers, Question.OFFSET)
    if isinstance(page, Unlearnt):
        return page
    if page.total != first.total:
        return Unlearnt("the list changed meanwhile")
    # The limit was half of the first page: where offsets count pages, this page begins in the middle of the first one.
    half, rows = len(first.ids) // 2, len(page.ids)
    if rows >= FEWEST_ROWS_OF_OFFSET:
        for unit, begin in (("rows", 1), ("pages", half)):
            if page.ids == first.ids[begin : begin + rows]:
                return unit
    return Unlearnt("the page at offset 1 fits neither rows nor pages")


def _region_filters(first: Page, answers: Mapping[Question, BodyOrError]) -> str | Unlearnt:
    """Compare the list of another region with the target's; a refusal of that region proves nothing about filters."""
    if not first.ids:
        return Unlearnt("the list is empty")
    page = _page(answers, Question.OTHER_REGION)
    if isinstance(page, Unlearnt):
        return page
    if {*page.ids} & {*first.ids}:
        return "no"
    if page.regions & first.regions:
        return Unlearnt("the list for another region has other tasks of the same region")
    return "yes"


def _total_with_filters(first: Page, answers: Mapping[Question, BodyOrError]) -> str | Unlearnt:
    """Compare the total of an answer to one id with the list's.

    The id is the last one of the page: a service that ignores ids would give the same answer for the first one.
    """
    if first.total is None or first.total < 2:  # noqa: PLR2004 - one task is one task with a filter as well
        return Unlearnt("the service gives no total" if first.total is None else "the list has fewer than 2 tasks")
    if not first.ids or len(first.ids[-1]) > MAX_ID_CHARACTERS:
        return Unlearnt("the list has no tasks, or the id is too long to ask for")
    page = _page(answers, Question.KNOWN_ID)
    if isinstance(page, Unlearnt):
        return page
    if page.ids != first.ids[-1:]:
        return Unlearnt("the answer to the id of a task does not have just that task")
    if page.total not in {1, first.total}:
        return Unlearnt("the total beside one task is neither 1 nor that of the list")
    return "follows" if page.total == 1 else "stays"


_RULES: dict[str, Callable[[Page, Mapping[Question, BodyOrError]], str | Unlearnt]] = {
    "by_unknown_id": _by_unknown_id,
    "past_the_end": _past_the_end,
    "offset_unit": _offset_unit,
    "region_filters": _region_filters,
    "total_with_filters": _total_with_filters,
}


def _undocumented(answers: Mapping[Question, BodyOrError]) -> tuple[tuple[str, ...], bool]:
    """Return the names of undocumented fields that may be shown, and whether any task was seen."""
    contents = [answer for answer in answers.values() if isinstance(answer, bytes) and read_page(answer).flaw is None]
    objects = [body for content in contents if (body := read_object(content)) is not None]
    tasks = [task for body in objects for task in body.get("task_infos") or ()]
    shown = {*_shown({name for task in tasks for name in task} - KNOWN_FIELDS, "")}
    shown |= {*_shown({name for body in objects for name in body} - ENVELOPE, f"{ANSWER}.")}
    plain = sorted(shown - {HIDDEN})
    is_hidden = HIDDEN in shown or len(plain) > MAX_NAMES
    return (*plain[:MAX_NAMES], *([HIDDEN] if is_hidden else [])), bool(tasks)


def _shown(names: set[str], prefix: str) -> Iterator[str]:
    for name in names:
        yield f"{prefix}{name}" if _NAME.fullmatch(name) else HIDDEN
