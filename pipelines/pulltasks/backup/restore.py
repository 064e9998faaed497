"""A lake brought back from its backup, as it is there or as it was before something was replaced.

Lives here: which file comes from where, fixing what does not fit its manifest.
Does not live here: putting files (backup), what a manifest is (lake.manifests).
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
    """What came back.

    Attributes:
        files: how many.
        days: that have tables now.
        rebuilt: days whose tables were damaged or missing, and were made again of their raw files.
        troubles: what is damaged or missing for good, a line each.
    """

    files: int
    days: int
    rebuilt: tuple[date, ...]
    troubles: tuple[str, ...]


def restore(lake: Lake, settings: Settings, report: Reporter, *, replaced: str | None = None) -> Restored:
    """Bring a lake back into an empty root; called again after a cut it continues.

    Args:
        lake: where to; the caller holds its lock.
        settings: the backup.
        report: is told of an unexpected error while a day is rebuilt.
        replaced: the time of a backup, as the place names it: everything comes back as it was before that.

    Raises:
        LakeError: when the root is not empty.
        BackupError: when the place cannot be read, or holds no backup.
    """
    there = rclone_for(settings, settings.backup, "backup")
    if not lake.restoring.is_file() and not _is_empty(lake):
        raise LakeError(f"{lake.root}: is not empty; name an empty folder: pulltasks lake restore --into FOLDER")
    owner = read_owner(there)
    if owner is None:
        raise BackupError(f"{there.place}: holds no backup of a lake; correct the bucket and the prefix")
    with lake.writing(lake.restoring) as unfinished:
        unfinished.touch()
    sources = _sources(there, replaced)
    for folder in sorted(set(sources.values())):
        names = [name for name, source in sources.items() if source == folder]
        there.fetch(folder, lake.root, names if replaced else None)
    _open_to_readers(lake)
    rebuilt, troubles = _fix(lake, report)
    # the next backup goes on from that one, and compares everything
    write_state(lake, lake.backup_state, State(place=settings.backup.place, last=owner.backup))
    lake.restoring.unlink()
    return Restored(len(sources), len(lake.tidy_dates()), rebuilt, troubles)


def _is_empty(lake: Lake) -> bool:
    return not any(path.is_file() and path.name != ".lock" for path in lake.root.rglob("*"))


def _sources(there: Rclone, replaced: str | None) -> dict[str, str]:
    """Return the folder that each file comes from: steps are taken back one by one, the newest first.

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
    """Let everybody read what is published; all else came back for its owner alone."""
    lake.root.chmod(PUBLIC_FOLDER)
    lake.warehouse.chmod(PUBLIC_FOLDER)
    for path in (*lake.builds(), lake.dashboard):
        if path.is_file():
            path.chmod(PUBLIC_FILE)
    if builds := lake.builds():
        lake.link(builds[-1].name, lake.published)


def _fix(lake: Lake, report: Reporter) -> tuple[tuple[date, ...], tuple[str, ...]]:
    """Make again what is not what its manifest names, where there are raw files; the rest is named."""
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
