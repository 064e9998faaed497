"""`status`, `dashboard`: what is published, how old it is, and what an exit code tells a monitor."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from desk import SINGAPORE, Desk, copied
from terminals import PULLTASKS


@pytest.fixture
def without_singapore(desk: Desk, command, once) -> Desk:
    """Today is published, and Singapore refuses."""
    desk.sandbox.faults[SINGAPORE.project_id, None] = "forbidden"
    once("cli without Singapore", desk, lambda: command("snapshot", "--config", desk.config_file))
    return desk


def test_status_tells_monitors_and_cron_how_old_the_newest_complete_day_is(published: Desk, command) -> None:
    code, out, _ = command("status", "--config", published.config_file, "--max-age", "26h")
    assert (code, out.count("\n")) == (0, 1)
    # another file of the same run of the tests may have made the lake
    assert re.fullmatch(r"green: captured \d+ min ago; 2 of 2 complete within 50\.0 h\n", out)
    published.sandbox.faults[SINGAPORE.project_id, None] = "forbidden"
    command("snapshot", "--config", published.config_file, "--refresh")
    code, out, _ = command("status", "--config", published.config_file, "--max-age", "0m")
    assert (code, out.count("\n"), "(limit 0 min)" in out) == (3, 1, True)
    code, out, _ = command("status", "--config", published.config_file, "--max-age", "0m", "--format", "json")
    report = json.loads(out)
    assert (code, report["is_good"], report["targets_expected"]) == (3, False, 2)
    assert report["newest_complete_age_seconds"] < 600
    assert {target["name"] for target in report["targets"]} == {"beijing", "singapore"}


@pytest.mark.parametrize("auth", ['method = "token"', 'method = "password"\nuser = "u"\ndomain = "d"'])
def test_a_look_at_the_lake_needs_no_secret(one_day: Desk, tmp_path: Path, command, auth: str) -> None:
    desk = copied(replace(one_day, extra=f"[auth]\n{auth}\n"), tmp_path)
    for verb in (["status"], ["query", "select 1 as one"], ["dashboard", "--brief"]):
        code, out, err = command(*verb, "--config", desk.config_file)
        assert code in {0, 3}, err
        assert out
    code, _, err = command("snapshot", "--config", desk.config_file)
    assert (code, "needs a" in err) == (2, True)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--all", "--format", "json"),
        ("--all", "--max-age", "26h"),
        ("--per-target",),
        ("--unredacted", "--format", "json"),
    ],
)
def test_options_that_an_output_cannot_follow_are_refused(desk: Desk, command, arguments: tuple[str, ...]) -> None:
    code, out, err = command("status", "--config", desk.config_file, *arguments)
    assert (code, out, arguments[0] in err) == (2, "", True)


def test_status_without_a_complete_day_says_so(without_singapore: Desk, command) -> None:
    code, out, _ = command("status", "--config", without_singapore.config_file, "--max-age", "2d")
    assert (code, out.startswith("red: "), "singapore" in out, "was never complete" in out) == (3, True, True, True)


def test_a_target_that_missed_a_day_is_amber_and_named(desk: Desk, begin, command) -> None:
    begin(desk, (datetime.now(UTC) - timedelta(days=1)).date())
    desk.sandbox.faults[SINGAPORE.project_id, None] = "forbidden"
    command("snapshot", "--config", desk.config_file)
    code, out, _ = command("status", "--config", desk.config_file, "--max-age", "26h")
    assert (code, out.split(":")[0]) == (0, "amber")
    assert "2 of 2 complete within 50.0 h" in out
    assert out.splitlines()[1] == f"not complete on {datetime.now(UTC):%Y-%m-%d}: singapore"
    code, out, _ = command("status", "--config", desk.config_file)
    (head, *_, names, rest, newest, _, level) = out.splitlines()
    assert (code, names, rest) == (3, "    singapore", "1 target complete (--all lists them)")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d: 1 of 2 targets complete, captured \d+ min ago", head)
    assert newest == f"newest complete day: {datetime.now(UTC) - timedelta(days=1):%Y-%m-%d}"
    assert level.startswith("amber: captured")


@pytest.mark.parametrize("verb", ["status", "query"])
def test_nothing_published_is_exit_code_1(desk: Desk, command, verb: str) -> None:
    code, _, err = command(verb, *(("select 1",) if verb == "query" else ()), "--config", desk.config_file)
    assert (code, "run `pulltasks snapshot` first" in err) == (1, True)


def test_dashboard_writes_the_page_of_what_is_published_and_prints_where(desk: Desk, command) -> None:
    code, out, err = command("dashboard", "--config", desk.config_file)
    assert (code, out, "run `pulltasks snapshot` first" in err) == (1, "", True)
    assert not desk.lake.root.exists()
    command("snapshot", "--config", desk.config_file)
    code, out, _ = command("dashboard", "--config", desk.config_file)
    assert (code, out.strip()) == (0, str(desk.lake.dashboard))
    with desk.lake.lock():
        code, _, err = command("dashboard", "--config", desk.config_file)
    assert (code, "another run is writing" in err) == (1, True)


def test_a_reader_who_may_write_nothing_in_the_lake_writes_the_same_page_elsewhere(
    published: Desk, command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command("dashboard", "--config", published.config_file)
    own = published.lake.dashboard.read_bytes().rpartition(b"<!-- sha256 ")[0]
    monkeypatch.setattr(os, "access", lambda _, mode: mode != os.W_OK)  # root may write anywhere
    code, _, err = command("dashboard", "--config", published.config_file)
    assert (code, "pulltasks dashboard -o FILE" in err) == (2, True)
    before = {path: path.lstat().st_mtime_ns for path in published.lake.root.rglob("*")}
    page = tmp_path / "page.html"
    assert command("dashboard", "-o", page, "--config", published.config_file)[:2] == (0, f"{page}\n")
    assert {path: path.lstat().st_mtime_ns for path in published.lake.root.rglob("*")} == before
    assert page.read_bytes() == own


@pytest.mark.parametrize(("language", "state"), [("en", "Complete"), ("zh", "完整")])
def test_the_brief_is_printed_in_five_lines_and_nothing_is_written(
    published: Desk, command, language: str, state: str
) -> None:
    before = {path: path.lstat().st_mtime_ns for path in published.lake.root.rglob("*")}
    code, out, _ = command("dashboard", "--brief", "--language", language, "--config", published.config_file)
    assert (code, len(out.splitlines()), state in out) == (0, 5, True)
    published.extra = f"[alerts]\nlanguage = '{language}'\n"
    assert command("dashboard", "--brief", "--config", published.config_file)[1] == out
    assert {path: path.lstat().st_mtime_ns for path in published.lake.root.rglob("*")} == before


@pytest.mark.parametrize("options", [("--brief", "--open"), ("--brief", "-o", "x.html"), ("--language", "zh")])
def test_options_that_do_not_go_together_are_refused(published: Desk, command, options: tuple[str, ...]) -> None:
    code, _, err = command("dashboard", *options, "--config", published.config_file)
    assert code == 2
    assert "leave out -o and --open" in err or "it needs --brief" in err


@pytest.mark.parametrize(("ending", "is_open"), [("exit 0", True), ("exit 1", False)])
def test_dashboard_opens_the_page_or_says_that_it_cannot(
    published: Desk, command, once, tmp_path, ending: str, is_open: bool
) -> None:
    once("cli page", published, lambda: command("dashboard", "--config", published.config_file))
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/opened\n{ending}\n')
    browser.chmod(0o755)
    done = subprocess.run(
        [PULLTASKS, "dashboard", "--open", "--config", published.config_file],
        env=os.environ | {"BROWSER": f"{browser} %s", "PATH": "/bin", "DISPLAY": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, str(published.lake.dashboard))
    assert (tmp_path / "opened").read_text().strip() == published.lake.dashboard.as_uri()
    assert ("no browser could be started" in done.stderr) == (not is_open)
