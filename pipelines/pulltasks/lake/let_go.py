"""What a lake let go of on purpose, until its mirror has too: raw files of days, captures of forgotten days.

Lives here: the record, its form and its place.
Does not live here: letting go (compaction), what the mirror does about it (mirror.retention).
"""

from __future__ import annotations

from datetime import date  # noqa: TC003 - msgspec reads the annotations
from typing import TYPE_CHECKING

import msgspec

from pulltasks.errors import LakeError, NotReadable
from pulltasks.json_reading import decode_file

if TYPE_CHECKING:
    from collections.abc import Collection

    from pulltasks.lake.lake import Lake


class LetGo(msgspec.Struct, frozen=True, kw_only=True):
    """Days whose raw files `compact` removed; days that `forget` took out, with the identifiers of their captures."""

    raw_days: list[date] = []
    forgotten: dict[date, list[str]] = {}

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing that a mirror would have to do."""
        return not self.raw_days and not self.forgotten


def read_let_go(lake: Lake) -> LetGo:
    """The record.

    Raises:
        LakeError: when it cannot be read.
    """
    if not lake.let_go.is_file():
        return LetGo()
    try:
        return decode_file(lake.let_go.read_bytes(), LetGo)
    except (OSError, NotReadable) as error:
        raise LakeError(
            f"{lake.let_go}: cannot be read ({error}); remove it, and the raw files that were let go stay in the mirror"
        ) from None


def note_removed_raw(lake: Lake, days: Collection[date]) -> None:
    """Note days whose raw files are to be removed; before they are."""
    if days:
        known = read_let_go(lake)
        write_let_go(lake, msgspec.structs.replace(known, raw_days=sorted({*known.raw_days, *days})))


def note_forgotten(lake: Lake, day: date, captures: Collection[str]) -> None:
    """Note a day that is to be taken out, with its captures; before it is."""
    known = read_let_go(lake)
    captures = sorted({*known.forgotten.get(day, ()), *captures})
    write_let_go(lake, msgspec.structs.replace(known, forgotten={**known.forgotten, day: captures}))


def write_let_go(lake: Lake, record: LetGo) -> None:
    """Keep the record; an empty one is none."""
    if record.is_empty:
        lake.let_go.unlink(missing_ok=True)
        return
    with lake.writing(lake.let_go) as unfinished:
        unfinished.write_bytes(msgspec.json.encode(record))
