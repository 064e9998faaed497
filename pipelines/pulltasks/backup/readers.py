"""What readers far away may see: open tables and page, in a bucket of their own.

Lives here: which files these are, their order, what is removed there.
Does not live here: making any of it (warehouse, dashboard), the private backup (backup).
"""

from __future__ import annotations

import zlib
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
    """Put what is new into the readers' bucket, `latest.json` last; then remove what the lake has no more.

    Args:
        lake: the caller holds its lock.
        settings: the place, and what is published.

    Returns:
        How many files were put or removed; where that is none, no process was started.

    Raises:
        BackupError: when a file cannot be put, or the place is another lake's.
    """
    files = _files(lake, settings)
    stats = {name: (path.stat().st_size, path.stat().st_mtime_ns) for name, path in files.items()}
    if page := files.get(lake.dashboard.name):  # each run writes it, and seldom anything new
        stats[page.name] = (page.stat().st_size, zlib.crc32(page.read_bytes()))
    state = read_state(lake.readers_state, settings.publish.place)
    changed = {name for name in files if state.files.get(name) != stats[name]}
    if state.last and not changed and state.files.keys() <= files.keys():
        return 0
    there = rclone_for(settings, settings.publish, "publish", 60 * settings.publish.max_minutes)
    _claim(there, lake)
    # a list tells what is there of an earlier time, and what a cut left
    gone = there.files().keys() - files.keys() - {OWNER}
    if LATEST in gone:
        there.delete([LATEST])  # what names others goes first
    for root in (lake.published_folder, lake.warehouse):
        names = [name for name in changed if files[name] == root / name and name != LATEST]
        there.copy(root, "", names)
    there.copy(lake.published_folder, "", changed & {LATEST})
    there.delete(gone - {LATEST})
    state = msgspec.structs.replace(state, files=stats, last="put")
    write_state(lake, lake.readers_state, state)
    return len(changed) + len(gone)


def _files(lake: Lake, settings: Settings) -> dict[str, Path]:
    """Return the files that readers may see, by their names there."""
    found: dict[str, Path] = {}
    if settings.dashboard.enabled and lake.dashboard.is_file():
        found[lake.dashboard.name] = lake.dashboard
    if settings.publish.tables and lake.latest_tables.is_file():
        for path in (*lake.open_tables.rglob("*"), lake.latest_tables):
            if path.is_file():
                found[path.relative_to(lake.published_folder).as_posix()] = path
    return found


def _claim(there: Rclone, lake: Lake) -> None:
    """Make sure that the place is this lake's.

    Raises:
        BackupError: when it is another's.
    """
    owner = read_owner(there)
    if owner is None and not there.is_empty():
        raise BackupError(f"{there.place}: holds files that no lake put there; name an empty prefix. Nothing was put")
    if owner is None:
        write_owner(there, Owner(lake_id=lake_id(lake)))
    elif owner.lake_id != lake_id(lake):
        raise BackupError(
            f"{there.place}: holds what another lake publishes; name another prefix. Nothing was put or removed"
        )
