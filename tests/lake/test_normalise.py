"""Raw answers into tidy rows: nothing lost, nothing invented, the same bytes from the same answers."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulltasks import tables
from pulltasks.huawei.reading import KNOWN_FIELDS, read_answer
from pulltasks.lake import parquet, tasks
from pulltasks.lake.lake import Lake
from pulltasks.lake.manifests import read_manifest, stale_dates
from pulltasks.lake.normalise import normalise_day
from pulltasks.lake.raw import (
    AnswerLine,
    CaptureLine,
    RawCapture,
    RawWriter,
    TargetLine,
    TargetList,
    VerdictLine,
    body_fields,
    ids_sha256,
)
from pulltasks.lake.rows import tidy_target

DAY = date(2026, 11, 22)
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
TARGET = TargetLine(
    project_id="0123456789abcdef0123456789abcdef",
    region="cn-north-4",
    name="event-beijing",
    endpoint="https://live.cn-north-4.myhuaweicloud.com",
    query_region="cn-north-4",
)
SAMPLE = (Path(__file__).parents[1] / "data" / "list_pull_tasks.json").read_text()


def capture(
    *bodies: str, verdict: str = "complete", sweeps: list[int] | None = None, task_count: int | None = None
) -> RawCapture:
    sweeps = sweeps or [1] * len(bodies)
    head = CaptureLine(
        target=TARGET, snapshot_date=DAY, timezone="UTC", capture_id="capture-1", software_version="0", started_at=NOON
    )
    answers = [
        AnswerLine(sequence=n, sweep=sweep, offset=0, limit=100, sent_at=NOON, received_at=NOON, status=200, body=body)
        for n, (body, sweep) in enumerate(zip(bodies, sweeps, strict=True))
    ]
    counted = max(sweeps) if verdict == "complete" else None
    listed = {
        task_id
        for body, sweep in zip(bodies, sweeps, strict=True)
        if sweep == counted
        for task_id in read_answer(body).ids
    }
    end = VerdictLine(
        verdict=verdict,
        counted_sweep=counted,
        task_count=len(listed) if task_count is None else task_count,
        requests=len(bodies),
        finished_at=NOON,
    )
    return RawCapture(head, answers, end)


def body(*tasks: dict[str, Any]) -> str:
    return json.dumps({"request_id": "r", "total": len(tasks), "task_infos": tasks})


def tidy(*bodies: str, **options: Any) -> dict[str, list[dict[str, Any]]]:
    return {name: table.to_pylist() for name, table in tidy_target(DAY, TARGET, capture(*bodies, **options)).items()}


def one(**fields: Any) -> dict[str, list[dict[str, Any]]]:
    return tidy(body({"task_id": "t", **fields}))


def surprises(rows: dict[str, list[dict[str, Any]]]) -> list[tuple[Any, ...]]:
    names = ("task_id", "field", "rule", "position", "raw_text", "occurrences")
    return [tuple(row[name] for name in names) for row in rows["data_quality"]]


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


@pytest.mark.parametrize(
    ("text", "time", "raw", "rule"),
    [
        ("2026-11-22T10:00:00Z", datetime(2026, 11, 22, 10), None, None),
        ("2026-11-22T18:00:00+08:00", datetime(2026, 11, 22, 10), None, None),
        ("2026-11-22T10:00:00.5Z", datetime(2026, 11, 22, 10, 0, 0, 500_000), None, None),
        ("2026-11-22T10:00:00", datetime(2026, 11, 22, 10), None, "time_without_zone"),
        ("2026-11-22", None, "2026-11-22", "unreadable_time"),
        ("2026-02-30T10:00:00Z", None, "2026-02-30T10:00:00Z", "unreadable_time"),
        ("tomorrow", None, "tomorrow", "unreadable_time"),
        ("", None, "", None),
        (None, None, None, None),
    ],
)
def test_times_are_utc_or_keep_their_text(
    text: str | None, time: datetime | None, raw: str | None, rule: str | None
) -> None:
    neighbours = [{"task_id": "a", "end_time": "2026-11-22T10:00:00Z"}, {"task_id": "t", "end_time": text}]
    rows = tidy(body(*neighbours))
    task = rows["pull_tasks"][1]
    assert (task["end_time"], task["end_time_raw"]) == (time, raw)
    assert surprises(rows) == ([("t", "end_time", rule, None, json.dumps(text), 1)] if rule else [])


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


@pytest.mark.parametrize(
    "change", [{"status": "b"}, {"source_urls": ["2", "1"]}, {"new": 1}, {"status": None}, {"callback_events": []}]
)
def test_the_hash_changes_with_anything(change: dict[str, Any]) -> None:
    before = {"status": "a", "source_urls": ["1", "2"]}
    hashes = {one(**fields)["pull_tasks"][0]["content_hash"] for fields in (before, {**before, **change})}
    assert len(hashes) == 2


def test_the_hash_does_not_change_with_the_order_of_keys() -> None:
    texts = ['{"task_id":"t","status":"a"}', '{ "status" : "a", "task_id" : "t" }']
    bodies = [f'{{"request_id":"r","total":1,"task_infos":[{text}]}}' for text in texts]
    assert len({tidy(text)["pull_tasks"][0]["content_hash"] for text in bodies}) == 1


def test_of_two_contents_the_answer_received_last_wins_and_is_counted() -> None:
    rows = tidy(body({"task_id": "t", "status": "a"}), body({"task_id": "t", "status": "b"}))
    assert [row["status"] for row in rows["pull_tasks"]] == ["b"]
    assert rows["captures"][0]["changed_while_listing"] == 1


def test_a_complete_capture_consists_of_the_sweep_that_was_proved() -> None:
    bodies = [body({"task_id": "gone"}, {"task_id": "t"}), body({"task_id": "t"})]
    assert [row["task_id"] for row in tidy(*bodies, sweeps=[1, 2])["pull_tasks"]] == ["t"]


def test_an_incomplete_capture_keeps_all_that_was_seen() -> None:
    bodies = [body({"task_id": "seen"}), body({"task_id": "t"})]
    rows = tidy(*bodies, sweeps=[1, 2], verdict="incomplete")["pull_tasks"]
    assert [(row["task_id"], row["capture_complete"]) for row in rows] == [("seen", False), ("t", False)]


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


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path / "lake")
    lake.prepare()
    return lake


def put(lake: Lake, raw: RawCapture) -> None:
    with lake.writing(lake.raw_file(DAY, *TARGET.key)) as path:
        writer = RawWriter(path, raw.capture)
        for line in raw.answers:
            writer.answer(line)
        writer.close(raw.verdict)
    listed = TargetList(snapshot_date=DAY, timezone="UTC", software_version="0", targets=[TARGET])
    with lake.writing(lake.targets_file(DAY)) as path:
        path.write_bytes(msgspec.json.encode(listed))


def test_the_same_raw_files_give_the_same_bytes(lake: Lake) -> None:
    put(lake, capture(body(*({"task_id": f"t{n}", "source_urls": ["a", "b"]} for n in range(50)))))
    first = normalise_day(lake, DAY)
    bytes_before = {table.name: lake.tidy_file(table.name, DAY).read_bytes() for table in tables.TABLES}
    assert normalise_day(lake, DAY) == first
    for table in tables.TABLES:
        assert lake.tidy_file(table.name, DAY).read_bytes() == bytes_before[table.name]


def test_pieces_of_any_size_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "ROW_GROUP_ROWS", 7)
    table = tables.PULL_TASK_CALLBACK_EVENTS
    whole = pa.Table.from_pylist(
        [
            {"snapshot_date": DAY, "project_id": "p", "region": "r", "task_id": f"{n:03}", "position": 0}
            for n in range(40)
        ],
        schema=table.schema,
    )
    contents = set()
    for size in (1, 3, 7, 8, 40):
        with parquet.TidyWriter(table, tmp_path / "file") as writer:
            for start in range(0, 40, size):
                writer.add(whole.slice(start, size))
            writer.finish()
            contents.add((tmp_path / "file").read_bytes())
            assert pq.read_table(tmp_path / "file").equals(whole)
    assert len(contents) == 1


@pytest.mark.parametrize("moved", range(5))
def test_a_day_whose_files_do_not_fit_together_has_no_manifest(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, moved: int
) -> None:
    put(lake, capture(body({"task_id": "before"})))
    normalise_day(lake, DAY)
    put(lake, capture(body({"task_id": "after", "source_urls": ["a"], "callback_events": ["b"], "new": 1})))
    original, calls = Lake.put, iter(range(100))

    def full_disk(self: Lake, *arguments: Any, **options: Any) -> None:
        if next(calls) == moved:
            raise OSError(28, "No space left on device")
        original(self, *arguments, **options)

    monkeypatch.setattr(Lake, "put", full_disk)
    with pytest.raises(OSError, match="No space left"):
        normalise_day(lake, DAY)
    monkeypatch.undo()
    assert lake.tidy_dates() == []
    assert stale_dates(lake) == [DAY]
    normalise_day(lake, DAY)
    assert lake.tidy_dates() == [DAY]


def test_the_manifest_names_every_file_by_its_hash(lake: Lake) -> None:
    put(lake, capture(SAMPLE))
    normalise_day(lake, DAY)
    manifest = read_manifest(lake.manifest_file(DAY))
    assert set(manifest.tables) == {table.name for table in tables.TABLES}
    for name, entry in manifest.tables.items():
        content = (lake.tidy / entry.file).read_bytes()
        assert entry.sha256 == hashlib.sha256(content).hexdigest()
        assert entry.bytes == len(content)
        assert entry.rows == pq.read_metadata(lake.tidy_file(name, DAY)).num_rows
    assert stale_dates(lake) == []


def test_every_file_carries_its_schema_and_the_words_for_its_columns(lake: Lake) -> None:
    put(lake, capture(SAMPLE))
    normalise_day(lake, DAY)
    for table in tables.TABLES:
        schema = pq.read_schema(lake.tidy_file(table.name, DAY))
        assert schema.metadata[b"pulltasks.schema_version"] == str(tables.SCHEMA_VERSION).encode()
        assert [schema.field(c.name).metadata[b"description"].decode() for c in table.columns] == [
            c.description for c in table.columns
        ]


TEXT = st.none() | st.text(max_size=5)
VALUES = {
    "text": TEXT,
    "time": TEXT,
    "texts": st.none() | st.lists(TEXT, max_size=3),
    "integer": st.none() | st.integers(-9, 9),
}
DOCUMENTED = st.fixed_dictionaries({}, optional={field.name: VALUES[field.kind] for field in tables.API_FIELDS})
ANYTHING = st.dictionaries(
    st.sampled_from([field.name for field in tables.API_FIELDS] + ["new_field"]),
    TEXT
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.booleans()
    | st.lists(TEXT | st.integers(-9, 9), max_size=2),
)


@given(tasks=st.lists(DOCUMENTED | ANYTHING, min_size=1, max_size=6), wanted=st.integers(0, 5))
def test_a_task_is_hashed_as_it_came_whatever_stands_beside_it(tasks: list[dict[str, Any]], wanted: int) -> None:
    """The short way for answers that are all as documented gives what an object in any other answer gives."""
    tasks = [task | {"task_id": f"t{n}"} for n, task in enumerate(tasks)]
    task = tasks[wanted % len(tasks)]
    expected = hashlib.sha256(msgspec.json.encode(json.loads(json.dumps(task)), order="deterministic")).hexdigest()
    for answer in (body(task), body(*tasks), body(*tasks, {"task_id": "odd", "new_field": 1})):
        assert one_row(answer, task)["content_hash"] == expected
    assert one_row(body(task), task) == one_row(body(*tasks, {"task_id": "odd", "new_field": 1}), task)


def one_row(answer: str, task: dict[str, Any]) -> dict[str, Any]:
    (row,) = [row for row in tidy(answer)["pull_tasks"] if row["task_id"] == task["task_id"]]
    return row


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


def test_an_answer_that_the_proof_did_not_count_gives_no_rows() -> None:
    """Of a page that contradicts its total, or has a flaw, and was read again, only the reading that was kept counts."""
    good = body({"task_id": "a"})
    for bad in (
        json.dumps({"request_id": "r", "total": 9, "task_infos": [{"task_id": "stray"}]}),
        json.dumps({"request_id": "r", "total": 2, "task_infos": [{"task_id": "stray"}, {"x": 1}]}),
        json.dumps({"total": 1, "task_infos": [{"task_id": "stray"}]}),
    ):
        rows = tidy_target(DAY, TARGET, capture(good, bad, task_count=1))
        assert rows["pull_tasks"]["task_id"].to_pylist() == ["a"]
        assert rows["captures"]["verdict"].to_pylist() == ["complete"]
        assert {
            *tidy_target(DAY, TARGET, capture(good, bad, verdict="incomplete"))["pull_tasks"]["task_id"].to_pylist()
        } >= {"a"}


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
        ("create_time", b'"0001-01-01T00:00:00+08:00"', [
            ("t", "create_time", "unreadable_time", None, '"0001-01-01T00:00:00+08:00"', 1),
        ]),
        ("end_time", b'"9999-12-31T23:59:59-08:00"', [
            ("t", "end_time", "unreadable_time", None, '"9999-12-31T23:59:59-08:00"', 1),
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
    other = of_bytes(content.replace(raw, raw.replace(b"1e", b"2e").replace(b"\xd6", b"\xd7").replace(b"01", b"02")))
    is_other = content != content.replace(
        raw, raw.replace(b"1e", b"2e").replace(b"\xd6", b"\xd7").replace(b"01", b"02")
    )
    assert (other["pull_tasks"][1]["content_hash"] != rows["pull_tasks"][1]["content_hash"]) == is_other


def of_bytes(content: bytes, **named: Any) -> dict[str, list[dict[str, Any]]]:
    text, coded = body_fields(content)
    raw = capture(body(), task_count=len(read_answer(content).ids))
    answer = msgspec.structs.replace(raw.answers[0], body=text, body_base64=coded, **named)
    made = tidy_target(DAY, TARGET, msgspec.structs.replace(raw, answers=[answer]))
    return {name: table.to_pylist() for name, table in made.items()}


def test_what_is_odd_about_answers_as_a_whole_is_counted() -> None:
    content = b'\xef\xbb\xbf{"request_id":"r","total":"1","task_infos":[{"task_id":"t"}]}'
    rows = of_bytes(content, old_encoding="x-gzip")
    assert surprises(rows) == [
        (None, "(answer)", "byte_order_mark", None, '"\\ufeff"', 1),
        (None, "(answer)", "old_encoding", None, '"x-gzip"', 1),
        (None, "total", "wrong_type", None, '"1"', 1),
    ]
    assert rows["captures"][0]["verdict"] == "complete"


@pytest.mark.parametrize(
    "odd",
    [
        {"source_urls": ["rtmp://h/live/a"] * 100},
        {"callback_events": [""] * 100},
        {"backup_source_urls": [1] * 100},
        {"new": "x" * 5000},
        {f"new{n}": 1 for n in range(100)},
    ],
    ids=["addresses", "events", "wrong types", "long text", "unknown fields"],
)
def test_a_complete_target_that_costs_too_much_is_set_aside_by_name(monkeypatch, odd: dict[str, Any]) -> None:
    answer = body({"task_id": "a"} | odd)
    assert tidy(answer)["captures"][0]["verdict"] == "complete"
    monkeypatch.setattr(tasks, "MOST_COST", 5000)
    found = tidy(answer)
    (row,) = found.pop("captures")
    assert {name: len(rows) for name, rows in found.items()} == dict.fromkeys(found, 0)
    assert (row["verdict"], row["verdict_reason"], row["proof"]) == ("failed", "too_large_to_build", None)
    assert (row["task_count"], row["answer_bytes"]) == (1, len(answer))
    assert TARGET.label in row["error_message"]


def test_of_an_incomplete_capture_the_answers_beyond_the_bound_are_counted(monkeypatch) -> None:
    answers = [body({"task_id": f"t{n}", "status": "x" * 4000}) for n in range(10)]
    monkeypatch.setattr(tasks, "MOST_COST", 10_000)
    monkeypatch.setattr(tasks, "_TASKS_PER_PART", 1)
    found = tidy(*answers, verdict="incomplete")
    assert [row["task_id"] for row in found["pull_tasks"]] == ["t0", "t1"]
    assert [(row["rule"], row["occurrences"]) for row in found["data_quality"]] == [("left_out", 8)]
    assert (found["captures"][0]["verdict"], found["captures"][0]["answer_bytes"]) == (
        "incomplete",
        sum(map(len, answers)),
    )


def test_answers_that_do_not_count_cost_nothing(monkeypatch) -> None:
    answers = [body({"task_id": "a", "status": f"{n}" * 4000}) for n in range(5)]
    monkeypatch.setattr(tasks, "MOST_COST", 5000)
    found = tidy(*answers, sweeps=[1, 1, 1, 1, 2])
    assert [row["verdict"] for row in found["captures"]] == ["complete"]
    assert [row["status"][0] for row in found["pull_tasks"]] == ["4"]


@pytest.mark.parametrize("pieces", [1, 3, 50])
def test_a_row_group_ends_with_the_row_that_fills_it(tmp_path: Path, monkeypatch, pieces: int) -> None:
    monkeypatch.setattr(parquet, "ROW_GROUP_TEXT", 1000)
    table = next(table for table in tables.TABLES if table.name == "pull_task_callback_events")
    texts = ["x" * (n * 37 % 400) for n in range(50)]
    rows = pa.Table.from_pylist([{"event": text} for text in texts], schema=table.schema)
    with parquet.TidyWriter(table, tmp_path / "file") as writer:
        for begin in range(0, 50, 50 // pieces):
            writer.add(rows.slice(begin, 50 // pieces))
        writer.finish()
        found = pq.ParquetFile(tmp_path / "file")
        groups = [found.read_row_group(n)["event"].to_pylist() for n in range(found.num_row_groups)]
    assert [text for group in groups for text in group] == texts
    sizes = [sum(map(len, group)) for group in groups]
    assert all(size >= 1000 > size - len(group[-1]) for size, group in zip(sizes[:-1], groups, strict=False))
    assert len(groups) > 5
