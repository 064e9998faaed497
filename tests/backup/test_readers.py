"""The readers' bucket: what goes there, in which order, what is removed, whose it is."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from backups import StandIn, names_in
from desk import DAYS, Desk, copied
from pulltasks.backup.readers import put_for_readers
from pulltasks.errors import BackupError
from pulltasks.run.order import forget, snapshot


@pytest.fixture
def shown(first_two: Desk, tmp_path: Path) -> Desk:
    """A lake of two days that publishes open tables and page into a folder."""
    (tmp_path / "readers").mkdir()
    extra = f'[publish]\ntables = true\nurl = "{tmp_path / "readers"}"\n[dashboard]\nenabled = true\n'
    return replace(copied(first_two, tmp_path), extra=extra)


def run(desk: Desk, day=DAYS[2]):
    return snapshot(desk.settings, day, desk.clock, simulated=True)


def published(desk: Desk) -> dict[str, bytes]:
    folder = desk.lake.published_folder
    page = {"dashboard.html": desk.lake.dashboard.read_bytes()}
    return {name: (folder / name).read_bytes() for name in names_in(folder)} | page


def there(tmp_path: Path) -> dict[str, bytes]:
    found = {name: (tmp_path / "readers" / name).read_bytes() for name in names_in(tmp_path / "readers")}
    assert found.pop("backup.json")
    return found


def test_readers_find_open_tables_and_page_and_nothing_else(shown: Desk, rclone: None, tmp_path: Path) -> None:
    assert run(shown).troubles == ()
    assert there(tmp_path) == published(shown)
    assert {name.split("/")[0] for name in there(tmp_path)} == {"tables", "latest.json", "dashboard.html"}


def test_latest_comes_last_and_what_went_is_removed_after_it(shown: Desk, standin: StandIn, tmp_path: Path) -> None:
    for day in DAYS[2:5]:
        run(shown, day)
    standin.forget()
    oldest = min(path.name for path in (tmp_path / "readers" / "tables").iterdir() if path.name != "current")
    run(shown, DAYS[5])
    told = [(call["argv"][0], call["names"]) for call in standin.calls if call["names"]]
    assert [command for command, _ in told] == ["copy", "copy", "copy", "delete"]
    assert told[-2] == ("copy", ["latest.json"])
    assert [names for _, names in told if "latest.json" in names] == [["latest.json"]]
    assert all(name.startswith(f"tables/{oldest}/") for name in told[-1][1])
    assert there(tmp_path) == published(shown)
    standin.forget()
    run(shown, DAYS[5])
    assert standin.calls == []


def test_what_an_earlier_mask_or_a_forgotten_day_showed_is_removed_at_once(
    shown: Desk, standin: StandIn, tmp_path: Path
) -> None:
    run(shown)
    masked = replace(shown, extra=f"[warehouse]\nmask_stream_names = true\n{shown.extra}")
    run(masked)
    assert len([path for path in (tmp_path / "readers" / "tables").iterdir() if list(path.rglob("*.parquet"))]) == 2
    assert there(tmp_path) == published(masked)
    for day in (DAYS[2], *DAYS[:2]):
        standin.forget()
        forget(masked.settings, day, masked.clock)
    deleted = [call["names"] for call in standin.calls if call["argv"][0] == "delete"]
    assert deleted[0] == ["latest.json"]  # what names the others goes first
    assert set(there(tmp_path)) <= {"dashboard.html"}


def test_a_second_lake_is_refused_and_nothing_of_the_first_is_touched(
    shown: Desk, first_two: Desk, rclone: None, tmp_path: Path
) -> None:
    run(shown)
    before = there(tmp_path)
    (tmp_path / "other").mkdir()
    other = replace(copied(first_two, tmp_path / "other"), extra=shown.extra)
    other.lake.id.unlink(missing_ok=True)
    result = run(other)
    assert "has the published files of another lake" in result.troubles[0].text
    assert (result.status.is_complete, result.is_complete) == (True, False)
    assert there(tmp_path) == before


def test_files_of_somebody_else_are_left_alone(shown: Desk, rclone: None, tmp_path: Path) -> None:
    (tmp_path / "readers" / "index.html").write_text("mine")
    assert "has files that are not of a lake" in run(shown).troubles[0].text
    assert names_in(tmp_path / "readers") == {"index.html"}


def test_cut_before_any_command_the_next_one_completes_it(shown: Desk, standin: StandIn, tmp_path: Path) -> None:
    run(shown)
    for at in range(1, 8):
        shutil.copy(shown.lake.latest_tables, shown.lake.published_folder / "again.json")
        (shown.lake.dashboard).write_text(f"page {at}")
        (tmp_path / "readers" / "tables" / f"old-{at}").write_text("gone here")
        shown.lake.readers_state.unlink()
        standin.forget()
        standin.fail("any", "signal: killed", at)
        with shown.lake.lock():
            try:
                put_for_readers(shown.lake, shown.settings)
            except BackupError:
                pass
            else:
                assert at > 6
            standin.work()
            put_for_readers(shown.lake, shown.settings)
        (shown.lake.published_folder / "again.json").unlink()
        assert there(tmp_path) == published(shown)


def test_what_shows_secrets_is_not_put(shown: Desk, standin: StandIn, tmp_path: Path) -> None:
    extra = shown.extra.replace("[dashboard]\nenabled = true\n", "[warehouse]\nexpose_secrets = true\n")
    assert run(replace(shown, extra=extra)).troubles == ()
    assert names_in(tmp_path / "readers") <= {"backup.json"}
