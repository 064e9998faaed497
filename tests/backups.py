"""What the tests of the backup share: rclone or what stands in for it, lakes with a backup, comparing two lakes."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from desk import DAYS, Desk, copied
from pulltasks.backup.backup import Backup, Done
from pulltasks.backup.files import files_of
from pulltasks.backup.restore import Restored, restore
from pulltasks.errors import reraise
from pulltasks.lake.lake import Lake


@dataclass
class StandIn:
    """What stands in for rclone, and what it was told."""

    folder: Path

    @property
    def calls(self) -> list[dict]:
        log = self.folder / "log.ndjson"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []

    @property
    def commands(self) -> list[str]:
        return [call["argv"][0] for call in self.calls]

    def forget(self) -> None:
        (self.folder / "log.ndjson").unlink(missing_ok=True)

    def fail(self, command: str, what: str | float, number: int = 0) -> None:
        """Let the number-th call of a command fail with a text, or wait for so many seconds; 0 is every one."""
        (self.folder / "faults.json").write_text(json.dumps([[command, what, number]]))

    def work(self) -> None:
        (self.folder / "faults.json").unlink(missing_ok=True)


@pytest.fixture
def standin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StandIn:
    folder = tmp_path / "bin"
    folder.mkdir()
    program = folder / "rclone"
    text = Path(__file__).with_name("standin_rclone.py").read_text(encoding="utf-8")
    program.write_text(f"#!{sys.executable} -SI\n{text}", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return StandIn(folder)


@pytest.fixture(params=["stand-in", pytest.param("rclone", marks=pytest.mark.backup)])
def rclone(request: pytest.FixtureRequest) -> None:
    """The law holds with what stands in for rclone, and with rclone itself (`make test-backup`)."""
    if request.param == "stand-in":
        request.getfixturevalue("standin")
    else:
        assert shutil.which("rclone"), "rclone is not installed; Debian: apt-get install rclone"


@pytest.fixture(scope="session")
def first_two(made_once) -> Iterator[Desk]:
    with made_once(*DAYS[:2]) as desk:
        yield desk


@pytest.fixture
def kept(first_two: Desk, tmp_path: Path) -> Desk:
    """A lake of two days whose backup is a folder beside it, empty so far."""
    return with_backup(copied(first_two, tmp_path), tmp_path / "place")


def with_backup(desk: Desk, place: Path) -> Desk:
    place.mkdir(exist_ok=True)
    return replace(desk, extra=f'[backup]\nurl = "{place}"\n')


def backed_up(desk: Desk, **options: bool) -> Done:
    with desk.lake.lock():
        return Backup(desk.lake, desk.settings, desk.clock.now, desk.clock.new_id).put(**options)


def brought_back(desk: Desk, folder: Path, replaced: str | None = None) -> tuple[Lake, Restored]:
    lake = Lake(folder)
    lake.prepare()
    with lake.lock():
        return lake, restore(lake, desk.settings, reraise, replaced=replaced)


def contents_of(lake: Lake) -> dict[str, bytes]:
    """The bytes of every file that belongs into a backup."""
    return {name: (lake.root / name).read_bytes() for name in files_of(lake)}


def names_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
