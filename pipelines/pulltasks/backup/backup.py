"""A backup: copies files that are new since the last good one, or compares the whole lake with the place.

Lives here: the order in which files are copied, refusals, the time of a full comparison.
Does not live here: the choice of files (files), rclone (rclone), restoring (restore).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from pulltasks.backup.files import JOURNALS, damaged_files, files_of, unexplained
from pulltasks.backup.rclone import rclone_for
from pulltasks.backup.state import (
    FILES,
    REPLACED,
    Owner,
    State,
    lake_id,
    read_owner,
    read_state,
    write_owner,
    write_state,
)
from pulltasks.errors import BackupError
from pulltasks.words import counted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import date, datetime
    from pathlib import Path

    from pulltasks.backup.rclone import Listed
    from pulltasks.lake.lake import Lake
    from pulltasks.settings import Settings

# Raw files are copied before tables are built from them, so this is the longest delay of a publish.
RAW_SECONDS = 120
# A store may lose or change files silently; a full comparison reads every name there.
COMPARE_EVERY = timedelta(days=7)
# If more than a tenth of all files is missing, a person must confirm that this is intended.
MOST_REMOVED = 0.1
ADDED = ".added"
# Raw files come first, as they cannot be made again; manifests last, as they name other files.
_FIRST = ("raw/", "redaction.key", "lake.id")
_LAST = "tidy/manifests/"


@dataclass(frozen=True)
class Done:
    """The result of a backup: number of files copied and moved away, bytes copied, whether all were compared."""

    put: int = 0
    moved: int = 0
    bytes: int = 0
    is_full: bool = False


class Backup:
    """The backup of a lake whose lock the caller holds."""

    def __init__(self, lake: Lake, settings: Settings, now: Callable[[], datetime], new_id: Callable[[], str]) -> None:
        self._lake, self._settings, self._now = lake, settings, now
        self._store = settings.backup
        self._id = new_id()
        self._stamp = f"{now():%Y%m%dT%H%M%S.%f}Z"
        self._added: set[str] = set()
        self._is_claimed = False

    def put_raw(self) -> int:
        """Copy new raw files, the key and the lake's identifier, and return the number of files.

        Raises:
            BackupError: when they could not all be copied within two minutes.
        """
        lake_id(self._lake)
        state, files = self._state(), files_of(self._lake)
        new = [name for name in files if name.startswith(_FIRST) and state.files.get(name) != files[name]]
        if new:
            self._reach(RAW_SECONDS)
            state = self._claim(state)
            self._put(state, {name: files[name] for name in new}, state.files)
        return len(new)

    def put(self, *, full: bool = False, accept_removals: bool = False, seconds: float | None = None) -> Done:
        """Copy files that are new since the last good backup, or compare all files if that is due or wanted.

        Args:
            full: compare all files.
            accept_removals: allow moving away more than a tenth of all files.
            seconds: the time limit; None if a person waits for the backup.

        Raises:
            BackupError: when the place does not have all of the lake in the end.
        """
        lake_id(self._lake)
        state, files = self._state(), files_of(self._lake)
        is_due = state.full_at is None or self._now() - state.full_at >= COMPARE_EVERY
        changed = {name for name in files if state.files.get(name) != files[name]}
        gone = set(state.files) - set(files)
        # Logs are new after every run; alone they are not worth a backup.
        has_news = state.pending or not all(JOURNALS.fullmatch(name) for name in changed | gone)
        if not (full or is_due or has_news):
            return Done()
        self._reach(seconds)
        wants_all = full or is_due
        damaged = damaged_files(self._lake, None if wants_all else changed)
        self._check_removals(state.files, gone - set(damaged), accept_removals=accept_removals)
        state = self._claim(state, may_start_over=full)
        compares, known = wants_all and not damaged, set(state.files)
        if compares:
            there = self._there.files(FILES)
            # After the first time also files known to be new or damaged there, whatever their checksum.
            changed = differing(self._lake.root, files, there) | (changed if state.full_at else set())
            known, gone = set(there), set(there) - set(files)
            self._check_removals(known, gone, accept_removals=accept_removals)
        changed, gone = changed - set(damaged), gone - set(damaged)
        state = self._put(state, {name: files[name] for name in changed}, known)
        self._there.move(FILES, f"{REPLACED}/{self._stamp}", gone)
        state = self._noted(state, {name: stat for name, stat in state.files.items() if name not in gone})
        if damaged:
            first, *others = damaged.values()
            more = f" (and {len(others)} more)" if others else ""
            raise BackupError(
                f"{self._there.place}: new files were copied, but nothing was compared, because the lake has damaged "
                f"files: {first}{more}; run `pulltasks rebuild` for these days, or restore the files"
            )
        self._end(state, files, compared=compares)
        return Done(len(changed), len(gone), sum(files[name][0] for name in changed), compares)

    def _state(self) -> State:
        return read_state(self._lake.backup_state, self._store.place)

    def _reach(self, seconds: float | None) -> None:
        self._there = rclone_for(self._settings, self._store, "backup", seconds)

    def _claim(self, state: State, *, may_start_over: bool = False) -> State:
        """Check that the place belongs to this lake, and record that a backup begins.

        Raises:
            BackupError: when it belongs to another lake, or another copy of this one made the last backup.
        """
        if self._is_claimed:
            return state
        place, own = self._there.place, lake_id(self._lake)
        owner = read_owner(self._there)
        if owner is None:
            if state.last and not may_start_over:
                raise BackupError(
                    f"{place}: had a backup of this lake and has none now; check the bucket or the mount. To start "
                    "over: pulltasks lake backup --full"
                )
            if not state.last and not self._there.is_empty():
                raise BackupError(f"{place}: holds files that are not a backup of this lake; name an empty prefix")
            write_owner(self._there, Owner(lake_id=own))
        elif owner.lake_id != own:
            raise BackupError(f"{place}: holds the backup of another lake; name another prefix. Nothing was copied")
        elif state.last and owner.backup not in {state.last, state.pending} and not may_start_over:
            raise BackupError(
                f"{place}: another copy of this lake made the last backup; restore it into an empty root and continue "
                "there, or let this copy replace it: pulltasks lake backup --full. Nothing was copied"
            )
        # A backup that ended there, before this lake could record it, was good.
        last = state.pending if owner and owner.backup and owner.backup == state.pending else state.last
        state = msgspec.structs.replace(state, last=last, pending=self._id)
        write_state(self._lake, self._lake.backup_state, state)
        self._is_claimed = True
        return state

    def _check_removals(self, known: Collection[str], gone: Collection[str], *, accept_removals: bool) -> None:
        lost = unexplained(self._lake, gone, self._settings.lake.keep_raw_days)
        if len(lost) > MOST_REMOVED * len(known) and not accept_removals:
            raise BackupError(
                f"{self._store.place}: no longer in the lake: {len(lost)} of {counted(len(known), 'file')} there, "
                f"such as {lost[0]}; nothing was moved. Restore the lake, or accept the removal: "
                "pulltasks lake backup --accept-removals"
            )

    def _put(self, state: State, files: Mapping[str, tuple[int, int]], known: Collection[str]) -> State:
        """Copy files: raw files first, manifests last, so that an interrupted backup has no manifest without its files.

        Args:
            state: the record of earlier backups.
            files: size and time of change of each file, by name.
            known: names that the place has already; the files under them are moved to `replaced/`.
        """
        replaced = f"{REPLACED}/{self._stamp}"
        # A list of added files lets a restore to an earlier time leave them out.
        if state.last and not files.keys() <= state.files.keys() | self._added:
            self._added |= files.keys() - state.files.keys()
            listed = "".join(f"{name}\n" for name in sorted(self._added))
            self._there.write(f"{replaced}/{ADDED}", listed.encode(errors="surrogateescape"))
        order = (
            [name for name in files if name.startswith(_FIRST)],
            [name for name in files if not name.startswith((*_FIRST, _LAST))],
            [name for name in files if name.startswith(_LAST)],
        )
        for part in order:
            self._there.copy(self._lake.root, FILES, [name for name in part if name not in known])
            self._there.copy(self._lake.root, FILES, [name for name in part if name in known], replaced=replaced)
        return self._noted(state, {**state.files, **files})

    def _noted(self, state: State, files: Mapping[str, tuple[int, int]]) -> State:
        state = msgspec.structs.replace(state, files=dict(files))
        write_state(self._lake, self._lake.backup_state, state)
        return state

    def _end(self, state: State, files: Mapping[str, tuple[int, int]], *, compared: bool) -> None:
        now, days = self._now(), self._lake.tidy_dates()
        through = days[-1] if days else None
        write_owner(
            self._there,
            Owner(lake_id=lake_id(self._lake), backup=self._id, made_at=now, through=through),
        )
        state = msgspec.structs.replace(
            state,
            files=dict(files),
            last=self._id,
            pending=None,
            good_at=now,
            full_at=now if compared else state.full_at,
            through=through,
        )
        write_state(self._lake, self._lake.backup_state, state)


def differing(root: Path, files: Mapping[str, tuple[int, int]], there: Mapping[str, Listed]) -> set[str]:
    """Return the names of files that are missing there, or have another size or checksum there."""

    def is_same(name: str) -> bool:
        found = there.get(name)
        return found is not None and found.size == files[name][0] and found.md5 in {None, _md5(root / name)}

    return {name for name in files if not is_same(name)}


def _md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def days_held(lake: Lake, settings: Settings) -> set[date] | None:
    """Return the days whose raw files a good backup has unchanged; None if the settings name no backup."""
    if not settings.backup.is_set:
        return None
    state = read_state(lake.backup_state, settings.backup.place)
    files = files_of(lake) if state.good_at else {}
    return {
        day
        for day in lake.raw_dates()
        if (names := [name for name in files if name.startswith(f"raw/snapshot_date={day}/")])
        and all(state.files.get(name) == files[name] for name in names)
    }
