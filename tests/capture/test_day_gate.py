"""Nothing is written under a date before a service confirms it, or none says anything of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulltasks.capture.day_gate import DayGate
from pulltasks.errors import ClockDisagrees


class Archive:
    """What was written, in order."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.written = folder, []
        self.gate = DayGate(lambda: self.written.append("targets"))

    def keep(self, name: str) -> None:
        unfinished = self.folder / name
        unfinished.touch()
        self.gate.keep(unfinished, lambda: self.written.append(name))

    @property
    def unfinished(self) -> list[Path]:
        return [*self.folder.iterdir()]


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    return Archive(tmp_path)


def test_the_first_confirmation_releases_what_waits_and_all_that_follows(archive: Archive) -> None:
    archive.keep("a")
    assert archive.written == []
    archive.gate.open()
    archive.gate.open()
    archive.keep("b")
    archive.gate.end(["another service gave another day"])
    assert (archive.written, archive.unfinished) == (["targets", "a", "b"], [])


def test_where_none_says_anything_the_end_releases_it(archive: Archive) -> None:
    archive.keep("a")
    archive.gate.end([])
    assert (archive.written, archive.unfinished) == (["targets", "a"], [])


def test_where_some_give_another_day_and_none_this_one_nothing_is_kept(archive: Archive) -> None:
    archive.keep("a")
    with pytest.raises(ClockDisagrees, match="it is yesterday"):
        archive.gate.end(["it is yesterday", "it is tomorrow"])
    assert (archive.written, archive.unfinished) == ([], [])
