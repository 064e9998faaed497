"""Write files into a lake: each completely or not at all, with its mode, by one writer at a time.

Lives here: folders and modes, atomic replacement, links, the writer's lock, hashes of files.
Does not live here: paths (paths), which files exist (lake), their contents (raw, manifests, …).
"""

from __future__ import annotations

import hashlib
import os
import shutil
from contextlib import contextmanager
from operator import attrgetter
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from pulltasks.errors import ConfigError, LakeBusy, LakeError
from pulltasks.file_errors import advice_on, named, naming
from pulltasks.lake.paths import PATTERN, Paths

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600
PUBLIC_FOLDER, PUBLIC_FILE = 0o755, 0o644
# Together with three tries of a webhook that does not answer it stays below the minute that Dagster gives a sensor.
ALERTS_LOCK_SECONDS = 20


class Files(Paths):
    """A lake that is written to; call `prepare` and `lock` first."""

    def prepare(self) -> None:
        """Create the folders with their modes.

        Raises:
            ConfigError: when the root cannot be created or written, or DuckDB would read its path as a pattern.
        """
        # a link to the lake may have a harmless name and a target with a pattern in it, so both paths are checked
        for path in (self.root, self.root.resolve()):
            if strange := PATTERN.search(str(path)):
                raise ConfigError(
                    [
                        f"lake.root: {path} holds {strange[0]!r}, which the database reads as a pattern of other "
                        "names; name a folder without [ ] * ? and backslash"
                    ]
                )
        try:
            for folder, mode in (
                (self.root, PUBLIC_FOLDER),
                (self.raw, PRIVATE_FOLDER),
                (self.tidy, PRIVATE_FOLDER),
                (self.unfinished_folder, PRIVATE_FOLDER),
                (self.warehouse, PUBLIC_FOLDER),
            ):
                if not folder.is_dir():
                    # mkdir obeys the umask, so the exact mode is set afterwards
                    folder.mkdir(parents=True)
                    with naming("chmod", folder):
                        folder.chmod(mode)
            if not os.access(self.root, os.W_OK):
                raise PermissionError(13, "no permission to write")
        except OSError as error:
            text = f"lake.root: {self.root} cannot be written ({error.strerror}); {advice_on(error)}"
            raise ConfigError([text]) from None

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the lake's lock as its only writer, and remove unfinished files of earlier writers.

        Raises:
            LakeBusy: at once, when another process holds the lock.
        """
        lock = FileLock(self.root / ".lock", mode=PRIVATE_FILE)
        try:
            lock.acquire(timeout=0)  # a run of hours may hold it: waiting would only pile up the next runs
        except Timeout:
            raise LakeBusy(
                f"another run is writing to {self.root}; nothing was touched. Wait until it ends, then run again"
            ) from None
        except OSError as error:
            raise named(error, "lock", self.root / ".lock") from error
        try:
            # only the holder of the lock writes here, so whatever is left comes from a process that was killed
            for leftover in entries(self.unfinished_folder):
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
            yield
        finally:
            lock.release()

    def require_whole(self) -> None:
        """Refuse a lake that is being restored.

        Raises:
            LakeError: with the command that completes the restore.
        """
        if self.restoring.is_file():
            raise LakeError(
                f"{self.root}: is being restored from its backup and is not whole; run `pulltasks lake restore` again "
                "to its end. Nothing was touched"
            )

    @contextmanager
    def alerts_lock(self) -> Iterator[None]:
        """Hold the lock for sending alarms; it is separate, so that a slow webhook delays no run.

        Raises:
            OSError: when its folder cannot be created, or another process holds the lock for over 20 s.
        """
        if not self.alerts.is_dir():
            self.alerts.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
        with FileLock(self.alerts / ".lock", mode=PRIVATE_FILE, timeout=ALERTS_LOCK_SECONDS):
            yield

    def unfinished(self, name: str) -> Path:
        """Return a path for an unfinished file; the next writer removes it if it is left."""
        # the process id keeps the files of two processes apart
        return self.unfinished_folder / f"{name}.{os.getpid()}"

    @contextmanager
    def writing(self, path: Path, *, mode: int = PRIVATE_FILE) -> Iterator[Path]:
        """Yield a path to write to; on success move the file to `path`, synced to disk; on an error change nothing."""
        unfinished = self.unfinished("--".join(path.relative_to(self.root).parts))
        try:
            yield unfinished
            self.put(unfinished, path, mode=mode)
        finally:
            unfinished.unlink(missing_ok=True)

    def put(self, source: Path, path: Path, *, mode: int = PRIVATE_FILE) -> None:
        """Move the finished file `source` to `path`; after a power cut either the old or the new file is there."""
        folder_mode = PUBLIC_FOLDER if mode == PUBLIC_FILE else PRIVATE_FOLDER
        self._make_folders(path.parent, folder_mode)
        with naming("chmod", source):
            source.chmod(mode)
        # The content must reach the disk before the rename; else a power cut could leave an empty file at `path`.
        # The folder is synced after the rename, because the rename itself is a change of the folder.
        sync(source)
        with naming("rename", path):
            source.replace(path)
        sync(path.parent)

    def move(self, path: Path, to: Path) -> None:
        """Move a file or a folder to a private folder of the lake."""
        self._make_folders(to.parent, PRIVATE_FOLDER)
        with naming("rename", path):
            path.replace(to)
        sync(to.parent)
        sync(path.parent)

    def remove_folder(self, folder: Path) -> None:
        """Remove a folder in one step: readers see all its files or none."""
        doomed = self.unfinished("--".join(folder.parts[-3:]))
        folder.rename(doomed)
        sync(folder.parent)
        shutil.rmtree(doomed)

    def link(self, name: str, path: Path) -> None:
        """Point the link `path` at `name` in the same folder, in one step."""
        # a link cannot be changed in place: a new one is renamed over it, so readers always find one of the two
        unfinished = self.unfinished(f"link--{path.name}")
        unfinished.unlink(missing_ok=True)
        with naming("symlink", path):
            unfinished.symlink_to(name)
        with naming("rename", path):
            unfinished.replace(path)
        sync(path.parent)

    def _make_folders(self, folder: Path, mode: int) -> None:
        if folder.is_dir():
            return
        self._make_folders(folder.parent, mode)
        with naming("mkdir", folder):
            folder.mkdir(exist_ok=True)
        with naming("chmod", folder):
            folder.chmod(mode)
        sync(folder.parent)


def sync(path: Path) -> None:
    """Sync a file or a folder to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with naming("fsync", path):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def entries(folder: Path) -> Iterable[Path]:
    """Return the paths in a folder, sorted; none when it does not exist, or is no folder."""
    try:
        return sorted(folder.iterdir(), key=attrgetter("name"))
    except (FileNotFoundError, NotADirectoryError):
        return []
