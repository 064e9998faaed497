"""Raw files as another day, another target or another capture would have written them."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import msgspec

from pulltasks.lake.raw import RawWriter, read_capture, read_targets

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from pulltasks.lake.lake import Lake


def rewritten(
    source: Path, to: Path, *, day: date | None = None, capture_id: str | None = None, **target: object
) -> Path:
    """A whole capture with another header, and the checksum of that."""
    found = read_capture(source)
    line = msgspec.structs.replace(
        found.capture,
        target=msgspec.structs.replace(found.capture.target, **target),
        snapshot_date=day or found.capture.snapshot_date,
        capture_id=capture_id or found.capture.capture_id,
    )
    to.parent.mkdir(parents=True, exist_ok=True)
    writer = RawWriter(to, line)
    for answer in found.answers:
        writer.answer(answer)
    writer.close(found.verdict)
    return to


def day_moved(lake: Lake, day: date, to: date) -> None:
    """The raw files of a day as a run on another one would have written them."""
    for path in lake.raw_files(day):
        rewritten(path, lake.raw_file(to, *lake.target_of(path)), day=to)
    targets = msgspec.structs.replace(read_targets(lake.targets_file(day)), snapshot_date=to)
    lake.targets_file(to).write_bytes(msgspec.json.encode(targets))


def copy(source: Path, to: Path) -> Path:
    """Copy a raw file to another place; return that place."""
    to.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, to)
    return to
