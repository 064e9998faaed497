"""The benchmarks run; their figures are for the README, not for tests."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parent.parent / "bench"


@pytest.mark.slow
def test_the_benchmark_of_a_snapshot_runs(tmp_path: Path) -> None:
    options = ["--sizes", "2x120", "--rounds", "1", "--latency-ms", "1", "--without-peer"]
    answer = subprocess.run(
        [sys.executable, BENCH / "whole.py", *options, "--results", tmp_path / "whole.json"],
        capture_output=True,
        text=True,
        check=True,
    )
    results = json.loads((tmp_path / "whole.json").read_text())
    (found,) = results["sizes"]["2x120"]
    assert found["fetch"]["tasks"] == found["capture"]["tasks"] == found["decode"]["tasks"] == found["floor"]["tasks"]
    assert "us per task" in answer.stdout
    for small in results["small"]:
        assert {"first day", "nothing to do", "status", "query", "validate", "validate, empty"} < {*small}
        assert small["Dagster job"]["assets"] == small["Dagster, again"]["assets"] == small["Dagster, empty"]["assets"]
        assert small["Dagster job"]["success"]


@pytest.mark.slow
def test_the_benchmark_of_runs_with_nothing_to_do_runs(tmp_path: Path) -> None:
    options = ["--sizes", "2x10x2", "--results", tmp_path / "idle.json"]
    subprocess.run([sys.executable, BENCH / "idle.py", *options], capture_output=True, check=True)
    found = json.loads((tmp_path / "idle.json").read_text())["2x10x2"]
    assert found["nothing to do"]["written"] == ["runs.ndjson"]
    assert found["nothing to do"]["process_cpu_s"] < found["first run"]["process_cpu_s"]


@pytest.mark.slow
def test_the_benchmark_of_a_year_runs(tmp_path: Path) -> None:
    size = ["--targets", "2", "--tasks", "20", "--days", "4", "--repeats", "1"]
    subprocess.run(
        [sys.executable, BENCH / "year.py", *size, "--results", tmp_path / "year.json"], capture_output=True, check=True
    )
    figures = json.loads((tmp_path / "year.json").read_text())
    assert figures["queries"]["pull_tasks_as_of"]["rows"] > 0
    assert figures["ratio"] > 0


@pytest.mark.slow
def test_the_benchmark_of_waiting_runs(tmp_path: Path) -> None:
    size = ["--latencies-ms", "1", "--targets", "2", "--tasks", "120", "--limits", "50", "--without-peer"]
    subprocess.run(
        [sys.executable, BENCH / "latency.py", *size, "--results", tmp_path / "latency.json"],
        capture_output=True,
        check=True,
    )
    figures = json.loads((tmp_path / "latency.json").read_text())
    measures = [*figures["latency"]["1 ms, 2 x 120"].values(), *figures["limits"].values()]
    assert {(each["outcome"], each["requests"]) for each in measures} == {("complete", 4)}


@pytest.mark.slow
def test_the_benchmark_of_the_page_runs_and_uses_the_lakes_that_are_there(tmp_path: Path) -> None:
    lakes = tmp_path / "lakes"
    options = ["--lakes", lakes, "--only", "first,one", "--results", tmp_path / "page.json"]
    runs = []
    for _ in range(2):
        subprocess.run([sys.executable, BENCH / "page.py", *options], capture_output=True, check=True)
        runs.append((lakes / "one" / "lake" / "runs.ndjson").read_text())
    figures = json.loads((tmp_path / "page.json").read_text())["lakes"]
    assert {name: each["bytes"] for name, each in figures.items()} == {
        name: (lakes / name / "lake" / "warehouse" / "dashboard.html").stat().st_size for name in ("first", "one")
    }
    assert figures["first"]["bytes"] < figures["one"]["bytes"]
    assert runs[0] == runs[1]
