"""The published file opens in older versions of DuckDB and says the same there: tables, views, macros, comments."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from datetime import date
from pathlib import Path

import pytest

from desk import SINGAPORE, Desk

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).parents[1] / "compat.py"
VERSIONS = ("1.2.2", "1.3.2", "1.5.6")
pytestmark = pytest.mark.compat


def python_with(version: str) -> Path:
    """An interpreter with that DuckDB, in an environment of its own that is kept."""
    folder = ROOT / ".venv-compat" / version
    python = folder / "bin" / "python"
    if not (folder / "installed").is_file():
        venv.create(folder, with_pip=True, clear=True)
        command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", f"duckdb=={version}"]
        subprocess.run(command, check=True)
        (folder / "installed").touch()
    return python


def told_by(python: Path | str, warehouse: Path) -> dict:
    done = subprocess.run([python, SCRIPT, warehouse], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_older_duckdb_reads_the_same(desk: Desk, version: str) -> None:
    desk.run(date(2026, 11, 20))
    desk.sandbox.faults[SINGAPORE.project_id, date(2026, 11, 21)] = "forbidden"
    for day in (21, 22):
        desk.run(date(2026, 11, day))
    expected = told_by(sys.executable, desk.lake.published)
    assert all(comment for *_, comment in expected["comments"]["columns"])
    assert all(comment for _, comment in expected["comments"]["macros"])
    assert expected["tables"]["pull_tasks_as_of('2026-11-22')"][1] > 0
    assert told_by(python_with(version), desk.lake.published) == expected
