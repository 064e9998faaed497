"""What is odd about a task or an answer is a row of data_quality, and takes no row away."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tidied import body, of_bytes, surprises, tidy


@pytest.mark.parametrize(
    ("field", "raw", "expected"),
    [
        ("push_args", b'"\xd6\xd0"', [("t", "push_args", "not_unicode", None, '"\\xd6\\xd0"', 1)]),
        ("status", b"1e400", [("t", "status", "unreadable_number", None, "1e400", 1)]),
        ("vod_start_video_index", b"-1e400", [("t", "vod_start_video_index", "unreadable_number", None, "-1e400", 1)]),
        ("source_urls", b'["a",1e999,"\\ud83d"]', [
            ("t", "source_urls", "not_unicode", 2, '"\\ud83d"', 1),
            ("t", "source_urls", "unreadable_number", 1, "1e999", 1),
        ]),
        ("new", b"[1e999]", [
            ("t", "new", "unknown_field", None, "[null]", 1),
            ("t", "new", "unreadable_number", None, '["1e999"]', 1),
        ]),
    ],
)  # fmt: skip
def test_what_is_odd_about_a_task_is_kept_beside_it(field: str, raw: bytes, expected: list[tuple[Any, ...]]) -> None:
    content = b'{"request_id":"r","total":2,"task_infos":[{"task_id":"s"},{"task_id":"t","%s":%s}]}' % (
        field.encode(),
        raw,
    )
    rows = of_bytes(content)
    assert surprises(rows) == expected
    assert [row["task_id"] for row in rows["pull_tasks"]] == ["s", "t"]
    assert rows["captures"][0]["verdict"] == "complete"
    plain = tidy(body({"task_id": "s"}))["pull_tasks"][0]
    assert rows["pull_tasks"][0]["content_hash"] == plain["content_hash"]  # its neighbour's oddity is not its own
    changed = content.replace(raw, raw.replace(b"1e", b"2e").replace(b"\xd6", b"\xd7"))
    other = of_bytes(changed)["pull_tasks"][1]
    assert (other["content_hash"] != rows["pull_tasks"][1]["content_hash"]) == (changed != content)


def test_a_field_beside_the_documented_ones_is_one_row_whatever_each_answer_has_in_it() -> None:
    answers = [
        json.dumps({"request_id": "r", "total": 3, "task_infos": [{"task_id": f"t{n}"}], "trace_id": value})
        for n, value in enumerate(["a", 1, {"b": None}])
    ]
    assert surprises(tidy(*answers, verdict="incomplete")) == [
        (None, "trace_id", "unknown_answer_field", None, '"a"', 3)
    ]


def test_what_is_odd_about_answers_as_a_whole_is_counted() -> None:
    content = b'\xef\xbb\xbf{"request_id":"r","total":"1","task_infos":[{"task_id":"t"}]}'
    rows = of_bytes(content, old_encoding="x-gzip")
    assert surprises(rows) == [
        (None, "(answer)", "byte_order_mark", None, '"\\ufeff"', 1),
        (None, "(answer)", "old_encoding", None, '"x-gzip"', 1),
        (None, "total", "wrong_type", None, '"1"', 1),
    ]
    assert rows["captures"][0]["verdict"] == "complete"
