"""What cron and monitors get: a line for each step and target, and metrics that Prometheus reads."""

from __future__ import annotations

import io
import json
import re
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from desk import SINGAPORE, SMALL_DAYS, Desk, copied
from log_lines import LINE
from pulltasks.cli.log import Log
from pulltasks.lake.run_log import read_runs
from terminals import PULLTASKS

if TYPE_CHECKING:
    pass

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
    assert [step for step, _, _ in found] == ["capturing"] * 4 + ["normalising"] * 2 + ["building"]
    levels = {text.split(" ")[0]: level for step, level, text in found if re.search(r"\d requests?$", text)}
    assert levels == {"beijing": "INFO", "singapore": "WARNING"}
    assert [text for _, _, text in found if text.startswith("pace of credential default: up to ")]
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
