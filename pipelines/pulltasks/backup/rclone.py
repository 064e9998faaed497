"""rclone as a child process: its environment, its time limit, the few commands that are used.

Lives here: everything about rclone's options, for version 1.60 (Debian 12) and later.
Does not live here: the choice of files and the time (backup, readers), the sentences for errors (causes).
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from threading import Timer
from typing import IO, TYPE_CHECKING

from pulltasks.backup.causes import ENDLESS, MISSING, OUT_OF_TIME, PERMISSION, cause_of
from pulltasks.config import access_key_from_environment, environment_for_rclone
from pulltasks.errors import BackupError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pulltasks.settings import Settings, StoreSettings

    _Child = subprocess.Popen[bytes]

# One name for every kind of place: its address and keys are in the environment, so that no argument shows them.
THERE = "there:"
# The limits of a list in seconds and in names: a faulty store may list without end.
LIST_SECONDS, MOST_NAMES = 600, 2_000_000
_NOT_FOUND = (3, 4)  # rclone's exit codes for no such folder, no such file
_MD5 = re.compile("[0-9a-f]{32}")
_OPTIONS = {
    "RCLONE_TRANSFERS": "8",
    "RCLONE_CHECKERS": "16",
    "RCLONE_RETRIES": "1",
    "RCLONE_LOW_LEVEL_RETRIES": "3",
    "RCLONE_CONTIMEOUT": "15s",
    "RCLONE_TIMEOUT": "60s",
}


@dataclass(frozen=True)
class Listed:
    """A file in the place: its size in bytes, and its MD5 if the place knows it."""

    size: int
    md5: str | None


@dataclass(frozen=True)
class Rclone:
    """A place for files, and the means to reach it.

    Attributes:
        place: its name in messages.
        variables: the whole environment of the child; it has secrets.
        ends_at: the end of the time limit by the monotonic clock; None if a person waits.
    """

    place: str
    variables: Mapping[str, str] = field(repr=False)
    ends_at: float | None = None

    def copy(self, source: Path, folder: str, names: Collection[str], *, replaced: str | None = None) -> None:
        """Copy files of a local folder there; files that exist there are moved to `replaced`, or overwritten."""
        # Without `replaced` the files are known to be new there, so looking them up would only cost requests.
        how = ["--no-check-dest"]
        if replaced:
            how = ["--no-traverse", "--ignore-times", "--backup-dir", THERE + replaced]
        self._on(names, "copy", *how, str(source), THERE + folder)

    def fetch(self, folder: str, target: Path, names: Collection[str] | None = None) -> None:
        """Copy files from there into a local folder, all of them without `names`; equal local files are skipped."""
        if names is None:
            self._run("copy", "--fast-list", THERE + folder, str(target))
        else:
            self._on(names, "copy", "--no-traverse", THERE + folder, str(target))

    def move(self, source: str, folder: str, names: Collection[str]) -> None:
        """Move files within the place."""
        self._on(names, "move", "--no-traverse", THERE + source, THERE + folder)

    def delete(self, names: Collection[str]) -> None:
        """Remove files there."""
        self._on(names, "delete", THERE)

    def read(self, name: str) -> bytes | None:
        """Return the content of a small file, or None if there is none.

        Raises:
            BackupError: when it cannot be read. With a key that may only list, rclone succeeds without any output.
        """
        content = self._run("cat", THERE + name, may_lack=True)
        folder, _, own = name.rpartition("/")
        if not content and own in self._names(folder):
            raise BackupError(f"{self.place}: {name} is there and cannot be read; {PERMISSION}")
        return content or None

    def write(self, name: str, content: bytes) -> None:
        """Write a small file."""
        self._run("rcat", THERE + name, given=content)

    def is_empty(self) -> bool:
        """Tell whether there is no file and no folder."""
        return not self._names("")

    def folders(self, folder: str) -> list[str]:
        """Return the names of the folders in a folder, in order."""
        return sorted(name.removesuffix("/") for name in self._names(folder) if name.endswith("/"))

    def _names(self, folder: str) -> list[str]:
        """Return the names in a folder; folders end with a slash."""
        return self._run("lsf", THERE + folder, may_lack=True).decode(errors="replace").splitlines()

    def files(self, folder: str = "") -> dict[str, Listed]:
        """Return all files below a folder, by name.

        Raises:
            BackupError: when the list cannot be read, has a name twice or does not end.
        """
        found: dict[str, Listed] = {}
        command = ["lsf", "-R", "--files-only", "--fast-list", "--format", "hsp", "--separator", "\t", THERE + folder]
        with TemporaryFile() as errors, self._started(command, errors) as child:
            assert child.stdout  # noqa: S101 - it is a pipe
            out_of_time = Timer(min(self._left() or LIST_SECONDS, LIST_SECONDS), child.kill)
            out_of_time.start()
            try:
                for line in child.stdout:
                    md5, size, name = line.decode(errors="replace").removesuffix("\n").split("\t", 2)
                    if name in found or len(found) >= MOST_NAMES:
                        raise BackupError(f"{self.place}: {ENDLESS}")
                    found[name] = Listed(int(size), md5 if _MD5.fullmatch(md5) else None)
            finally:
                out_of_time.cancel()
                child.kill()
            errors.seek(0)
            return found if self._has_worked(child.wait(), errors.read(), may_lack=True) else {}

    def differing(self, source: Path, folder: str, names: Collection[str]) -> dict[str, str]:
        """Read files here and there, and return those that differ, as `name -> differs | is missing there | …`."""
        command = ("check", "--download", "--one-way", "--combined", "-", str(source), THERE + folder)
        lines = self._on(names, *command, may_differ=True).decode(errors="replace").splitlines()
        wrong = {"*": "differs", "+": "is missing there", "!": "cannot be read there"}
        return {name: wrong[sign] for sign, _, name in (line.partition(" ") for line in lines) if sign in wrong}

    def _on(self, names: Collection[str], *command: str, may_differ: bool = False) -> bytes:
        """Run a command on some files only, with their names as its input, so that no argument shows them."""
        if not names:
            return b""
        given = "".join(f"{name}\n" for name in sorted(names)).encode(errors="surrogateescape")
        return self._run(*command, "--files-from-raw", "-", given=given, may_differ=may_differ)

    def _run(self, *command: str, given: bytes = b"", may_lack: bool = False, may_differ: bool = False) -> bytes:
        """Run rclone to its end, and return its output.

        Args:
            command: its arguments.
            given: its input.
            may_lack: a missing file or folder is not an error and gives an empty output.
            may_differ: files that differ are not an error.

        Raises:
            BackupError: with one sentence about the cause.
        """
        with self._started(command, subprocess.PIPE, stdin=subprocess.PIPE) as child:
            try:
                out, errors = child.communicate(given, timeout=self._left())
            except subprocess.TimeoutExpired:
                raise BackupError(f"{self.place}: {OUT_OF_TIME}") from None
            finally:
                child.kill()
        has_differences = may_differ and b"differences found" in errors
        return out if has_differences or self._has_worked(child.returncode, errors, may_lack=may_lack) else b""

    def _started(self, command: Sequence[str], stderr: IO[bytes] | int, *, stdin: int = subprocess.DEVNULL) -> _Child:
        program = shutil.which("rclone", path=self.variables.get("PATH"))
        if program is None:
            raise BackupError(MISSING)
        # Files that rclone writes here are private until a restore opens them.
        return subprocess.Popen(  # noqa: S603 - a program that the user installed, with arguments of ours
            [program, *command], env=self.variables, stdin=stdin, stdout=subprocess.PIPE, stderr=stderr, umask=0o077
        )

    def _left(self) -> float | None:
        """Return the seconds that are left; None without a limit."""
        return None if self.ends_at is None else max(0.1, self.ends_at - time.monotonic())

    def _has_worked(self, code: int, errors: bytes, *, may_lack: bool) -> bool:
        # Ended by a signal, which the timer sends when the time is over.
        if code < 0:
            raise BackupError(f"{self.place}: {OUT_OF_TIME}")
        if code and not (may_lack and code in _NOT_FOUND):
            raise BackupError(f"{self.place}: {cause_of(errors.decode(errors='replace'))}")
        return not code


def rclone_for(settings: Settings, store: StoreSettings, section: str, seconds: float | None = None) -> Rclone:
    """Return the means to reach a place.

    Args:
        settings: the configuration; its API credential is used if the place has none of its own.
        store: the place.
        section: the section of the configuration, for messages.
        seconds: the time limit; None if a person waits.

    Raises:
        ConfigError: when there is no access key.
        BackupError: when the place is a folder that does not exist, or lies in the lake.
    """
    variables = environment_for_rclone(with_own_configuration=store.remote is not None) | _OPTIONS
    variables |= {"RCLONE_CONFIG_THERE_TYPE": "alias", "RCLONE_CONFIG_THERE_REMOTE": store.remote or store.url or ""}
    if seconds is not None:
        # A child that outlives this process, because that was killed, ends as well.
        variables["RCLONE_MAX_DURATION"] = f"{seconds + 60:.0f}s"
    if not store.remote:
        variables["RCLONE_CONFIG"] = ""  # none of the user's own
    if store.bucket:
        variables |= _variables_of_store(settings, store, section)
    elif store.url:
        _check_folder(Path(store.url), settings.lake.root)
    return Rclone(store.place, variables, None if seconds is None else time.monotonic() + seconds)


def rclone_at(url: str, settings: Settings) -> Rclone:
    """Return the means to reach another lake's readers' bucket, with keys, region and endpoint of `[publish]`.

    Raises:
        ConfigError: when there is no access key.
    """
    place = settings.publish.model_copy(update={"url": url, "remote": None})
    if place.bucket and not (place.endpoint or place.region):
        raise ConfigError(["publish: reading a bucket needs a region (of OBS), or the endpoint of another store"])
    return rclone_for(settings, place, "publish")


def _variables_of_store(settings: Settings, store: StoreSettings, section: str) -> dict[str, str]:
    ak, sk, token = _keys(settings, store, section)
    options = {
        "TYPE": "s3",
        "PROVIDER": "HuaweiOBS" if store.kind == "obs" else "Other",  # OBS: version 1 of lists, the bucket in the host
        "ENDPOINT": store.endpoint or f"https://obs.{store.region}.myhuaweicloud.com",
        "REGION": store.region or "us-east-1",
        "ACCESS_KEY_ID": ak,
        "SECRET_ACCESS_KEY": sk,
        "SESSION_TOKEN": token or "",
        "NO_CHECK_BUCKET": "true",  # otherwise rclone needs the permission to create buckets
    }
    found = {f"RCLONE_CONFIG_STORE_{name}": value for name, value in options.items()}
    return found | {"RCLONE_CONFIG_THERE_REMOTE": f"store:{store.bucket}"}


def _keys(settings: Settings, store: StoreSettings, section: str) -> tuple[str, str, str | None]:
    """Return access key, secret key and security token of the place, else those for the API."""
    if store.access_key and store.secret_key:
        token = store.security_token
        return store.access_key.read(), store.secret_key.read(), token.read() if token else None
    pair = access_key_from_environment(settings.auth.env_prefix)
    if pair is None and settings.auth.method == "chain":
        from pulltasks.huawei.auth import vendor_chain

        if (chain := vendor_chain()) is not None:
            pair = (chain.ak, chain.sk, chain.security_token)
    if pair is None:
        name = f"PULLTASKS_{section.upper()}"
        raise ConfigError(
            [f"{section}: no access key found; set {name}__ACCESS_KEY and {name}__SECRET_KEY (or …_FILE)"]
        )
    return pair


def _check_folder(folder: Path, root: Path) -> None:
    if not folder.is_dir():
        raise BackupError(f"{folder}: there is no such folder; create it, or mount the disk that it is on")
    if folder.resolve().is_relative_to(root.resolve()) or root.resolve().is_relative_to(folder.resolve()):
        raise BackupError(f"{folder}: lies within the lake, or the lake within it; name a folder on another disk")
