"""Rows of the tidy tables: every value of a task is in a column, in `extra` or in data_quality."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulltasks import tables
from pulltasks.huawei.reading import KNOWN_FIELDS
from pulltasks.lake.raw import ids_sha256
from pulltasks.lake.rows import tidy_target
from tidied import DAY, SAMPLE, TARGET, body, capture, one, surprises, tidy


def test_the_documents_sample_lands_field_by_field() -> None:
    rows = tidy(SAMPLE)
    place = {"snapshot_date": DAY, "project_id": TARGET.project_id, "region": TARGET.region}
    task_id = "7864b3dc-e92f-42db-a754-08e627b6d8dd"
    (task,) = rows["pull_tasks"]
    canonical = json.dumps(json.loads(SAMPLE)["task_infos"][0], sort_keys=True, separators=(",", ":"))
    assert task == {
        **place,
        "task_id": task_id,
        "status": "suspend",
        "create_time": datetime(2018, 5, 19, 10),
        "create_time_raw": None,
        "task_region": "cn-north-4",
        "source_type": "PullLivePushLive",
        "domain": "publish.example.huawei.com",
        "app_name": "live",
        "stream_name": "test",
        "push_args": "arg1=value1",
        "destination_url": "",
        "start_time": datetime(2018, 5, 19, 18),
        "start_time_raw": None,
        "end_time": datetime(2018, 5, 19, 21),
        "end_time_raw": None,
        "callback_url": "callback.example.com",
        "backup_source_type": "PullLivePushLive",
        "vod_loop_time": None,
        "vod_start_video_index": None,
        "vod_start_video_time": None,
        "vod_refresh_type": None,
        "callback_events_specified": True,
        "content_hash": hashlib.sha256(canonical.encode()).hexdigest(),
        "extra": None,
        "capture_id": "capture-1",
        "capture_complete": True,
    }
    assert rows["pull_task_source_urls"] == [
        {
            **place,
            "task_id": task_id,
            "role": "backup",
            "position": 0,
            "url": "rtmp://play.example.huawei.com/live/stream1_bak",
        },
        {
            **place,
            "task_id": task_id,
            "role": "primary",
            "position": 0,
            "url": "rtmp://play.example.huawei.com/live/stream1",
        },
    ]
    assert rows["pull_task_callback_events"] == [
        {**place, "task_id": task_id, "position": position, "event": event}
        for position, event in enumerate(["TaskStart", "TaskExit", "TaskAlarm"])
    ]
    assert rows["data_quality"] == []


@pytest.mark.parametrize(
    ("fields", "expected"), [({}, None), ({"destination_url": None}, None), ({"destination_url": ""}, "")]
)
def test_an_empty_destination_is_told_from_an_absent_one(fields: dict[str, Any], expected: str | None) -> None:
    assert one(**fields)["pull_tasks"][0]["destination_url"] == expected


@pytest.mark.parametrize(
    ("fields", "specified", "events"),
    [
        ({}, False, 0),
        ({"callback_events": None}, False, 0),
        ({"callback_events": []}, True, 0),
        ({"callback_events": ["TaskStart"]}, True, 1),
    ],
)
def test_callback_events_say_whether_they_were_given(fields: dict[str, Any], specified: bool, events: int) -> None:
    rows = one(**fields)
    assert rows["pull_tasks"][0]["callback_events_specified"] is specified
    assert len(rows["pull_task_callback_events"]) == events


def test_a_time_is_utc_or_keeps_its_text() -> None:
    texts = ["2026-11-22T18:00:00+08:00", "", "tomorrow", None]
    rows = tidy(body(*({"task_id": f"t{n}", "end_time": text} for n, text in enumerate(texts))))
    assert [(task["end_time"], task["end_time_raw"]) for task in rows["pull_tasks"]] == [
        (datetime(2026, 11, 22, 10), None), (None, ""), (None, "tomorrow"), (None, None),
    ]  # fmt: skip
    assert surprises(rows) == [("t2", "end_time", "unreadable_time", None, '"tomorrow"', 1)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("status", 7),
        ("vod_start_video_index", ""),
        ("vod_start_video_index", 1.5),
        ("vod_start_video_index", True),
        ("vod_start_video_time", 2**63),
        ("domain", {"a": 1}),
        ("source_urls", "rtmp://host/live/key"),
        ("callback_events", {"0": "TaskStart"}),
        ("create_time", 1_700_000_000),
    ],
)
def test_a_value_of_the_wrong_type_keeps_its_row_and_its_text(name: str, value: Any) -> None:
    rows = one(stream_name="kept", **{name: value})
    assert rows["pull_tasks"][0]["stream_name"] == "kept"
    assert rows["pull_tasks"][0].get(name) is None
    assert surprises(rows) == [("t", name, "wrong_type", None, json.dumps(value, separators=(",", ":")), 1)]


def test_what_is_no_text_in_a_list_leaves_its_place() -> None:
    rows = one(source_urls=["a", 7, None, "b"])
    assert [(row["position"], row["url"]) for row in rows["pull_task_source_urls"]] == [
        (0, "a"),
        (1, None),
        (2, None),
        (3, "b"),
    ]
    assert surprises(rows) == [
        ("t", "source_urls", "null_element", 2, "null", 1),
        ("t", "source_urls", "wrong_type", 1, "7", 1),
    ]


def test_unknown_fields_are_kept_and_reported_once() -> None:
    tasks = [{"task_id": f"t{n}", "new_field": {"b": n, "a": None}} for n in range(3)]
    rows = tidy(body(*tasks))
    assert [row["extra"] for row in rows["pull_tasks"]] == [f'{{"new_field":{{"a":null,"b":{n}}}}}' for n in range(3)]
    assert surprises(rows) == [("t0", "new_field", "unknown_field", None, '{"a":null,"b":0}', 3)]


def test_a_task_without_an_id_is_kept_as_a_surprise() -> None:
    rows = tidy(body({"status": "suspend"}, {"task_id": "t"}), verdict="incomplete")
    assert [row["task_id"] for row in rows["pull_tasks"]] == ["t"]
    assert surprises(rows) == [(None, "task_id", "task_without_id", None, '{"status":"suspend"}', 1)]


def test_an_empty_listing_gives_typed_tables_without_rows() -> None:
    for table in tables.TABLES:
        rows = tidy_target(DAY, TARGET, capture(body()))[table.name]
        assert rows.schema.equals(table.schema, check_metadata=True)
        assert rows.num_rows == (1 if table.name == "captures" else 0)


def test_a_target_without_a_capture_has_a_row_that_says_so() -> None:
    (row,) = tidy_target(DAY, TARGET, None)["captures"].to_pylist()
    assert (row["verdict"], row["capture_id"], row["name"], row["is_listed"]) == (None, None, "event-beijing", True)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**70) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)

field_names = st.sampled_from([field.name for field in tables.API_FIELDS if field.name != "task_id"]) | st.text(
    max_size=4
)


@given(tasks=st.lists(st.dictionaries(field_names, json_values, max_size=6), max_size=4))
def test_every_value_is_in_a_column_in_extra_or_in_data_quality(tasks: list[dict[str, Any]]) -> None:
    numbered = [{**task, "task_id": f"t{n}"} for n, task in enumerate(tasks)]
    rows = tidy(body(*numbered))
    assert len(rows["pull_tasks"]) == len(tasks)
    told = {(row["task_id"], row["field"]) for row in rows["data_quality"]}
    lists = {"source_urls": "primary", "backup_source_urls": "backup"}
    for task, row in zip(numbered, rows["pull_tasks"], strict=True):
        extra = json.loads(row["extra"] or "{}")
        for field in tables.API_FIELDS:
            value = task.get(field.name)
            if value is None or (task["task_id"], field.name) in told:
                continue
            if field.kind == "texts":
                child = "pull_task_callback_events" if field.name == "callback_events" else "pull_task_source_urls"
                kept = [
                    r.get("url", r.get("event"))
                    for r in rows[child]
                    if r["task_id"] == task["task_id"] and r.get("role") == lists.get(field.name)
                ]
            else:
                kept = row[field.tidy_name]
                kept = row[f"{field.name}_raw"] if kept is None and field.kind == "time" else kept
            assert kept == value or (field.kind == "time" and value), field.name
        unknown = {name: value for name, value in task.items() if name not in KNOWN_FIELDS}
        assert extra == unknown


@pytest.mark.parametrize("change", [{"task_count": 3}, {"task_count": 1}, {"task_ids_sha256": ids_sha256(["a", "c"])}])
def test_rows_that_are_not_the_tasks_that_were_judged_make_an_incomplete_day(change: dict[str, Any]) -> None:
    whole = capture(body({"task_id": "b"}, {"task_id": "a"}))
    verdict = msgspec.structs.replace(whole.verdict, task_ids_sha256=ids_sha256(["a", "b"]))
    for end, expected in ((verdict, ("complete", None)), (msgspec.structs.replace(verdict, **change), DIFFERS)):
        made = tidy_target(DAY, TARGET, msgspec.structs.replace(whole, verdict=end))
        (row,) = made["captures"].to_pylist()
        assert (row["verdict"], row["verdict_reason"]) == expected
        assert {row["capture_complete"] for row in made["pull_tasks"].to_pylist()} == {expected[0] == "complete"}
    assert TARGET.label in row["error_message"]


DIFFERS = ("incomplete", "rows_differ_from_verdict")
