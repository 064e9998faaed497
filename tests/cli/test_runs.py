"""`snapshot` and `rebuild`: exit codes, what is said, and nothing written where nothing may be."""

from __future__ import annotations

import hashlib
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from desk import BEIJING, SINGAPORE, Desk, write_config
from pulltasks.sandbox.server import Sandbox, serving
from pulltasks.tables import TABLES


def files(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_a_snapshot_of_today_publishes_and_says_so(desk: Desk, command) -> None:
    code, out, _ = command("snapshot", "--config", desk.config_file, "--all")
    assert code == 0
    assert re.findall(r"^complete +\d+ tasks +(\w+)$", out, re.MULTILINE) == ["beijing", "singapore"]
    assert re.search(r"2 of 2 targets complete; \d+ tasks, \d+ requests sent$", out, re.MULTILINE)
    assert f"{datetime.now(UTC):%Y-%m-%d}: 2 of 2 targets complete" in out
    assert "published" in out
    code, out, _ = command("status", "--config", desk.config_file)
    assert (code, "2 of 2 targets complete" in out) == (0, True)


def test_one_refused_target_is_exit_code_3_and_the_other_is_published(desk: Desk, command) -> None:
    desk.sandbox.faults[SINGAPORE.project_id, None] = "forbidden"
    code, out, _ = command("snapshot", "--config", desk.config_file)
    assert code == 3
    assert "1 of 2 targets complete" in out
    assert "grant live:stream:listPullTask" in " ".join(out.split())
    code, out, _ = command("status", "--config", desk.config_file)
    assert (code, "failed" in out, "forbidden" in out) == (3, True, True)


def test_a_scheduler_may_allow_incomplete_targets_and_nothing_else(desk: Desk, command) -> None:
    desk.sandbox.faults[SINGAPORE.project_id, None] = "forbidden"
    asked = ("snapshot", "--allow-incomplete", "--config")
    code, out, _ = command(*asked, desk.config_file)
    assert (code, "1 of 2 targets complete" in out) == (0, True)
    desk.extra = "[dashboard]\nenabled = true\n"
    desk.lake.dashboard.mkdir(parents=True)
    assert command(*asked, desk.config_file)[0] == 3  # the page
    desk.lake.dashboard.rmdir()
    assert command(*asked, desk.config_file)[0] == 0
    stray = desk.lake.raw_file(datetime.now(UTC).date() - timedelta(days=1), BEIJING.project_id, BEIJING.region)
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"oops")
    code, _, err = command(*asked, desk.config_file)
    assert (code, "raw" in err) == (3, True)  # a damaged day


def test_yesterday_is_refused_and_nothing_is_written(desk: Desk, command) -> None:
    config_file = desk.config_file
    before = files(desk.folder)
    yesterday = (datetime.now(UTC) - timedelta(days=1)).date()
    code, out, err = command("snapshot", "--date", yesterday, "--config", config_file)
    assert (code, out) == (2, "")
    assert f"{yesterday} has passed" in err
    assert f"pulltasks rebuild --from {yesterday} --to {yesterday}" in err
    assert files(desk.folder) == before
    assert desk.sandbox.log == []


def test_a_rebuild_from_raw_gives_the_same_bytes(desk: Desk, begin, command) -> None:
    day = (datetime.now(UTC) - timedelta(days=1)).date()
    begin(desk, day)
    before = {table.name: desk.lake.tidy_file(table.name, day).read_bytes() for table in TABLES}
    for table in TABLES:
        desk.lake.tidy_file(table.name, day).unlink()
    desk.lake.manifest_file(day).unlink()
    asked = len(desk.sandbox.log)
    code, out, _ = command("rebuild", "--from", day, "--to", day, "--config", desk.config_file)
    assert (code, f"rebuilt 1 day from the raw archive: {day}" in out) == (0, True)
    assert {table.name: desk.lake.tidy_file(table.name, day).read_bytes() for table in TABLES} == before
    assert len(desk.sandbox.log) == asked


def test_a_rebuild_without_raw_is_refused(desk: Desk, command) -> None:
    code, _, err = command("rebuild", "--from", "2026-01-01", "--to", "2026-01-31", "--config", desk.config_file)
    assert (code, "no raw archive from 2026-01-01 to 2026-01-31" in err) == (1, True)


def test_a_second_run_on_the_lake_ends_without_touching_anything(desk: Desk, command) -> None:
    desk.lake.prepare()
    config_file = desk.config_file
    with desk.lake.lock():
        before = files(desk.folder)
        code, _, err = command("snapshot", "--config", config_file)
        assert (code, "another run is writing" in err) == (1, True)
        assert files(desk.folder) == before
    assert desk.sandbox.log == []


def test_a_run_writes_the_page_if_the_settings_ask_for_it_and_says_where(published: Desk, command) -> None:
    assert not published.lake.dashboard.exists()
    published.extra = "[dashboard]\nenabled = true\n"
    code, out, _ = command("snapshot", "--config", published.config_file)
    assert (code, f"the page is {published.lake.dashboard}" in out) == (0, True)
    first = published.lake.dashboard.read_bytes()
    day = datetime.now(UTC).date()
    published.sandbox.faults[SINGAPORE.project_id, None] = "forbidden"
    command("snapshot", "--config", published.config_file, "--refresh")
    command("rebuild", "--from", day, "--to", day, "--config", published.config_file)
    assert published.lake.dashboard.read_bytes() != first


def test_a_page_that_cannot_be_written_takes_nothing_back_and_is_exit_code_3(desk: Desk, command) -> None:
    desk.extra = "[dashboard]\nenabled = true\n"
    desk.lake.dashboard.mkdir(parents=True)
    code, out, err = command("snapshot", "--config", desk.config_file)
    assert (code, "2 of 2 targets complete" in out, desk.lake.published.exists()) == (3, True, True)
    assert "published, but the page could not be written" in err
    assert "Traceback" not in err


@pytest.mark.parametrize("damage", [b"", b"oops" * 1000])
def test_a_damaged_published_file_keeps_no_day_from_being_captured(published: Desk, command, damage: bytes) -> None:
    published.lake.published.resolve().write_bytes(damage)
    code, out, err = command("snapshot", "--config", published.config_file, "--refresh")
    assert (code, "2 of 2 targets complete" in out) == (0, True)
    assert "could not be opened; rebuilt from the tidy tables" in err
    assert command("status", "--config", published.config_file)[0] == 0


def test_no_target_configured_by_name_needs_a_word_more(tmp_path: Path, command) -> None:
    sandbox = Sandbox((BEIJING,))
    with serving(sandbox) as url:
        file = write_config(tmp_path, url, BEIJING)
        file.write_text(file.read_text().replace('name = "beijing"\n', ""))
        code, out, _ = command("snapshot", "--all", "--config", file)
    assert (code, "…cdef · cn-north-4" in out) == (0, True)
