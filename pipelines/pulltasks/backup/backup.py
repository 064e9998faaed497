"""A backup: what is new since the last good one, or the whole lake compared with the place.

Lives here: the order in which files are put, what is refused, when everything is compared.
Does not live here: which files belong there (files), rclone (rclone), bringing them back (restore).
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

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import date, datetime
    from pathlib import Path

    from pulltasks.backup.rclone import Listed
    from pulltasks.lake.lake import Lake
    from pulltasks.settings import Settings

# The raw files of a day are put before anything is built of them: the publish waits for no more than this.
RAW_SECONDS = 120
COMPARE_EVERY = timedelta(days=7)
# More may only go away on purpose: a tenth of all files.
MOST_REMOVED = 0.1
ADDED = ".added"
_FIRST = ("raw/", "redaction.key", "lake.id")
_LAST = "tidy/manifests/"


@dataclass(frozen=True)
class Done:
    """What a backup did: how many files it put and moved away, how large they are, whether all were compared."""

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
        """Put raw files that are new, with the key and the lake's identifier; returns how many.

        Raises:
            BackupError: when they could not all be put within two minutes.
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
        """Put what is new since the last good backup; or compare all files, where that is due or wanted.

        Args:
            full: compare all files.
            accept_removals: let more than a tenth of all files be moved away.
            seconds: how long it may take; None where somebody waits for it.

        Raises:
            BackupError: when the place does not hold all of the lake in the end.
        """
        lake_id(self._lake)
        state, files = self._state(), files_of(self._lake)
        is_due = state.full_at is None or self._now() - state.full_at >= COMPARE_EVERY
        changed = {name for name in files if state.files.get(name) != files[name]}
        gone = set(state.files) - set(files)
        has_news = state.pending or not all(JOURNALS.fullmatch(name) for name in changed | gone)
        if not (full or is_due or has_news):
            return Done()
        self._reach(seconds)
        wants_all = full or is_due
        damaged = damaged_files(self._lake, None if wants_all else changed)
        self._check_removals(state.files, gone - set(damaged), accept_removals=accept_removals)
        state = self._claim(state, may_begin_anew=full)
        compares, known = wants_all and not damaged, set(state.files)
        if compares:
            there = self._there.files(FILES)
            # after the first time also what is known to be new or damaged there, whatever a checksum says
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
                f"{self._there.place}: what is new was put, but nothing was compared, as the lake has damaged files: "
                f"{first}{more}; run `pulltasks rebuild` for these days, or restore the files"
            )
        self._end(state, files, compared=compares)
        return Done(len(changed), len(gone), sum(files[name][0] for name in changed), compares)

    def _state(self) -> State:
        return read_state(self._lake.backup_state, self._store.place)

    def _reach(self, seconds: float | None) -> None:
        self._there = rclone_for(self._settings, self._store, "backup", seconds)

    def _claim(self, state: State, *, may_begin_anew: bool = False) -> State:
        """Make sure that the place is this lake's, and note that a backup begins.

        Raises:
            BackupError: when it is another lake's, or another copy of this one went on with it.
        """
        if self._is_claimed:
            return state
        place, own = self._there.place, lake_id(self._lake)
        owner = read_owner(self._there)
        if owner is None:
            if state.last and not may_begin_anew:
                raise BackupError(
                    f"{place}: held a backup of this lake and holds none any more; check the bucket or the mount. To "
                    "begin anew: pulltasks lake backup --full"
                )
            if not state.last and not self._there.is_empty():
                raise BackupError(f"{place}: holds files that are not a backup of this lake; name an empty prefix")
            write_owner(self._there, Owner(lake_id=own))
        elif owner.lake_id != own:
            raise BackupError(f"{place}: holds the backup of another lake; name another prefix. Nothing was put")
        elif state.last and owner.backup not in {state.last, state.pending} and not may_begin_anew:
            raise BackupError(
                f"{place}: another copy of this lake made the last backup; restore it into an empty root and continue "
                "there, or let this copy replace it: pulltasks lake backup --full. Nothing was put"
            )
        # one that ended there, and was cut before this lake could note it, was good
        last = state.pending if owner and owner.backup and owner.backup == state.pending else state.last
        state = msgspec.structs.replace(state, last=last, pending=self._id)
        write_state(self._lake, self._lake.backup_state, state)
        self._is_claimed = True
        return state

    def _check_removals(self, known: Collection[str], gone: Collection[str], *, accept_removals: bool) -> None:
        lost = unexplained(self._lake, gone, self._settings.lake.keep_raw_days)
        if len(lost) > MOST_REMOVED * len(known) and not accept_removals:
            raise BackupError(
                f"{self._store.place}: {len(lost)} of {len(known)} files that it holds are no longer in the lake, such "
                f"as {lost[0]}; nothing was moved away. Restore the lake, or let them go: "
                "pulltasks lake backup --accept-removals"
            )

    def _put(self, state: State, files: Mapping[str, tuple[int, int]], known: Collection[str]) -> State:
        """Put files: raw files first, what names other files last, so that a cut leaves nothing that lacks its parts.

        Args:
            state: what was put before.
            files: their sizes and times, by name.
            known: names that the place has already; what is there under them is kept beside it.
        """
        replaced = f"{REPLACED}/{self._stamp}"
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
    """Return files that are not there, or have another size or another checksum there."""

    def is_same(name: str) -> bool:
        found = there.get(name)
        return found is not None and found.size == files[name][0] and found.md5 in {None, _md5(root / name)}

    return {name for name in files if not is_same(name)}


def _md5(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def days_held(lake: Lake, settings: Settings) -> set[date] | None:
    """Return the days whose raw files a good backup holds as they are here; None where no backup is wanted."""
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
