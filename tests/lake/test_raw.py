"""The archive gives back what it was given."""

from __future__ import annotations

import random
import time
from datetime import UTC, date, datetime
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest

from pulltasks.errors import LakeError, NewerForm, RemovedForm
from pulltasks.lake import raw
from pulltasks.lake.raw import (
    AnswerLine,
    CaptureLine,
    RawWriter,
    TargetLine,
    VerdictLine,
    body_fields,
    read_capture,
    read_capture_id,
)

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
    found = read_capture(tmp_path / "raw")
    assert (found.capture, found.answers, found.verdict) == (HEAD, lines, END)
    assert [answer.content for answer in found.answers] == BODIES


def test_the_ends_can_be_read_without_the_answers(tmp_path: Path) -> None:
    write(tmp_path / "raw")
    found = read_capture(tmp_path / "raw", with_answers=False)
    assert (found.capture, found.answers, found.verdict) == (HEAD, [], END)


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


def test_of_400_flipped_bits_none_changes_what_is_read_unnoticed(tmp_path: Path) -> None:
    path = tmp_path / "raw"
    write(path)
    whole, content, dice = read_capture(path), path.read_bytes(), random.Random(1)
    noticed = 0
    for place in dice.sample(range(8 * len(content)), 400):
        flipped = bytearray(content)
        flipped[place // 8] ^= 1 << place % 8
        path.write_bytes(flipped)
        try:
            assert read_capture(path) == whole, place
        except LakeError:
            noticed += 1
    assert noticed > 300


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'"verdict":"complete"', b'"verdict":"failed"'),
        (b'"requests":0', b'"requests":1'),
        (b'"capture_id":"c"', b'"capture_id":"d"'),
        (b'"status":200', b'"status":404'),
        (b',"sha256":"', b',"sha250":"'),
    ],
)
def test_a_word_that_was_changed_is_noticed(tmp_path: Path, before: bytes, after: bytes) -> None:
    path = tmp_path / "raw"
    write(path)
    with pa.CompressedInputStream(str(path), "zstd") as stream:
        content = stream.read()
    assert content.count(before)
    with pa.CompressedOutputStream(str(path), "zstd") as stream:
        stream.write(content.replace(before, after))
    for with_answers in (True, False):
        with pytest.raises(LakeError, match="checksum"):
            read_capture(path, with_answers=with_answers)


@pytest.mark.parametrize("with_answers", [True, False])
def test_a_file_of_a_removed_format_is_refused_by_its_name_and_what_to_do(tmp_path: Path, with_answers: bool) -> None:
    path = tmp_path / "raw"
    lines = [msgspec.structs.replace(HEAD, format=1), END]
    with pa.CompressedOutputStream(str(path), "zstd") as stream:
        stream.write(b"".join(msgspec.json.encode(line) + b"\n" for line in lines))
    with pytest.raises(RemovedForm, match=f"^{path}: has raw format 1, and this pulltasks reads format 2. Nothing"):
        read_capture(path, with_answers=with_answers)


def test_a_file_of_a_later_version_is_refused(tmp_path: Path) -> None:
    RawWriter(tmp_path / "raw", msgspec.structs.replace(HEAD, format=3)).close(END)
    with pytest.raises(NewerForm, match="install that version again"):
        read_capture(tmp_path / "raw")


def test_a_long_line_is_put_together_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice the length is twice the work: each block is looked at once, whatever it belongs to."""
    monkeypatch.setattr(raw, "_BLOCK_BYTES", 1000)
    seconds = []
    for size in (4_000_000, 16_000_000):
        path = tmp_path / str(size)
        writer = RawWriter(path, HEAD)
        writer.answer(AnswerLine(sequence=0, sent_at=NOON, received_at=NOON, status=200, body="x" * size))
        writer.close(END)
        begin = time.process_time()
        assert len(read_capture(path).answers[0].content) == size
        seconds.append(time.process_time() - begin)
    assert seconds[1] < 10 * seconds[0]  # quadratic would be 16


def test_the_capture_is_told_by_the_first_line_alone(tmp_path: Path) -> None:
    path = tmp_path / "raw"
    write(path)
    assert read_capture_id(path) == "c"
    path.write_bytes(path.read_bytes()[:-100])
    assert read_capture_id(path) == "c"
    for content in (b"", b"oops"):
        path.write_bytes(content)
        assert read_capture_id(path) is None
    assert read_capture_id(tmp_path / "none") is None
