"""The benchmarks run; their figures are for the README, not for tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

BENCH = Path(__file__).parent.parent / "bench"


def test_the_decoding_benchmark_runs() -> None:
    answer = subprocess.run(
        [sys.executable, BENCH / "decode.py", "--tasks", "300"], capture_output=True, text=True, check=True
    )
    assert "us of CPU a task" in answer.stdout
