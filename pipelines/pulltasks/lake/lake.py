"""The lake's folders: where each file lies, how it gets there whole, who may write.

Lives here: paths, modes, atomic replacement, the writer's lock, which dates there are.
Does not live here: what is in the files (raw, manifests, normalise, warehouse.read.published).
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from pulltasks.errors import ConfigError, LakeBusy, LakeError
from pulltasks.file_errors import advice_on, named, naming
from pulltasks.names import REGION_PATTERN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

PRIVATE_FOLDER, PRIVATE_FILE = 0o700, 0o600
PUBLIC_FOLDER, PUBLIC_FILE = 0o755, 0o644
EXPOSED = "exposed"  # in the file name of a build that shows secrets
# The open tables: one file a table, what names the newest of them, and the same beside each version.
TABLE_FILE, LATEST, TABLES_OF_VERSION = "data.parquet", "latest.json", "tables.json"
KEPT_VERSIONS = 3
# With three tries of a webhook that does not answer it stays below the minute that Dagster gives a sensor.
ALERTS_LOCK_SECONDS = 20
_DATE = "snapshot_date="
_MONTH = "snapshot_month="
_PROJECT = re.compile(r"[0-9a-f]{32}")
_RAW_FILE = re.compile(REGION_PATTERN + r"\.ndjson\.zst")
# What DuckDB takes for a pattern in the name of a file; all else may stand in a path.
PATTERN = re.compile(r"[][*?\\]")
_SEQUENCE = re.compile(r"-([0-9]{6,})-[0-9]{8}T[0-9]{6}Z-")


class Lake:
    """All paths below one root; reading needs no preparation, writing needs `prepare` and `lock`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.raw = root / "raw"
        self.tidy = root / "tidy"
        self.warehouse = root / "warehouse"
        self.published = self.warehouse / "pulltasks.duckdb"
        self.dashboard = self.warehouse / "dashboard.html"
        self.published_folder = root / "published"
        self.open_tables = self.published_folder / "tables"
        self.latest_tables = self.published_folder / LATEST
        self.redaction_key = root / "redaction.key"
        self.run_log = root / "runs.ndjson"
        self.manners = root / "manners.json"
        self.redaction_key_checksum = root / "redaction.key.sha256"
        self.alerts = root / "alerts"
        self.alerts_sent = self.alerts / "sent.json"
        self.errors = root / "errors"
        self.forgotten = root / "forgotten"
        # Tells this lake from others, wherever it is moved or restored to.
        self.id = root / "lake.id"
        self.backup = root / "backup"
        self.backup_state = self.backup / "state.json"
        self.readers_state = self.backup / "readers.json"
        # There while the lake is being restored: until then it is no lake.
        self.restoring = self.backup / "restoring"
        # One folder for everything unfinished: what a killed run leaves is found in one place.
        self._unfinished = root / ".unfinished"

    def targets_file(self, day: date) -> Path:
        """What was to be listed on `day`."""
        return self.raw / f"{_DATE}{day}" / "targets.json"

    def raw_file(self, day: date, project_id: str, region: str) -> Path:
        """The capture of one target on `day`."""
        return self.raw / f"{_DATE}{day}" / project_id / f"{region}.ndjson.zst"

    def raw_files(self, day: date) -> list[Path]:
        """All captures of `day`, by project and region; whatever else lies there is somebody's own."""
        folder = self.raw / f"{_DATE}{day}"
        return [
            file
            for project in _entries(folder)
            if _PROJECT.fullmatch(project.name) and project.is_dir()
            for file in _entries(project)
            if _RAW_FILE.fullmatch(file.name)
        ]

    def strays(self) -> list[Path]:
        """Foreign files in `raw/`, in order; they are neither read nor removed."""
        found = []
        for folder in _entries(self.raw):
            if not (folder.is_dir() and _dates([folder.name])):
                found.append(folder)
                continue
            for entry in _entries(folder):
                if entry.is_dir() and _PROJECT.fullmatch(entry.name):
                    found += [file for file in _entries(entry) if not _RAW_FILE.fullmatch(file.name)]
                elif entry.name != "targets.json":
                    found.append(entry)
        return found

    def target_of(self, raw_file: Path) -> tuple[str, str]:
        """`(project_id, region)` of a capture's file."""
        return (raw_file.parent.name, raw_file.name.removesuffix(".ndjson.zst"))

    def tidy_file(self, table: str, day: date) -> Path:
        """One table of `day`."""
        return self.tidy / table / "daily" / f"{_DATE}{day}" / "data.parquet"

    def manifest_file(self, day: date) -> Path:
        """The names and hashes of the tidy files of `day`."""
        return self.tidy / "manifests" / f"{_DATE}{day}.json"

    def builds(self) -> list[Path]:
        """The builds that are there, oldest first: by the sequence in their names, whatever a clock said."""
        return sorted(self.warehouse.resolve().glob("pulltasks-*.duckdb"), key=lambda path: (sequence_of(path), path))

    def build(self, build_id: str) -> Path:
        """The file of a build."""
        return self.warehouse.resolve() / f"pulltasks-{build_id}.duckdb"

    def base(self, through: date) -> Path:
        """An earlier build whose last day is `through`, kept to build upon."""
        return self.root / "bases" / f"through_date={through}.duckdb"

    def bases(self) -> dict[date, Path]:
        """All such builds by their last day, in order."""
        names = [path.stem for path in _entries(self.root / "bases")]
        return {day: self.base(day) for day in _dates(names, "through_date=")}

    def chart_library(self, version: str) -> Path:
        """The script that draws the page's charts, as a version of it was put together; may be deleted."""
        return self.root / "dashboard" / f"charts-{version}.js"

    def month_file(self, table: str, month: date) -> Path:
        """One table of a closed month, named by its first day."""
        return self.tidy / table / "monthly" / f"{_MONTH}{month:%Y-%m}" / "data.parquet"

    def month_manifest_file(self, month: date) -> Path:
        """The names and hashes of a month's files; while it is there, they stand for the files of its days."""
        return self.tidy / "manifests" / f"{_MONTH}{month:%Y-%m}.json"

    def is_compacted(self, day: date) -> bool:
        """Whether a month's files stand for those of `day`."""
        return self.month_manifest_file(month_of(day)).is_file()

    def files(self, table: str, first: date, last: date) -> list[Path]:
        """The tidy files that hold `table` from `first` to `last`, both included, in order of date.

        A closed month is one file, which may hold days beyond the range as well: filter by `snapshot_date`.
        """
        days = [day for day in self.tidy_dates() if first <= day <= last]
        compacted = {month for month in {month_of(day) for day in days} if self.is_compacted(month)}
        found = (
            self.month_file(table, month_of(day)) if month_of(day) in compacted else self.tidy_file(table, day)
            for day in days
        )
        return list(dict.fromkeys(found))

    def private_folders(self) -> list[Path]:
        """Folders that are for the lake's owner alone, whether they are there or not."""
        folders = (self.raw, self.tidy, self.root / "bases", self.alerts, self.errors, self.forgotten, self.backup)
        return [*folders, self.root / "dashboard", self._unfinished]

    def raw_dates(self) -> list[date]:
        """Dates on which something was to be listed, in order; a folder with nothing in it is no such date."""
        found = _dates(path.name for path in _entries(self.raw) if path.is_dir())
        return [day for day in found if self.targets_file(day).is_file() or self.raw_files(day)]

    def tidy_dates(self) -> list[date]:
        """Dates whose tidy files are valid (their manifest is there), in order."""
        return _dates(path.stem for path in _entries(self.tidy / "manifests") if path.suffix == ".json")

    def compacted_months(self) -> list[date]:
        """Months whose files stand for those of their days, in order."""
        names = [path.stem.removeprefix(_MONTH) for path in _entries(self.tidy / "manifests") if _MONTH in path.name]
        return _dates(f"{name}-01" for name in names)

    def prepare(self) -> None:
        """Make the folders with their modes.

        Raises:
            ConfigError: when the root cannot be made or written, or its path would be read as a pattern.
        """
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
                (self._unfinished, PRIVATE_FOLDER),
                (self.warehouse, PUBLIC_FOLDER),
            ):
                if not folder.is_dir():
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
        """Hold the lake's lock as its only writer; removes unfinished files of earlier writers.

        Raises:
            LakeBusy: at once, when another process is writing.
        """
        lock = FileLock(self.root / ".lock", mode=PRIVATE_FILE)
        try:
            lock.acquire(timeout=0)
        except Timeout:
            raise LakeBusy(
                f"another run is writing to {self.root}; nothing was touched. Wait until it ends, then run again"
            ) from None
        except OSError as error:
            raise named(error, "lock", self.root / ".lock") from error
        try:
            for leftover in _entries(self._unfinished):
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
            yield
        finally:
            lock.release()

    def require_whole(self) -> None:
        """Refuse a lake that is being restored.

        Raises:
            LakeError: saying how to go on.
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
            OSError: when there is no such folder and none can be made, or somebody else holds it for too long.
        """
        if not self.alerts.is_dir():
            self.alerts.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
        with FileLock(self.alerts / ".lock", mode=PRIVATE_FILE, timeout=ALERTS_LOCK_SECONDS):
            yield

    def unfinished(self, name: str) -> Path:
        """A path for an unfinished file; the next writer removes it if it stays."""
        return self._unfinished / f"{name}.{os.getpid()}"

    @contextmanager
    def writing(self, path: Path, *, mode: int = PRIVATE_FILE) -> Iterator[Path]:
        """Yield a path to write to; on success the file stands at `path`, whole and on disk, else nothing changes."""
        unfinished = self.unfinished("--".join(path.relative_to(self.root).parts))
        try:
            yield unfinished
            self.put(unfinished, path, mode=mode)
        finally:
            unfinished.unlink(missing_ok=True)

    def put(self, source: Path, path: Path, *, mode: int = PRIVATE_FILE) -> None:
        """Move the finished file `source` to `path` so that a power cut leaves the old or the new one."""
        folder_mode = PUBLIC_FOLDER if mode == PUBLIC_FILE else PRIVATE_FOLDER
        self._make_folders(path.parent, folder_mode)
        with naming("chmod", source):
            source.chmod(mode)
        sync(source)
        with naming("rename", path):
            source.replace(path)
        sync(path.parent)

    def move(self, path: Path, to: Path) -> None:
        """Move a file or a folder within the lake, to where only its owner looks."""
        self._make_folders(to.parent, PRIVATE_FOLDER)
        with naming("rename", path):
            path.replace(to)
        sync(to.parent)
        sync(path.parent)

    def link(self, name: str, path: Path) -> None:
        """Point the link `path` at its neighbour `name`, in one step."""
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


def sequence_of(build: Path) -> int:
    """The sequence number of a build; 0 for builds of versions that did not count."""
    match = _SEQUENCE.search(build.name)
    return int(match[1]) if match else 0


def month_of(day: date) -> date:
    """The first day of the month."""
    return day.replace(day=1)


def sync(path: Path) -> None:
    """Sync a file or a folder to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with naming("fsync", path):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _entries(folder: Path) -> Iterable[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _dates(names: Iterable[str], prefix: str = _DATE) -> list[date]:
    """The dates that names tell, in order; what somebody else put there is left alone."""
    found = []
    for name in names:
        text = name.removeprefix(prefix)
        try:
            day = date.fromisoformat(text)
        except ValueError:
            continue
        found += [day] if str(day) == text else []  # 20261119 is a date as well, and no name of ours
    return sorted(found)
