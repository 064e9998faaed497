"""The program as a whole: its help, its usage, from any folder."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from desk import Desk
from terminals import PULLTASKS


@pytest.mark.parametrize(
    "arguments",
    [
        ("snapshot", "--date", "someday"),
        ("rebuild", "--from", "2026-02-02", "--to", "2026-02-01"),
        ("fly",),
        ("query",),
    ],
)
def test_wrong_usage_is_exit_code_2(desk: Desk, command, arguments: tuple[str, ...]) -> None:
    code, _, err = command(*arguments, *(("--config", desk.config_file) if arguments[0] != "fly" else ()))
    assert (code, bool(err), "Traceback" in err) == (2, True, False)


def test_the_command_finds_its_models_from_any_folder(desk: Desk, tmp_path: Path) -> None:
    answer = subprocess.run(
        [PULLTASKS, "snapshot", "--config", desk.config_file], cwd="/", capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr


HEAVY = {"dagster", "pandas", "pyarrow", "duckdb", "httpx", "sqlglot", "pydantic_settings", "starlette"}


@pytest.mark.parametrize("arguments", [["--help"], ["snapshot", "--help"], ["query", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = f"import sys; sys.argv = ['pulltasks', *{arguments}]\nfrom pulltasks.cli.main import main\ntry: main()\nexcept SystemExit: pass\nprint(sorted(sys.modules), file=sys.stderr)"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "Usage: pulltasks" in answer.stdout
    assert not HEAVY & {name.strip("'[] \n") for name in answer.stderr.split(",")}
