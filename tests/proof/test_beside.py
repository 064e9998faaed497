"""What an answer says beside its list: only words that mean the same in every API are believed."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulltasks.huawei.reading import read_answer, read_shown
from pulltasks.proof.beside import NOTHING_MORE, has_words_of_error, more_of
from pulltasks.proof.listing import Listing
from pulltasks.proof.pages import Page, PageRequest, Rules

TASKS = [{"task_id": f"t{n}", "status": "enable", "source_urls": [f"rtmp://h/live/{n}"]} for n in range(3)]
SCALARS = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(max_size=12)
# Fields that an API may add: none of them says that there is more.
NEUTRAL_NAMES = [
    "trace_id",
    "limit",
    "offset",
    "page_size",
    "pageNo",
    "region",
    "server_time",
    "version",
    "cost_ms",
    "quota",
    "max_count",
    "maximumTotal",
    "warnings",
    "message",
    "status",
    "code",
    "success",
    "previous_marker",
    "prev_cursor",
    "marker",
    "links",
    "maintenance",
    "next_maintenance",
    "account",
    "request_count",
    "total_pages",
    "totalMs",
    "retry_count",
    "size",
    "sort",
    "order",
    "filters",
    "discount",
]


def answer(fields: dict, tasks: list = TASKS) -> bytes:
    return json.dumps({"request_id": "r", "total": len(tasks), "task_infos": tasks, **fields}).encode()


@given(st.dictionaries(st.sampled_from(NEUTRAL_NAMES), SCALARS | st.lists(SCALARS, max_size=3), max_size=5))
def test_a_neutral_field_changes_nothing_and_is_recorded_once(fields: dict) -> None:
    plain, found = read_answer(answer({})), read_answer(answer(fields))
    assert (found.ids, found.total, found.flaw) == (plain.ids, plain.total, None)
    assert found.more == NOTHING_MORE
    recorded = {oddity.field for oddity in found.oddities if oddity.rule == "unknown_answer_field"}
    assert recorded == {name for name, value in fields.items() if value not in (None, "", [], {})}
    assert read_shown(answer(fields)).flaw is None


@pytest.mark.parametrize(
    "fields",
    [
        {"has_more": True},
        {"hasMore": "true"},
        {"HasMore": 1},
        {"partial": True},
        {"truncated": True},
        {"isTruncated": True},
        {"next_marker": "abc"},
        {"nextCursor": "abc"},
        {"NextToken": "abc"},
        {"next": "https://h/v1?marker=a"},
        {"page_info": {"next_marker": "abc", "current_count": 3}},
        {"meta": {"paging": {"cursors": {"next_cursor": "x"}}}},
        {"links": {"next": {"href": "https://h"}}},
        {"total_count": 300},
        {"totalCount": "300"},
        {"page": {"total": 300.0}},
        {"count": 300},
        {"more_task_infos": [{"task_id": "other"}]},
        {"data": {"tasks": [{"task_id": "other"}]}},
        {"tasks_by_id": {"other": {"task_id": "other"}}},
        {"items": [{"task_id": 7}]},
    ],
    ids=str,
)
def test_what_says_that_there_is_more_is_believed(fields: dict) -> None:
    assert outcome(fields) == ("incomplete", "answer_says_more")


@pytest.mark.parametrize(
    "fields",
    [
        {"has_more": False},
        {"has_more": "false"},
        {"has_more": 0},
        {"next_marker": ""},
        {"next_marker": None},
        {"next_marker": "null"},
        {"page_info": {"next_marker": None, "previous_marker": "abc"}},
        {"links": {"next": {"href": None}}},
        {"total_count": 3},
        {"count": 2},
        {"total_pages": 9},
        {"limit": 100, "offset": 0, "page_size": 100},
        {"quota": {"total": 500, "used": 3}},
        {"max_count": 10_000},
        {"items": [{"task_id": "t1"}]},  # the same tasks again
        {"items": []},
        {"message": "all is well", "status": "whatever"},
    ],
    ids=str,
)
def test_what_says_nothing_of_more_changes_nothing(fields: dict) -> None:
    assert outcome(fields) == ("complete", None)


def outcome(fields: dict) -> tuple[str, str | None]:
    """How a list of one page ends whose answers all have these fields."""
    listing = Listing(Rules())
    while listing.outcome is None:
        request = listing.next()
        assert request is not None
        shown = read_shown(answer(fields))
        listing.receive(request, Page(shown.ids, shown.total, shown.flaw, more=shown.more))
    return listing.outcome.verdict, listing.outcome.reason


def test_that_more_follows_is_as_it_should_be_but_on_the_last_page() -> None:
    rows = [{"task_id": f"t{n:04}"} for n in range(300)]

    def ends(*, at_the_end: bool) -> tuple[str, str | None]:
        listing = Listing(Rules())
        while listing.outcome is None:
            request = listing.next()
            assert request is not None
            listing.receive(request, page(request, at_the_end))
        return listing.outcome.verdict, listing.outcome.reason

    def page(request: PageRequest, at_the_end: bool) -> Page:
        part = rows[request.offset : request.offset + request.limit]
        is_last = request.offset + request.limit >= 300
        body = {"request_id": "r", "total": 300, "task_infos": part, "has_more": at_the_end or not is_last}
        shown = read_shown(json.dumps(body).encode())
        return Page(shown.ids, shown.total, shown.flaw, more=shown.more)

    assert ends(at_the_end=False) == ("complete", None)
    assert ends(at_the_end=True) == ("incomplete", "answer_says_more")


EMPTY = [{"total": 0, "task_infos": []}, {"task_infos": []}, {"total": 0}]


@pytest.mark.parametrize("empty", EMPTY, ids=str)
@pytest.mark.parametrize(
    "words",
    [
        {"error_msg": "backend timed out"},
        {"errorMsg": "x"},
        {"message": "backend timed out"},
        {"msg": "后端超时"},
        {"errors": [{"reason": "x"}]},
        {"success": False},
        {"success": "false"},
        {"status": "failed"},
        {"status": 500},
        {"code": "LIVE.100011001"},
        {"code": 500, "message": ""},
    ],
    ids=str,
)
def test_an_empty_list_beside_words_of_an_error_is_not_believed(empty: dict, words: dict) -> None:
    content = json.dumps({"request_id": "r", **empty, **words}).encode()
    assert read_answer(content).flaw == read_shown(content).flaw == "empty_beside_error"


@pytest.mark.parametrize("empty", EMPTY, ids=str)
@pytest.mark.parametrize(
    "words",
    [
        {},
        {"message": "Success"},
        {"message": ""},
        {"msg": "操作成功"},
        {"errors": []},
        {"errors": None},
        {"success": True},
        {"status": "OK"},
        {"status": 200},
        {"code": "0"},
        {"code": 200, "message": "ok."},
        {"trace_id": "abc"},
    ],
    ids=str,
)
def test_an_empty_list_beside_words_of_success_is_one(empty: dict, words: dict) -> None:
    content = json.dumps({"request_id": "r", **empty, **words}).encode()
    assert (read_answer(content).flaw, read_answer(content).ids) == (None, [])


# --- names that an object has twice


NAMES = st.sampled_from(["total", "task_infos", "task_id", "status", "source_urls", "extra_field", "request_id"])


@given(name=NAMES, is_first=st.booleans(), is_spaced=st.booleans(), seed=st.integers(0, 2))
def test_a_name_that_is_there_twice_is_a_flaw_or_is_recorded(
    name: str, is_first: bool, is_spaced: bool, seed: int
) -> None:
    in_task = name in {"task_id", "status", "source_urls", "extra_field"}
    value = {"total": 3, "task_infos": [], "request_id": "q"}.get(name, "again")
    pair = f'"{name}":{json.dumps(value)}'
    separators = (", ", " : ") if is_spaced else (",", ":")
    tasks = [
        json.dumps(task | ({"extra_field": 1} if name == "extra_field" else {}), separators=separators)
        for task in TASKS
    ]
    if in_task:
        tasks[seed] = f"{{{pair},{tasks[seed][1:]}" if is_first else f"{tasks[seed][:-1]},{pair}}}"
    body = f'"request_id":"r","total":3,"task_infos":[{",".join(tasks)}]'
    if not in_task:
        body = f"{pair},{body}" if is_first else f"{body},{pair}"
    content = f"{{{body}}}".encode()
    found, shown = read_answer(content), read_shown(content)
    assert (list(shown.ids), shown.total, shown.flaw) == (found.ids, found.total, found.flaw)
    if name in {"total", "task_infos", "task_id"}:
        assert found.flaw == "repeated_key"
    else:
        assert found.flaw is None
        oddities = [*found.oddities, *(each for odd in found.task_oddities.values() for each in odd)]
        assert [(each.field, each.rule) for each in oddities if each.rule == "repeated_key"] == [(name, "repeated_key")]


@pytest.mark.parametrize("name", ["t\\u006ftal", "task\\u005finfos"])
def test_a_name_that_is_written_with_escapes_is_the_same_name(name: str) -> None:
    content = answer({})[:-1] + f',"{name}":null}}'.encode()
    assert read_answer(content).flaw == read_shown(content).flaw == "repeated_key"


def test_words_of_an_error_are_looked_for_beside_empty_lists_only() -> None:
    assert has_words_of_error({"message": "x"})
    assert read_answer(answer({"message": "x", "success": False})).flaw is None
    assert not more_of({}).says_more
