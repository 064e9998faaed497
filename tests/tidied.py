"""Made-up answers of one target, as a raw capture and as the rows that are made of it; no test by itself."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec

from pulltasks.huawei.reading import read_answer
from pulltasks.lake.raw import AnswerLine, CaptureLine, RawCapture, TargetLine, VerdictLine, body_fields
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
SAMPLE = (Path(__file__).parent / "data" / "list_pull_tasks.json").read_text()


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


def of_bytes(content: bytes, **named: Any) -> dict[str, list[dict[str, Any]]]:
    text, coded = body_fields(content)
    raw = capture(body(), task_count=len(read_answer(content).ids))
    answer = msgspec.structs.replace(raw.answers[0], body=text, body_base64=coded, **named)
    made = tidy_target(DAY, TARGET, msgspec.structs.replace(raw, answers=[answer]))
    return {name: table.to_pylist() for name, table in made.items()}
