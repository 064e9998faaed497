"""The raw archive: one file per capture with every answer as it was received.

Lives here: the lines of the file, writing and reading them, the day's target list.
Does not live here: paths (lake), the meaning of answers (huawei, normalise).
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections import deque
from datetime import date, datetime  # noqa: TC003 - msgspec reads the annotations
from itertools import islice
from typing import TYPE_CHECKING, Literal, cast

import msgspec

from pulltasks.errors import LakeError, NewerForm, NotReadable, RemovedForm
from pulltasks.json_reading import decode_file
from pulltasks.lazily import pa
from pulltasks.names import target_label

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

# The last line ends with the SHA-256 of everything before it, so that a file that was cut off is noticed.
FORMAT = 2
_CHECKSUM = re.compile(rb'(?s)(.*),"sha256":"([0-9a-f]{64})"}')
_BLOCK_BYTES = 1 << 16

Verdict = Literal["complete", "incomplete", "failed"]


class TargetLine(msgspec.Struct, frozen=True, kw_only=True):
    """A target as it was configured.

    The rules for counting dates (`timezone`) and for holding a listing (`max_drop_ratio`, `drop_accepted`,
    `accepted_task_ids`) are part of the archive, so that the day's tables do not depend on later settings.
    `drop_accepted` accepts every task that the day's listing lacks; `accepted_task_ids` are the tasks that an earlier
    listing of the day lacked when it was accepted.
    """

    project_id: str
    region: str
    name: str | None
    endpoint: str
    query_region: str
    timezone: str | None = None
    max_drop_ratio: float | None = None
    drop_accepted: bool = False
    accepted_task_ids: list[str] = []

    @property
    def key(self) -> tuple[str, str]:
        """`(project_id, region)`."""
        return (self.project_id, self.region)

    @property
    def label(self) -> str:
        """The name of the target in messages."""
        return target_label(self.project_id, self.region, self.name)


class TargetList(msgspec.Struct, frozen=True, kw_only=True):
    """The targets to list on a day, in order of project and region."""

    snapshot_date: date
    timezone: str
    software_version: str
    targets: list[TargetLine]


class CaptureLine(msgspec.Struct, frozen=True, kw_only=True, tag_field="line", tag="capture"):
    """First line of a file: the target, the day and the version that captured it."""

    format: int = FORMAT
    target: TargetLine
    snapshot_date: date
    timezone: str
    capture_id: str
    software_version: str
    started_at: datetime


class AnswerLine(msgspec.Struct, frozen=True, kw_only=True, tag_field="line", tag="answer", omit_defaults=True):
    """One answer, in the order of arrival; `body_base64` holds a body that is not UTF-8 text.

    `old_encoding` is the encoding that the answer named, where that name is outdated.
    """

    sequence: int
    sweep: int | None = None
    offset: int | None = None
    limit: int | None = None
    task_id: str | None = None
    sent_at: datetime
    received_at: datetime
    status: int
    request_id: str | None = None
    date: str | None = None
    body: str | None = None
    body_base64: str | None = None
    old_encoding: str | None = None

    @property
    def content(self) -> bytes:
        """The body as received."""
        readable = self.readable
        return readable if isinstance(readable, bytes) else readable.encode()

    @property
    def size(self) -> int:
        """Bytes of the body as received, decompressed."""
        readable = self.readable
        return len(readable if isinstance(readable, bytes) or readable.isascii() else readable.encode())

    @property
    def readable(self) -> str | bytes:
        """The body for a JSON decoder: text where it is text, which saves encoding it first; else bytes."""
        return base64.b64decode(self.body_base64) if self.body_base64 is not None else self.body or ""


class VerdictLine(msgspec.Struct, frozen=True, kw_only=True, tag_field="line", tag="verdict"):
    """Last line of a file: the verdict and the cost of the capture.

    `counted_sweep` is the sweep whose answers are the listing of a complete capture. `gone`, `unlisted` and
    `unchecked` are the tasks of the previous capture that it lacks, by the service's answer when they were asked for
    by id; `asked_count` of them were asked for. `error_message` has words of this program only, `service_message`
    those of the service. A line without a `service_message` is of an earlier version, whose `error_message` quotes the
    service. `task_ids_sha256` is the hash of the tasks of a complete capture (`ids_sha256`).
    """

    verdict: Verdict
    proof: str | None = None
    verdict_reason: str | None = None
    evidence: str | None = None
    drift_repairs: int = 0
    offset_unit: str = "unknown"
    order_witness: str = "assumed"
    error_code: str | None = None
    error_message: str | None = None
    service_message: str | None = None
    counted_sweep: int | None = None
    task_count: int = 0
    task_ids_sha256: str | None = None
    total_first: int | None = None
    total_last: int | None = None
    sweeps: int = 0
    requests: int = 0
    retries: int = 0
    first_request_id: str | None = None
    last_request_id: str | None = None
    clock_skew_seconds: int | None = None
    gone: list[str] = []
    unlisted: list[str] = []
    unchecked: list[str] = []
    asked_count: int | None = None
    finished_at: datetime


def ids_sha256(ids: Sequence[str]) -> str:
    """Return the SHA-256, in hex, of task ids, which must be sorted."""
    return hashlib.sha256(msgspec.json.encode(ids)).hexdigest()


def body_fields(content: bytes) -> tuple[str | None, str | None]:
    """Return a body as `(body, body_base64)`: text where it is UTF-8, else base64; the other is None."""
    try:
        return content.decode(), None
    except UnicodeDecodeError:
        return None, base64.b64encode(content).decode()


class RawWriter:
    """Writes the lines of one capture to a compressed file."""

    def __init__(self, path: Path, capture: CaptureLine) -> None:
        self._stream = pa.CompressedOutputStream(str(path), "zstd")
        self._encode = msgspec.json.Encoder().encode
        self._hash = hashlib.sha256()
        self.capture = capture
        self._write(capture)

    def answer(self, line: AnswerLine) -> None:
        """Write one answer."""
        self._write(line)

    def close(self, verdict: VerdictLine | None = None) -> None:
        """Close the file; without a verdict it is not valid and must be removed."""
        if verdict is not None:
            # the checksum covers all lines, this last one included
            self._hash.update(last := self._encode(verdict).removesuffix(b"}"))
            self._stream.write(last + b',"sha256":"' + self._hash.hexdigest().encode() + b'"}\n')
        self._stream.close()

    def _write(self, line: msgspec.Struct) -> None:
        content = self._encode(line) + b"\n"
        self._hash.update(content)
        self._stream.write(content)


class RawCapture(msgspec.Struct, frozen=True):
    """The content of one raw file; its answers may be iterated over more than once."""

    capture: CaptureLine
    answers: Iterable[AnswerLine]
    verdict: VerdictLine


def rank(verdict: VerdictLine, capture: CaptureLine) -> tuple[int, datetime]:
    """Return the rank of a capture: of two captures of a target on one day the one with the higher rank counts.

    The better verdict wins; of two equal ones the later.
    """
    return (("failed", "incomplete", "complete").index(verdict.verdict), capture.started_at)


def read_capture(path: Path, *, with_answers: bool = True) -> RawCapture:
    """Read and check one file; `with_answers=False` checks it and leaves the answers out, which saves memory.

    Raises:
        LakeError: when the file is missing, damaged or has no verdict, or is of another format.
    """
    decode = msgspec.json.Decoder(CaptureLine | AnswerLine | VerdictLine).decode
    try:
        first, *between, last = _checked_lines(path) if with_answers else _ends(_checked_lines(path))
        capture, verdict = decode(first), decode(last)
        answers = [decode(line) for line in between]
    except (OSError, ValueError, RecursionError, NotReadable, msgspec.DecodeError) as error:
        raise LakeError(f"{path}: cannot be read as a raw capture ({error}); restore it from a backup") from None
    if not isinstance(capture, CaptureLine) or not isinstance(verdict, VerdictLine):
        raise LakeError(
            f"{path}: is not a raw capture: its first or its last line is missing; restore it from a backup"
        )
    return RawCapture(capture, cast("list[AnswerLine]", answers), verdict)


def stream_capture(path: Path) -> RawCapture:
    """Read one file like `read_capture`, but decode its answers one at a time, at each iteration over them.

    Raises:
        LakeError: when the file is missing, damaged or has no verdict.
    """
    return msgspec.structs.replace(read_capture(path, with_answers=False), answers=_AnswersOf(path))


class _AnswersOf:
    """The answers of a checked file; only one at a time is in memory."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __iter__(self) -> Iterator[AnswerLine]:
        decode = msgspec.json.Decoder(CaptureLine | AnswerLine | VerdictLine).decode
        try:
            for line in _lines(self._path):
                content = decode(line)
                if isinstance(content, AnswerLine):
                    yield content
        except (OSError, ValueError, msgspec.DecodeError) as error:
            raise LakeError(
                f"{self._path}: cannot be read as a raw capture ({error}); restore it from a backup"
            ) from None


def read_header(path: Path) -> CaptureLine | None:
    """Return the first line of a file, without reading the rest; None when it cannot be read."""
    try:
        with pa.CompressedInputStream(str(path), "zstd") as stream:
            line, end, _ = stream.read(_BLOCK_BYTES).partition(b"\n")
        return decode_file(line, CaptureLine) if end else None
    except (OSError, ValueError, NotReadable):
        return None


def read_capture_id(path: Path) -> str | None:
    """Return the identifier of a file's capture, from its first line only; None when it cannot be read."""
    header = read_header(path)
    return header.capture_id if header else None


def _ends(lines: Iterator[bytes]) -> list[bytes]:
    """Return the first and the last line, without holding those in between."""
    return [*islice(lines, 1), *deque(lines, maxlen=1)]


class _Format(msgspec.Struct):
    format: int


def refuse_other_format(path: Path, number: int) -> None:
    """Refuse a file of an older or a newer format than this version reads.

    Raises:
        RemovedForm, NewerForm: with what to do.
    """
    if number < FORMAT:
        raise RemovedForm(path, f"raw format {number}", f"format {FORMAT}")
    if number > FORMAT:
        raise NewerForm(f"{path}: written by a newer pulltasks (format {number}); install that version again")


def _checked_lines(path: Path) -> Iterator[bytes]:
    """Yield the lines of a file; the last one only if its checksum matches the lines before it.

    Raises:
        ValueError: when the checksum does not match or is missing.
        RemovedForm, NewerForm: when the file is of a format that this version does not read.
    """
    hashed = hashlib.sha256()
    lines = _lines(path)
    line = next(lines, b"")
    refuse_other_format(path, decode_file(line, _Format).format)
    # one line behind: the last line is known only when none follows, and its checksum must not hash itself
    for following in lines:
        hashed.update(line)
        hashed.update(b"\n")
        yield line
        line = following
    checksum = _CHECKSUM.fullmatch(line)
    if not checksum:
        raise ValueError("its last line has no checksum")
    hashed.update(checksum[1])
    if hashed.hexdigest().encode() != checksum[2]:
        raise ValueError("its checksum does not fit")
    yield line


def _lines(path: Path) -> Iterator[bytes]:
    """Yield the complete lines of a file, in time that is linear in its length, however long a line is."""
    with pa.CompressedInputStream(str(path), "zstd") as stream:
        # joined once per line: appending each block to a growing line would copy it again and again
        pieces: list[bytes] = []
        while block := stream.read(_BLOCK_BYTES):
            first, *others = block.split(b"\n")
            pieces.append(first)
            for other in others:
                yield b"".join(pieces)
                pieces = [other]


def read_targets(path: Path) -> TargetList:
    """Read a day's target list.

    Raises:
        LakeError: when the file is missing or damaged.
    """
    try:
        return decode_file(path.read_bytes(), TargetList)
    except (OSError, NotReadable) as error:
        raise LakeError(f"{path}: cannot be read as a list of targets: {error}") from None
