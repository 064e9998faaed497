"""The capture that a lake holds for a day: what is damaged or another's is moved aside, and the better one stays."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from desk import BEIJING, SMALL_DAYS, Desk, copied
from pulltasks.lake.raw import FORMAT, RawWriter, read_capture

DAY, NEXT = SMALL_DAYS[:2]
KEY = (BEIJING.project_id, BEIJING.region)


@pytest.fixture
def desk(two_days: Desk, tmp_path: Path) -> Desk:
    return copied(two_days, tmp_path)


@pytest.fixture
def raw(desk: Desk) -> Path:
    return desk.lake.raw_file(DAY, *KEY)


@pytest.mark.parametrize("ending", ["damaged", "stray"])
def test_what_cannot_count_is_moved_aside_and_captured_again(desk: Desk, raw: Path, ending: str) -> None:
    content = b"oops" if ending == "damaged" else desk.lake.raw_file(NEXT, *KEY).read_bytes()
    raw.write_bytes(content)
    one, two = desk.capture(DAY)
    assert (one.target.key, one.is_new, one.verdict, two.is_new) == (KEY, True, "complete", False)
    assert read_capture(raw).capture.snapshot_date == DAY
    assert raw.with_name(f"{raw.name}.{ending}").read_bytes() == content


def test_a_file_that_may_not_be_read_is_no_damaged_one(desk: Desk, raw: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content, opened = raw.read_bytes(), Path.open

    def refused(self: Path, *arguments: object, **named: object):
        if self == raw:
            raise PermissionError(13, "Permission denied", str(self))
        return opened(self, *arguments, **named)

    with monkeypatch.context() as patch:  # the user who runs the tests may be allowed to read everything
        patch.setattr(Path, "open", refused)
        bad, good = desk.capture(DAY)
    assert (bad.verdict, good.verdict) == ("failed", "complete")
    assert "this user may not read it" in bad.message
    assert raw.read_bytes() == content
    assert [path.name for path in raw.parent.iterdir()] == [raw.name]


def test_a_file_of_a_later_version_is_left_alone(desk: Desk, raw: Path) -> None:
    found = read_capture(raw)
    RawWriter(raw, msgspec.structs.replace(found.capture, format=FORMAT + 1)).close(found.verdict)
    content = raw.read_bytes()
    bad, good = desk.capture(DAY)
    assert (bad.verdict, good.verdict) == ("failed", "complete")
    assert "written by a newer pulltasks" in bad.message
    assert (raw.read_bytes(), [path.name for path in raw.parent.iterdir()]) == (content, [raw.name])


@pytest.mark.parametrize("worse", ["empty_object", "forbidden"])
def test_a_worse_capture_never_replaces_a_better_one(desk: Desk, raw: Path, worse: str) -> None:
    faults = desk.sandbox.faults
    before = raw.read_bytes()
    faults[BEIJING.project_id, None] = worse
    assert desk.capture(DAY, refresh=True)[0].verdict in {"incomplete", "failed"}
    assert raw.read_bytes() == before
    raw.unlink()
    for fault, verdict in (("forbidden", "failed"), ("empty_object", "incomplete"), ("forbidden", "incomplete")):
        faults[BEIJING.project_id, None] = fault
        desk.capture(DAY)
        assert read_capture(raw).verdict.verdict == verdict
    faults.clear()
    desk.capture(DAY)
    assert read_capture(raw).verdict.verdict == "complete"
