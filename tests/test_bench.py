"""The benchmarks run; their figures are for the README, not for tests."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parent.parent / "bench"


def test_the_decoding_benchmark_runs() -> None:
    answer = subprocess.run(
        [sys.executable, BENCH / "decode.py", "--tasks", "300"], capture_output=True, text=True, check=True
    )
    assert "us of CPU a task" in answer.stdout


def test_the_benchmark_of_a_year_runs(tmp_path: Path) -> None:
    size = ["--targets", "2", "--tasks", "20", "--days", "4"]
    subprocess.run(
        [sys.executable, BENCH / "year.py", *size, "--results", tmp_path / "year.json"], capture_output=True, check=True
    )
    figures = json.loads((tmp_path / "year.json").read_text())
    assert figures["queries"]["pull_tasks_as_of"]["rows"] > 0
    assert figures["ratio"] > 0
