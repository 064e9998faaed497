"""One reading of an answer: the short way of the proof names just the tasks that the tables hold."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

import mutations
from pulltasks.huawei import reading
from pulltasks.huawei.reading import read_answer, read_error, read_object, read_shown, read_time, says_error

PROJECT = "0" * 32
PIECES = [
    *(b"{", b"}", b"[", b"]", b":", b",", b'"task_id"', b'"task_infos"', b'"total"', b'"request_id"', b'"create_time"'),
    *(
        b'"a"',
        b'"r"',
        b'"',
        b"\\",
        b"1",
        b"1e999",
        b"null",
        b"\xff",
        b"\\ud83d",
        b'"task\\u005fid"',
        b'"x"',
        b'"\\ud83d\\ude00"',
    ),
]


def same_as_the_long_way(content: bytes) -> None:
    shown, whole = read_shown(content), read_answer(content)
    assert (list(shown.ids), list(shown.create_times)) == (whole.ids, whole.texts("create_time")), content
    assert shown.regions == set(whole.texts("region")), content
    assert (shown.total, shown.flaw) == (whole.total, whole.flaw), content


@given(st.lists(st.sampled_from(PIECES), max_size=30).map(b"".join))
def test_for_any_bytes_the_proof_sees_the_tasks_of_the_tables(content: bytes) -> None:
    same_as_the_long_way(content)
    same_as_the_long_way(b'{"request_id":"r","task_infos":[{"task_id":"a"' + content + b"}]}")
    same_as_the_long_way(b'{"request_id":"r","task_infos":[{"task_id":"a","x":' + content + b"}]}")


@given(st.integers(0, 2**32))
def test_for_damaged_answers_as_well(seed: int) -> None:
    same_as_the_long_way(mutations.mutated(PROJECT, random.Random(seed)))


@pytest.mark.slow
def test_for_100_000_damaged_answers() -> None:
    dice = random.Random(7)
    for _ in range(100_000):
        same_as_the_long_way(mutations.mutated(PROJECT, dice))


@pytest.mark.parametrize("depth", [1, 90, 400, 486, 487, 500, 900, 5000])
@pytest.mark.parametrize("tail", [b"1", b"1e999", b'"\xff"'])
def test_however_deep_what_is_passed_over(depth: int, tail: bytes) -> None:
    for left, right in ((b"[", b"]"), (b'{"a":', b"}")):
        nested = left * depth + tail + right * depth
        same_as_the_long_way(b'{"request_id":"r","total":1,"task_infos":[{"task_id":"a","x":' + nested + b"}]}")


@pytest.mark.parametrize(
    "task",
    [
        b'{"task_id":"a","task_id":"b"}',
        b'{"task_id":"a","task\\u005fid":"b"}',
        b'{"task\\u005fid":"b","task_id":"a"}',
        b'{"task_id":"a","task_id":1}',
        b'{"task_id":1,"task_id":"a"}',
        b'{"task_id":"a","task_id\xff":"b"}',
        b'{"task_id":"a","create_time":1,"create_time":"x"}',
        b'{"task_id":"a","\xff":1,"\xfe":2}',
        b'{"task_id":"\\ud83d\\ude00"}',
        b'{"task_id":"\\ud83d"}',
        b'{"task_id":""}',
        b'{"task_id":" "}',
    ],
)
def test_names_that_stand_twice_mean_the_same_to_both(task: bytes) -> None:
    same_as_the_long_way(b'{"request_id":"r","total":1,"task_infos":[' + task + b"]}")
    same_as_the_long_way(b'{"request_id":"r","total":1,"task_infos":[' + task + b',{"task_id":"z","status":1e999}]}')
    same_as_the_long_way(b'{"task_infos":[{"task_id":"y"}],"request_id":"r","total":1,"task_infos":[' + task + b"]}")


@pytest.mark.parametrize(
    ("total", "read", "flaw"),
    [
        ("1", 1, None),
        ('"1"', 1, None),
        ("1.0", 1, None),
        ("null", None, None),
        ("10000000000000000000", None, "answer_not_recognised"),
        ("-1", None, "answer_not_recognised"),
        ("1.5", None, "answer_not_recognised"),
        ('"1.0"', None, "answer_not_recognised"),
        ('" 1"', None, "answer_not_recognised"),
        ('"\u0661"', None, "answer_not_recognised"),
        ('""', None, "answer_not_recognised"),
        ("true", None, "answer_not_recognised"),
        ("1e400", None, "answer_not_recognised"),
        ("[]", None, "answer_not_recognised"),
    ],
)
def test_a_total_is_a_whole_number_however_it_is_written(total: str, read: int | None, flaw: str | None) -> None:
    content = f'{{"request_id":"r","total":{total},"task_infos":[{{"task_id":"a"}}]}}'.encode()
    found = read_answer(content)
    assert (found.total, found.flaw) == (read, flaw)
    assert [oddity.raw_text for oddity in found.oddities] == ([total] if read is not None and total != "1" else [])
    same_as_the_long_way(content)


@pytest.mark.parametrize(
    ("content", "flaw"),
    [
        (b"", "answer_not_json_object"),
        (b"<html>", "answer_not_json_object"),
        (b"[]", "answer_not_json_object"),
        (b'{"request_id":"r","task_infos":[', "answer_not_json_object"),
        (b"{}", "answer_not_recognised"),
        (b'{"total":0,"task_infos":[]}', "answer_not_recognised"),
        (b'{"request_id":"r","total":0}', None),
        (b'{"request_id":"r","task_infos":[]}', None),
        (b'{"request_id":"r","total":0,"task_infos":null}', None),
        (b'{"request_id":"r","total":3,"task_infos":null}', "tasks_null_beside_total"),
        (b'{"request_id":"r","total":null,"task_infos":null}', "answer_not_recognised"),
        (b'{"request_id":"r","total":1,"task_infos":[null]}', "answer_not_recognised"),
        (b'{"request_id":"r","total":1,"task_infos":{"task_id":"a"}}', "answer_not_recognised"),
        (b'{"request_id":"r","total":1,"task_infos":[{}]}', "task_without_id"),
        (b'{"request_id":"r","total":1,"task_infos":[{"task_id":7}]}', "task_without_id"),
        (b'{"request_id":"r","total":1,"task_infos":[{"task_id":"\xd6"}]}', "task_id_not_unicode"),
        (b'{"request_id":"r","total":1,"task_infos":[{"task_id":"\\ud83d"}]}', "task_id_not_unicode"),
    ],
)
def test_what_hides_which_tasks_there_are_is_a_flaw(content: bytes, flaw: str | None) -> None:
    found = read_answer(content)
    assert (found.flaw, found.tasks) == (flaw, [])
    same_as_the_long_way(content)


def test_an_answer_that_is_too_large_is_a_flaw(monkeypatch: pytest.MonkeyPatch) -> None:
    content = json.dumps({"request_id": "r", "total": 1, "task_infos": [{"task_id": "a"}]}).encode()
    for module in (reading, reading.parse.__globals__):
        if isinstance(module, dict):
            monkeypatch.setitem(module, "MAX_BYTES", len(content) - 1)
        else:
            monkeypatch.setattr(module, "MAX_BYTES", len(content) - 1)
    assert read_answer(content).flaw == "answer_too_large"
    same_as_the_long_way(content)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"error_code":"LIVE.1","error_msg":"no"}', ("LIVE.1", "no")),
        (b'{"errorCode":"LIVE.1","errorMsg":"no"}', ("LIVE.1", "no")),
        (b'{"error":{"code":403,"message":"no"}}', ("403", "no")),
        (b'{"error_code":"LIVE.1","error_msg":"\xd6"}', ("LIVE.1", "\ufffd")),
        (b'\xef\xbb\xbf{"error_code":"LIVE.1"}', ("LIVE.1", None)),
        (b'{"error_code":{"a":1},"error_msg":["x"]}', ("{'a': 1}", "['x']")),
        (b"[" * 5000, (None, None)),
        (b"<html>", (None, None)),
        (b"[1]", (None, None)),
    ],
)
def test_what_an_error_says_is_read_whatever_stands_beside_it(
    content: bytes, said: tuple[str | None, str | None]
) -> None:
    assert read_error(content) == said


def test_any_object_is_read_and_nothing_else() -> None:
    assert read_object(b'{"a":"\xff","b":1e999}') == {"a": "\ufffd", "b": None}
    assert [read_object(content) for content in (b"", b"[]", b"\xff", b"[" * 5000)] == [None] * 4


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "soon",
        "Mon, 99 Foo 99999 99:99:99 GMT",
        "Fri, 31 Dec 9999 23:59:59 -2300",
    ],
)
def test_a_header_that_says_no_time_says_none(text: str | None) -> None:
    assert read_time(text) is None


EMPTY = {"request_id": "r", "total": 0, "task_infos": []}

FULL = {"request_id": "r", "total": 2, "task_infos": [{"task_id": "a"}, {"task_id": "b"}]}

ERRORS = (
    {"error_code": "LIVE.1", "error_msg": "boom"},
    {"errorCode": "LIVE.1"},
    {"error_code": 17},
    {"error": {"code": "LIVE.1", "message": "boom"}},
    {"error_code": ["LIVE.1"]},
    {"error_code": True},
)

NO_ERRORS = (
    {"error_code": None},
    {"error_code": ""},
    {"error_code": "0"},
    {"error_code": 0},
    {"errorCode": "0"},
    {"error": None},
    {"error": {}},
    {"code": 200, "message": "ok"},
    {"error_msg": "ok"},
)


def of(body: dict, more: dict) -> bytes:
    return json.dumps(body | more).encode()


@pytest.mark.parametrize("error", ERRORS)
def test_an_answer_that_says_an_error_is_a_refusal_and_beside_rows_a_flaw(error: dict) -> None:
    for body in (EMPTY, {"request_id": "r"}, {}):
        assert says_error(of(body, error))
        assert read_answer(of(body, error)).flaw == "error_in_answer"
    assert not says_error(of(FULL, error))
    assert read_answer(of(FULL, error)).flaw == "error_code_beside_rows"


@pytest.mark.parametrize("error", NO_ERRORS)
def test_what_gateways_add_is_none(error: dict) -> None:
    for body in (EMPTY, FULL):
        assert not says_error(of(body, error))
        assert read_answer(of(body, error)).flaw is None
