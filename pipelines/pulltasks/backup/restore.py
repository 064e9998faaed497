"""Restoring a lake from its backup, in its last state or in the state before some backup.

Lives here: the source of each file, rebuilding files that do not fit their manifest.
Does not live here: making a backup (backup), the format of manifests (lake.manifests).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from pulltasks.backup.backup import ADDED
from pulltasks.backup.files import damaged_files
from pulltasks.backup.rclone import rclone_for
from pulltasks.backup.state import FILES, REPLACED, State, read_owner, write_state
from pulltasks.errors import BackupError, LakeError
from pulltasks.lake.audit import repair_manifests
from pulltasks.lake.compaction import damaged_months, discard_damaged_month
from pulltasks.lake.files import PUBLIC_FILE, PUBLIC_FOLDER
from pulltasks.lake.manifests import read_if_valid
from pulltasks.lake.normalise import normalise_days

if TYPE_CHECKING:
    from pulltasks.backup.rclone import Rclone
    from pulltasks.errors import Reporter
    from pulltasks.lake.lake import Lake
    from pulltasks.settings import Settings


_DAY = re.compile(r"snapshot_date=(\d{4}-\d\d-\d\d)")


@dataclass(frozen=True)
class Restored:
    """The result of a restore.

    Attributes:
        files: number of files.
        days: number of days that have tables now.
        rebuilt: days whose tables were damaged or missing, and were rebuilt from raw files.
        troubles: one line per file that is damaged or missing for good.
    """

    files: int
    days: int
    rebuilt: tuple[date, ...]
    troubles: tuple[str, ...]


def restore(lake: Lake, settings: Settings, report: Reporter, *, replaced: str | None = None) -> Restored:
    """Restore a lake into an empty root; called again after an interruption, it continues.

    Args:
        lake: the new lake; the caller holds its lock.
        settings: the configuration of the backup.
        report: receives an unexpected error while a day is rebuilt.
        replaced: the name of a folder in `replaced/`: the state before that backup is restored; None for the last one.

    Raises:
        LakeError: when the root is not empty.
        BackupError: when the place cannot be read, or has no backup.
    """
    there = rclone_for(settings, settings.backup, "backup")
    if not lake.restoring.is_file() and not _is_empty(lake):
        raise LakeError(f"{lake.root}: is not empty; name an empty folder: pulltasks lake restore --into FOLDER")
    owner = read_owner(there)
    if owner is None:
        raise BackupError(f"{there.place}: holds no backup of a lake; correct the bucket and the prefix")
    # The marker makes every run refuse the lake until the restore has ended.
    with lake.writing(lake.restoring) as unfinished:
        unfinished.touch()
    sources = _sources(there, replaced)
    for folder in sorted(set(sources.values())):
        names = [name for name, source in sources.items() if source == folder]
        there.fetch(folder, lake.root, names if replaced else None)
    _open_to_readers(lake)
    rebuilt, troubles = _fix(lake, report)
    # The next backup continues from that one, and compares everything.
    write_state(lake, lake.backup_state, State(place=settings.backup.place, last=owner.backup))
    lake.restoring.unlink()
    return Restored(len(sources), len(lake.tidy_dates()), rebuilt, troubles)


def _is_empty(lake: Lake) -> bool:
    return not any(path.is_file() and path.name != ".lock" for path in lake.root.rglob("*"))


def _sources(there: Rclone, replaced: str | None) -> dict[str, str]:
    """Return `name -> folder there` of each file; backups are undone one by one, the newest first.

    Raises:
        BackupError: when there is no such time.
    """
    found = dict.fromkeys(there.files(FILES), FILES)
    if replaced is None:
        return found
    times = there.folders(REPLACED)
    if replaced not in times:
        known = f"there are {', '.join(times[-5:])}" if times else "nothing was replaced yet"
        raise BackupError(f"{there.place}: nothing was replaced at {replaced!r}; {known}")
    for time in reversed(times[times.index(replaced) :]):
        folder = f"{REPLACED}/{time}"
        found |= dict.fromkeys(there.files(folder), folder)
        for name in (there.read(f"{folder}/{ADDED}") or b"").decode(errors="surrogateescape").splitlines():
            found.pop(name, None)
    return {name: source for name, source in found.items() if name != ADDED}


def _open_to_readers(lake: Lake) -> None:
    """Make published files readable for everybody; all others were restored as private."""
    lake.root.chmod(PUBLIC_FOLDER)
    lake.warehouse.chmod(PUBLIC_FOLDER)
    for path in (*lake.builds(), lake.dashboard):
        if path.is_file():
            path.chmod(PUBLIC_FILE)
    if builds := lake.builds():
        lake.link(builds[-1].name, lake.published)


def _fix(lake: Lake, report: Reporter) -> tuple[tuple[date, ...], tuple[str, ...]]:
    """Rebuild tables that differ from their manifest, where there are raw files.

    Returns:
        The days that were rebuilt, and one line per trouble that is left.
    """
    repair_manifests(lake)
    damaged = damaged_files(lake)
    raw = [text for name, text in damaged.items() if name.startswith("raw/")]
    without = {day for day in lake.raw_dates() if read_if_valid(lake.manifest_file(day)) is None}
    days = {*without, *(date.fromisoformat(found[1]) for name in damaged if (found := _DAY.search(name)))}
    troubles = []
    for month in damaged_months(lake, lake.compacted_months()):
        try:
            days |= set(discard_damaged_month(lake, month))
        except LakeError as error:
            troubles.append(str(error))
    made = list(normalise_days(lake, sorted(days & set(lake.raw_dates())), report))
    left = [text for name, text in damaged_files(lake).items() if not name.startswith("raw/")]
    return tuple(each.day for each in made if each.manifest), (*raw, *troubles, *left)
