"""The readers' bucket: open tables and page, in a bucket without private files.

Lives here: the choice of files, their order, removals.
Does not live here: writing the files (warehouse, dashboard), the private backup (backup).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from pulltasks.backup.rclone import rclone_for
from pulltasks.backup.state import OWNER, Owner, lake_id, read_owner, read_state, write_owner, write_state
from pulltasks.errors import BackupError
from pulltasks.lake.paths import LATEST

if TYPE_CHECKING:
    from pathlib import Path

    from pulltasks.backup.rclone import Rclone
    from pulltasks.lake.lake import Lake
    from pulltasks.settings import Settings


def put_for_readers(lake: Lake, settings: Settings) -> int:
    """Copy new files to the readers' bucket, `latest.json` last; then remove files that the lake no longer has.

    Args:
        lake: the lake; the caller holds its lock.
        settings: the place, and the choice of files to publish.

    Returns:
        The number of files copied or removed; if it is 0, no process was started.

    Raises:
        BackupError: when a file cannot be copied, or the place belongs to another lake.
    """
    files = _files(lake, settings)
    stats = {name: (path.stat().st_size, path.stat().st_mtime_ns) for name, path in files.items()}
    state = read_state(lake.readers_state, settings.publish.place)
    changed = {name for name in files if state.files.get(name) != stats[name]}
    if state.last and not changed and state.files.keys() <= files.keys():
        return 0
    there = rclone_for(settings, settings.publish, "publish", 60 * settings.publish.max_minutes)
    _claim(there, lake)
    # The list has files of earlier runs, and those that an interrupted run left.
    gone = there.files().keys() - files.keys() - {OWNER}
    if LATEST in gone:
        there.delete([LATEST])  # it names other files, so it is removed before them
    for root in (lake.published_folder, lake.warehouse):
        names = [name for name in changed if files[name] == root / name and name != LATEST]
        there.copy(root, "", names)
    # Only now do readers find the new version: all of its files are there.
    there.copy(lake.published_folder, "", changed & {LATEST})
    there.delete(gone - {LATEST})
    state = msgspec.structs.replace(state, files=stats, last="put")
    write_state(lake, lake.readers_state, state)
    return len(changed) + len(gone)


def _files(lake: Lake, settings: Settings) -> dict[str, Path]:
    """Return the files that readers may see, as `name there -> path`."""
    found: dict[str, Path] = {}
    if settings.dashboard.enabled and lake.dashboard.is_file():
        found[lake.dashboard.name] = lake.dashboard
    if settings.publish.tables and lake.latest_tables.is_file():
        for path in (*lake.open_tables.rglob("*"), lake.latest_tables):
            if path.is_file():
                found[path.relative_to(lake.published_folder).as_posix()] = path
    return found


def _claim(there: Rclone, lake: Lake) -> None:
    """Check that the place belongs to this lake.

    Raises:
        BackupError: when it belongs to another one, or has files of unknown origin.
    """
    owner = read_owner(there)
    if owner is None and not there.is_empty():
        raise BackupError(f"{there.place}: has files that are not of a lake; name an empty prefix. Nothing was copied")
    if owner is None:
        write_owner(there, Owner(lake_id=lake_id(lake)))
    elif owner.lake_id != lake_id(lake):
        raise BackupError(
            f"{there.place}: has the published files of another lake; name another prefix. "
            "Nothing was copied or removed"
        )
