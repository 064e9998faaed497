"""The lake's record of its backup, and the place's record of its owner.

Lives here: both records, reading and writing them; the identifier of a lake.
Does not live here: decisions that follow from them (backup, readers, restore).
"""

from __future__ import annotations

import uuid
from datetime import date, datetime  # noqa: TC003 - msgspec reads the annotations
from typing import TYPE_CHECKING

import msgspec

from pulltasks.errors import BackupError, NotReadable
from pulltasks.json_reading import decode_file

if TYPE_CHECKING:
    from pathlib import Path

    from pulltasks.backup.rclone import Rclone
    from pulltasks.lake.lake import Lake

# In the place: the record of the owner, the folder with the lake's files, the folder with files that they replaced.
OWNER, FILES, REPLACED = "backup.json", "lake", "replaced"


class State(msgspec.Struct, frozen=True, kw_only=True):
    """The lake's record of a backup.

    Attributes:
        place: the place of the backup.
        files: size in bytes and time of change in nanoseconds of each file when it was copied, by name.
        last: identifier of the last good backup.
        pending: identifier of a backup that began after it and has not ended.
        good_at: end of the last good backup.
        full_at: end of the last full comparison.
        through: the newest day with tables in the last good backup.
    """

    place: str
    files: dict[str, tuple[int, int]] = {}
    last: str | None = None
    pending: str | None = None
    good_at: datetime | None = None
    full_at: datetime | None = None
    through: date | None = None


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """The place's record: the identifier of its lake, and its last good backup, None before the first."""

    lake_id: str
    backup: str | None = None
    made_at: datetime | None = None
    through: date | None = None


def lake_id(lake: Lake) -> str:
    """Return the lake's identifier; it is created if there is none. The caller holds the lock."""
    if not lake.id.is_file():
        with lake.writing(lake.id) as unfinished:
            unfinished.write_text(f"{uuid.uuid4()}\n", encoding="ascii")
    return lake.id.read_text(encoding="ascii", errors="replace").strip()


def read_state(path: Path, place: str) -> State:
    """Return the record for a place; a record that is missing, damaged or about another place counts as empty."""
    try:
        state = decode_file(path.read_bytes(), State)
    except (OSError, NotReadable):
        return State(place=place)
    return state if state.place == place else State(place=place)


def write_state(lake: Lake, path: Path, state: State) -> None:
    """Write the record, completely or not at all."""
    with lake.writing(path) as unfinished:
        unfinished.write_bytes(msgspec.json.encode(state))


def read_owner(there: Rclone) -> Owner | None:
    """Return the owner of a place, or None if it has none.

    Raises:
        BackupError: when the record cannot be read.
    """
    content = there.read(OWNER)
    try:
        return decode_file(content, Owner) if content else None
    except NotReadable as error:
        raise BackupError(
            f"{there.place}: its {OWNER} cannot be read ({error}); remove that file if this is the place of this lake"
        ) from None


def write_owner(there: Rclone, owner: Owner) -> None:
    """Write the owner of a place."""
    there.write(OWNER, msgspec.json.encode(owner) + b"\n")
