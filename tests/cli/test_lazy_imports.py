"""What a process of the command line takes in the place of whole libraries does what these do."""

from __future__ import annotations

import ast
import subprocess
import sys
from datetime import date
from pathlib import Path

import _duckdb
import duckdb

import pulltasks
from desk import Desk

SOURCES = sorted(Path(pulltasks.__file__).parent.rglob("*.py"))
RUN = "from pulltasks.cli.main import command; command()"


def names_of_the_database(path: Path) -> set[str]:
    return {
        node.attr
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "duckdb"
    }


def test_the_database_has_every_name_that_is_asked_of_the_package_around_it() -> None:
    names = set.union(*map(names_of_the_database, SOURCES))
    assert {"connect", "Error"} <= names
    for name in names - {"DuckDBPyConnection", "DuckDBPyRelation"}:  # types, which only the type checker reads
        assert getattr(_duckdb, name) == getattr(duckdb, name)


def run(desk: Desk, *arguments: str) -> str:
    """Run a verb in a process of its own, which hides and puts off what the tests' own process has imported."""
    command = [sys.executable, "-c", RUN, *arguments, "--config", str(desk.config_file)]
    child = subprocess.run(command, capture_output=True, text=True, check=False)
    assert child.returncode in {0, 3}, child.stderr  # 3: the day has passed
    assert "unexpected" not in child.stdout + child.stderr
    return child.stdout


def test_verbs_that_hand_rows_to_arrow_do_so_in_a_process_of_their_own(desk: Desk) -> None:
    desk.extra = "[publish]\ntables = true\n"
    desk.capture(date(2026, 10, 31))
    run(desk, "snapshot", "--simulated-date", "2026-11-01")
    assert desk.lake.latest_tables.is_file()
    run(desk, "compact")
    assert desk.lake.compacted_months()
    assert "beijing" in run(desk, "fleet", "status", "--lake", str(desk.lake.root))
