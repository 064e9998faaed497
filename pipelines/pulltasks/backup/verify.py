"""Whether a lake and its backup are whole.

Lives here: comparing both; what is found damaged is noted for the next backup.
Does not live here: fixing (backup compares and puts again, restore).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from pulltasks.backup.backup import differing
from pulltasks.backup.files import JOURNALS, damaged_files, files_of
from pulltasks.backup.rclone import rclone_for
from pulltasks.backup.state import FILES, read_owner, read_state, write_state
from pulltasks.errors import BackupError

if TYPE_CHECKING:
    from datetime import date, datetime

    from pulltasks.lake.lake import Lake
    from pulltasks.settings import Settings


@dataclass(frozen=True)
class Verified:
    """What was found about a backup.

    Attributes:
        files: how many files were compared.
        waiting: how many are newer than the last good backup, and are not compared.
        made_at: when the last good one ended; None where there is none.
        through: the newest published day that it holds.
        troubles: what is missing there or differs, a line each.
    """

    files: int
    waiting: int
    made_at: datetime | None
    through: date | None
    troubles: tuple[str, ...]


def verify_lake(lake: Lake) -> list[str]:
    """Return what is wrong with the lake's own files, a line each."""
    found = list(damaged_files(lake).values())
    if lake.builds() and not lake.redaction_key.is_file():
        found.append(f"{lake.redaction_key}: is missing; restore it from the backup")
    return found


def verify_backup(lake: Lake, settings: Settings, *, read_data: bool) -> Verified:
    """Compare the place with the lake: by size and checksum, or by reading every file there.

    Args:
        lake: the caller holds its lock.
        settings: the backup.
        read_data: whether all files are read there.

    Raises:
        BackupError: when it cannot be read, or holds no backup.
    """
    there = rclone_for(settings, settings.backup, "backup")
    owner = read_owner(there)
    if owner is None:
        raise BackupError(f"{there.place}: holds no backup of a lake; `pulltasks lake backup` makes the first one")
    state, files = read_state(lake.backup_state, there.place), files_of(lake)
    put = {name: files[name] for name in files if state.files.get(name) == files[name]}
    if read_data:
        wrong = there.differing(lake.root, FILES, put)
        # a store may go on naming the checksum of what was put: the next backup puts these, whatever it says
        left = {name: stat for name, stat in state.files.items() if name not in wrong}
        write_state(lake, lake.backup_state, msgspec.structs.replace(state, files=left))
    else:
        wrong = dict.fromkeys(differing(lake.root, put, there.files(FILES)), "is missing there or differs")
    waiting = [name for name in files if name not in put and not JOURNALS.fullmatch(name)]
    troubles = [f"{name}: {text}; `pulltasks lake backup --full` puts it again" for name, text in sorted(wrong.items())]
    return Verified(len(put), len(waiting), owner.made_at, owner.through, tuple(troubles))
