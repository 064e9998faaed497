"""Which tasks of a capture count, what each is hashed as, and what a target may cost."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulltasks import tables
from pulltasks.lake import tasks
from pulltasks.lake.rows import tidy_target
from tidied import DAY, TARGET, body, capture, one, tidy


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
