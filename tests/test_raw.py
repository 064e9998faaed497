"""The archive gives back what it was given."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from pipelines.errors import LakeError
from pipelines.raw import AnswerLine, CaptureLine, RawWriter, TargetLine, VerdictLine, body_fields, read_capture

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
TARGET = TargetLine(project_id="p", region="r", name=None, endpoint="e", query_region="r")
HEAD = CaptureLine(
    target=TARGET,
    snapshot_date=date(2026, 11, 22),
    timezone="UTC",
    capture_id="c",
    software_version="0",
    started_at=NOON,
)
END = VerdictLine(verdict="complete", finished_at=NOON)
BODIES = [b'{"a": "\xc3\xa9\\n"}', b"", b"\xff\xfe not text", b"<html>\n</html>", b"x" * 3_000_000]


def write(path: Path, verdict: VerdictLine | None = END) -> list[AnswerLine]:
    lines = []
    writer = RawWriter(path, HEAD)
    for n, content in enumerate(BODIES):
        text, coded = body_fields(content)
        line = AnswerLine(
            sequence=n,
            sweep=1,
            offset=n,
            limit=1,
            sent_at=NOON,
            received_at=NOON,
            status=200,
            body=text,
            body_base64=coded,
        )
        writer.answer(line)
        lines.append(line)
    writer.close(verdict)
    return lines


def test_every_body_comes_back_to_the_byte(tmp_path: Path) -> None:
    lines = write(tmp_path / "raw")
    raw = read_capture(tmp_path / "raw")
    assert (raw.capture, raw.answers, raw.verdict) == (HEAD, lines, END)
    assert [answer.content for answer in raw.answers] == BODIES


def test_the_ends_can_be_read_without_the_answers(tmp_path: Path) -> None:
    write(tmp_path / "raw")
    raw = read_capture(tmp_path / "raw", with_answers=False)
    assert (raw.capture, raw.answers, raw.verdict) == (HEAD, [], END)


def test_the_same_lines_give_the_same_bytes(tmp_path: Path) -> None:
    write(tmp_path / "a")
    write(tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_file_without_its_verdict_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "raw", verdict=None)
    with pytest.raises(LakeError, match="its last line has no checksum"):
        read_capture(tmp_path / "raw")


def test_a_torn_file_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "raw")
    (tmp_path / "raw").write_bytes((tmp_path / "raw").read_bytes()[:-20])
    with pytest.raises(LakeError, match="cannot be read as a raw capture"):
        read_capture(tmp_path / "raw")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match="cannot be read"):
        read_capture(tmp_path / "none")
