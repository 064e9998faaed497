"""The program as a whole: its help, its usage, from any folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from desk import BEIJING, SINGAPORE, Desk
from pulltasks.cli.main import Shell
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


def python_m_pulltasks(*arguments: str, cwd: Path | None = None, **variables: str) -> str:
    """Return the standard output of a process that must succeed and print nothing else."""
    answer = subprocess.run(
        [sys.executable, "-m", "pulltasks", *arguments],
        env={**os.environ, **variables},
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (answer.returncode, answer.stderr) == (0, "")
    return answer.stdout


@pytest.mark.parametrize("group", [[], ["lake"], ["fleet"]])
def test_help_fits_80_columns_and_cuts_no_summary(group: list[str]) -> None:
    answer = python_m_pulltasks(*group, "--help", COLUMNS="80")
    assert answer.startswith(" ".join(["Usage: pulltasks", *group]))
    lines = answer.splitlines()[1:]
    assert [line for line in lines if len(line) > 80 or line.endswith(("...", "…"))] == []


@pytest.mark.parametrize("shell", Shell)
def test_each_shell_gets_its_script_from_any_other(shell: Shell) -> None:
    script = python_m_pulltasks("--show-completion", shell, SHELL="/bin/bash")
    assert f"complete_{shell}" in script


def completed(words: str, cwd: Path) -> list[str]:
    """Return what bash offers for the last word of a command line."""
    return python_m_pulltasks(
        cwd=cwd, COMP_WORDS=words, COMP_CWORD=str(words.count(" ")), _PULLTASKS_COMPLETE="complete_bash"
    ).split()


def test_tab_after_target_offers_names_and_ids_of_the_configuration(desk: Desk, tmp_path: Path) -> None:
    beijing, singapore = f"{BEIJING.project_id}/{BEIJING.region}", f"{SINGAPORE.project_id}/{SINGAPORE.region}"
    here = desk.config_file.parent
    assert completed("pulltasks snapshot --target ", here) == ["beijing", beijing, "singapore", singapore]
    assert completed("pulltasks snapshot --target sing", here) == ["singapore"]
    assert completed(f"pulltasks snapshot --config {desk.config_file} --target {beijing[:3]}", Path("/")) == [beijing]


@pytest.mark.parametrize("text", [None, "[targets", "speed = 1\n", '[[targets]]\nname = "$(reboot)"'])
def test_tab_after_target_is_silent_without_a_configuration_that_can_be_read(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "pulltasks.toml").write_text(text)
    assert completed("pulltasks snapshot --target ", tmp_path) == []


def test_tab_offers_no_name_that_a_shell_would_run(tmp_path: Path) -> None:
    names = ["$(reboot)", "a b", "`ls`", "频道"]
    targets = [
        f'[[targets]]\nproject_id = "{n:032x}"\nregion = "cn-north-4"\nname = "{name}"\n'
        for n, name in enumerate(names)
    ]
    (tmp_path / "pulltasks.toml").write_text("".join(targets), encoding="utf-8")
    assert [word for word in completed("pulltasks snapshot --target ", tmp_path) if "/" not in word] == ["频道"]
