"""What a run needs is known before it begins: by the newest day, and never less than was measured."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from desk import Desk, copied
from pulltasks.doctor import memory as module
from pulltasks.doctor.memory import available_mb, memory, needed_mb
from pulltasks.lake.manifests import read_manifest
from pulltasks.tables import PULL_TASKS
from pulltasks.warehouse.build.working_copy import LEAST_MEMORY_MB

ROOT = Path(__file__).parent.parent.parent
BYTES_PER_TASK, BYTES_PER_TARGET = 120, 100


def of_size(targets: int, tasks_of_each: int) -> int:
    tasks = targets * tasks_of_each
    return needed_mb(targets, tasks, tasks * BYTES_PER_TASK + targets * BYTES_PER_TARGET, LEAST_MEMORY_MB)


@pytest.fixture
def desk(one_day: Desk, tmp_path: Path) -> Desk:
    return copied(one_day, tmp_path)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with 3 GB that are free, and no limit."""
    monkeypatch.setattr(module, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(module, "LIMITS", (tmp_path / "memory.max", tmp_path / "limit_in_bytes"))
    (tmp_path / "meminfo").write_text("MemTotal: 8000000 kB\nMemFree: 5 kB\nMemAvailable: 3000000 kB\n")
    return tmp_path


def test_a_run_needs_no_less_than_was_measured() -> None:
    measured = json.loads((ROOT / "bench" / "results" / "idle.json").read_text())
    for size, runs in measured.items():
        targets, tasks, _ = map(int, size.split("x"))
        assert of_size(targets, tasks) >= 0.9 * runs["first run"]["peak_mb"] * 2**20 / 10**6, size


def test_the_page_on_operation_has_the_numbers_of_the_formula() -> None:
    rows = re.findall(
        r"^\| ([\d,]+) \| ([\d,]+) \| ([\d,]+) MB \|$", (ROOT / "docs" / "operating.md").read_text(), re.MULTILINE
    )
    numbers = [[int(text.replace(",", "")) for text in row] for row in rows]
    assert len(numbers) >= 4
    for targets, tasks, mb in numbers:
        assert mb == round(of_size(targets, tasks // targets), -1), (targets, tasks)


def test_doctor_counts_targets_tasks_and_bytes_of_the_newest_day(desk: Desk, machine: Path) -> None:
    tables = read_manifest(desk.lake.manifest_file(desk.lake.tidy_dates()[-1])).tables
    size = sum(entry.bytes for entry in tables.values())
    needed = needed_mb(2, tables[PULL_TASKS.name].rows, size, LEAST_MEMORY_MB)
    found = memory(desk.lake, desk.settings)
    assert found.answer == f"a run needs about {needed} MB (2 targets, 17 tasks); 3072 MB available"
    assert found.advice is None
    for path in desk.lake.manifests.iterdir():
        path.unlink()
    assert "(2 targets, 0 tasks)" in memory(desk.lake, desk.settings).answer


@pytest.mark.parametrize("limit", ["memory.max", "limit_in_bytes"])
def test_the_limit_of_a_container_counts_and_less_than_a_run_needs_is_a_trouble(
    desk: Desk, machine: Path, limit: str
) -> None:
    (machine / limit).write_text("200000000\n")
    found = memory(desk.lake, desk.settings)
    assert found.answer.endswith("; 200 MB available")
    assert "docs/scale.md" in (found.advice or "")


def test_no_limit_and_what_the_system_does_not_tell_are_no_trouble(desk: Desk, machine: Path) -> None:
    (machine / "memory.max").write_text("max\n")
    assert available_mb() == 3072
    (machine / "meminfo").write_text("MemTotal: 8000000 kB\n")
    assert available_mb() is None
    (machine / "meminfo").unlink()
    found = memory(desk.lake, desk.settings)
    assert found.answer.endswith("tasks)")
    assert found.advice is None


def test_the_setting_of_a_builds_memory_bounds_the_part_of_the_database() -> None:
    assert needed_mb(1, 10**6, 0, 2000) - needed_mb(1, 10**6, 0, 500) == 1500
    assert needed_mb(1, 10, 0, 2000) == needed_mb(1, 10, 0, 500)
