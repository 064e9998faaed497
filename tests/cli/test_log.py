"""What cron and monitors get: a line for each step and target, and metrics that Prometheus reads."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from desk import BEIJING, SINGAPORE, SMALL_DAYS, Desk, copied
from log_lines import LINE
from pulltasks.cli.log import Log
from pulltasks.cli.prometheus import size_of
from pulltasks.lake.run_log import read_runs

if TYPE_CHECKING:
    from collections.abc import Iterator

PULLTASKS = Path(sys.executable).parent / "pulltasks"
DAY = SMALL_DAYS[1]


def call(desk: Desk, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [PULLTASKS, *arguments, "--config", desk.config_file]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_off_a_terminal_a_run_is_a_line_for_each_step_and_target(one_day: Desk, tmp_path: Path) -> None:
    desk = copied(one_day, tmp_path)
    desk.sandbox.faults[SINGAPORE.project_id, DAY] = "forbidden"
    answer = call(desk, "snapshot", "--simulated-date", str(DAY))
    assert answer.returncode == 3
    lines = [LINE.fullmatch(line) for line in answer.stderr.splitlines() if LINE.match(line)]
    found = [(line[2], line[1], line[3]) for line in lines if line]
    assert [step for step, _, _ in found] == ["capturing"] * 3 + ["normalising"] * 2 + ["building"]
    levels = {text.split(" ")[0]: level for step, level, text in found if step == "capturing" and "requests" in text}
    assert levels == {"beijing": "INFO", "singapore": "WARNING"}
    assert not set("│─━╭┃") & set(answer.stderr)
    run_ids = {line.split(" ")[2] for line in answer.stderr.splitlines() if LINE.match(line)}
    assert run_ids == {read_runs(desk.lake)[-1].run_id[:8]}


def test_as_json_each_line_is_an_object(one_day: Desk, tmp_path: Path) -> None:
    desk = copied(one_day, tmp_path)
    desk.sandbox.faults.clear()
    answer = call(desk, "snapshot", "--simulated-date", str(DAY), "--log-format", "json")
    assert answer.returncode == 0
    lines = [json.loads(line) for line in answer.stderr.splitlines()]
    assert all(list(line) == ["time", "level", "run_id", "step", "message"] for line in lines)
    assert {line["run_id"] for line in lines} == {read_runs(desk.lake)[-1].run_id}


def test_a_line_is_one_line_whatever_a_target_is_called() -> None:
    stream = io.StringIO()
    log = Log(stream, "text", lambda: datetime(2026, 11, 22, tzinfo=UTC))
    log.advance("a\nb\x1b[2J", is_good=False)
    assert stream.getvalue().count("\n") == 1
    assert "\x1b" not in stream.getvalue()


def test_a_log_that_nobody_reads_takes_nothing_from_the_run() -> None:
    stream = io.StringIO()
    stream.close()
    log = Log(stream, "text", lambda: datetime(2026, 11, 22, tzinfo=UTC))
    for _ in range(2):
        log.line("on it goes")


def test_a_real_client_reads_the_metrics(one_day: Desk, tmp_path: Path) -> None:
    desk = copied(one_day, tmp_path)
    desk.sandbox.faults[SINGAPORE.project_id, DAY] = "forbidden"
    assert call(desk, "snapshot", "--simulated-date", str(DAY)).returncode == 3
    answer = call(desk, "status", "--format", "prometheus")
    assert answer.returncode == 3
    families = {family.name: family for family in text_string_to_metric_families(answer.stdout)}
    assert all(family.documentation and family.type == "gauge" for family in families.values())
    samples = [sample for family in families.values() for sample in family.samples]
    assert {sample.labels.get("lake") for sample in samples} == {str(desk.lake.root)}
    complete = {sample.labels["name"]: sample.value for sample in families["pulltasks_target_complete"].samples}
    assert set(complete) == {"beijing", "singapore"}
    requests = {sample.labels["project_id"]: sample.value for sample in families["pulltasks_target_requests"].samples}
    assert requests[BEIJING.project_id] >= 1
    assert families["pulltasks_lake_bytes"].samples[0].value == pytest.approx(size_of(desk.lake.root), rel=0.05)
    assert families["pulltasks_last_run_success"].samples[0].value == 0
    assert families["pulltasks_last_run_timestamp_seconds"].samples[0].value > 1.7e9
    assert {"pulltasks_target_age_seconds", "pulltasks_target_tasks", "pulltasks_target_retries",
            "pulltasks_target_duration_seconds", "pulltasks_target_answer_bytes", "pulltasks_lake_age_seconds",
            "pulltasks_targets_complete", "pulltasks_targets_expected"} <= families.keys()  # fmt: skip


def test_samples_of_two_lakes_differ_and_a_lake_goes_by_its_name(one_day: Desk, tmp_path: Path) -> None:
    found = []
    for folder in ("one", "two", "named"):
        desk = copied(one_day, tmp_path / folder)
        desk.extra = '[lake]\nname = "live"' if folder == "named" else ""
        answer = call(desk, "status", "--format", "prometheus").stdout
        families = text_string_to_metric_families(answer)
        found.append({(s.name, *sorted(s.labels.items())) for family in families for s in family.samples})
    one, two, named = found
    assert len(one) == len(two) > 10
    assert not one & two
    assert {dict(sample[1:])["lake"] for sample in named} == {"live"}
