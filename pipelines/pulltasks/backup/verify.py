"""Verification of a lake and its backup.

Lives here: comparing both; damaged files are recorded for the next backup.
Does not live here: repairs (backup, restore).
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
    """The result of verifying a backup.

    Attributes:
        files: number of files compared.
        waiting: number of files that are newer than the last good backup, which are not compared.
        made_at: end of the last good backup, or None.
        through: the newest day with tables in that backup.
        troubles: one line per file that is missing there or differs.
    """

    files: int
    waiting: int
    made_at: datetime | None
    through: date | None
    troubles: tuple[str, ...]


def verify_lake(lake: Lake) -> list[str]:
    """Return one line per trouble with the lake's own files."""
    found = list(damaged_files(lake).values())
    if lake.builds() and not lake.redaction_key.is_file():
        found.append(f"{lake.redaction_key}: is missing; restore it from the backup")
    return found


def verify_backup(lake: Lake, settings: Settings, *, read_data: bool) -> Verified:
    """Compare the place with the lake, by size and checksum or by reading every file there.

    Args:
        lake: the lake; the caller holds its lock.
        settings: the configuration of the backup.
        read_data: read all files there.

    Raises:
        BackupError: when the place cannot be read, or has no backup.
    """
    there = rclone_for(settings, settings.backup, "backup")
    owner = read_owner(there)
    if owner is None:
        raise BackupError(f"{there.place}: holds no backup of a lake; `pulltasks lake backup` creates the first one")
    state, files = read_state(lake.backup_state, there.place), files_of(lake)
    put = {name: files[name] for name in files if state.files.get(name) == files[name]}
    if read_data:
        wrong = there.differing(lake.root, FILES, put)
        # A store may still report the checksum of the original file. Without a record, the next backup copies these.
        left = {name: stat for name, stat in state.files.items() if name not in wrong}
        write_state(lake, lake.backup_state, msgspec.structs.replace(state, files=left))
    else:
        wrong = dict.fromkeys(differing(lake.root, put, there.files(FILES)), "is missing there or differs")
    waiting = [name for name in files if name not in put and not JOURNALS.fullmatch(name)]
    advice = "`pulltasks lake backup --full` copies it again"
    troubles = [f"{name}: {text}; {advice}" for name, text in sorted(wrong.items())]
    return Verified(len(put), len(waiting), owner.made_at, owner.through, tuple(troubles))
