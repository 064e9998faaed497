"""What a lake knows of its backup, and what the place says of whose it is.

Lives here: both records, their form, reading and writing them; the identifier of a lake.
Does not live here: what is done about them (backup, readers, restore).
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

# In the place, beside the folder with the lake's files and the one with what they replaced.
OWNER, FILES, REPLACED = "backup.json", "lake", "replaced"


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What a lake put, and where.

    Attributes:
        place: where.
        files: size and time of change of each file when it was put.
        last: identifier of the last good backup.
        pending: identifier of the one that began after it.
        good_at: when the last good one ended.
        full_at: when all files were compared.
        through: the newest published day that it holds.
    """

    place: str
    files: dict[str, tuple[int, int]] = {}
    last: str | None = None
    pending: str | None = None
    good_at: datetime | None = None
    full_at: datetime | None = None
    through: date | None = None


class Owner(msgspec.Struct, frozen=True, kw_only=True):
    """Whose place it is, and the last good backup there; None before the first."""

    lake_id: str
    backup: str | None = None
    made_at: datetime | None = None
    through: date | None = None


def lake_id(lake: Lake) -> str:
    """Return the lake's identifier, which is written where there is none; the caller holds the lock."""
    if not lake.id.is_file():
        with lake.writing(lake.id) as unfinished:
            unfinished.write_text(f"{uuid.uuid4()}\n", encoding="ascii")
    return lake.id.read_text(encoding="ascii", errors="replace").strip()


def read_state(path: Path, place: str) -> State:
    """Return what was put into a place; a record that is missing, damaged or of another place is an empty one."""
    try:
        state = decode_file(path.read_bytes(), State)
    except (OSError, NotReadable):
        return State(place=place)
    return state if state.place == place else State(place=place)


def write_state(lake: Lake, path: Path, state: State) -> None:
    """Write the record, whole or not at all."""
    with lake.writing(path) as unfinished:
        unfinished.write_bytes(msgspec.json.encode(state))


def read_owner(there: Rclone) -> Owner | None:
    """Return whose place it is; None where nobody has put anything there.

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
    """Say whose place it is."""
    there.write(OWNER, msgspec.json.encode(owner) + b"\n")
