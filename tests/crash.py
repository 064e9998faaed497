"""A run that kills itself (SIGKILL) just before its n-th write, rename or sync inside the lake; no test by itself."""

from __future__ import annotations

import os
import signal
import sys
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path

WATCHED = {"open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.symlink"}


class Fuse:
    """Counts what happens inside a lake, and kills the process just before event `nth` (None: never)."""

    def __init__(self, root: Path, nth: int | None) -> None:
        self.root = str(root)
        self.nth = nth
        self.events = 0
        self.opened_in_place: list[str] = []

    def happen(self) -> None:
        self.events += 1
        if self.events == self.nth:
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(self, event: str, arguments: tuple) -> None:
        if event not in WATCHED or self.root not in str(arguments[0]):
            return
        if event == "open":
            if not (isinstance(arguments[1], str) and set(arguments[1]) & set("wxa+")):
                return
            if ".unfinished" not in str(arguments[0]):
                self.opened_in_place.append(str(arguments[0]))
        self.happen()

    def before(self, owner: object, name: str, *, every: int = 1) -> None:
        """Let every so many calls of a function count as an event."""
        original = getattr(owner, name)
        calls = count()

        def wrapped(*arguments: object, **named: object) -> object:
            if next(calls) % every == 0:
                self.happen()
            return original(*arguments, **named)

        setattr(owner, name, wrapped)

    def arm(self) -> None:
        sys.addaudithook(self.audit)
        self.before(os, "fsync")

    def report(self, path: Path | None) -> None:
        """The number of events in the first line, then every path that was opened for writing in place."""
        if path is not None:
            path.write_text("\n".join([str(self.events), *self.opened_in_place]))


def run_and_die(config_file: Path, day: date, nth: int | None, report: Path | None = None) -> None:
    """Run a snapshot; die before event `nth`, or (None) live and report."""
    os.environ |= {
        "HUAWEICLOUD_SDK_AK": "SANDBOXACCESSKEY0001",
        "HUAWEICLOUD_SDK_SK": "sandbox-secret-key-for-demo-and-tests-01",
    }
    from pulltasks import config
    from pulltasks.clock import Clock
    from pulltasks.lake.raw import RawWriter
    from pulltasks.run.order import snapshot
    from pulltasks.warehouse.build import finish
    from pulltasks.warehouse.build.day_builder import DayBuilder

    settings = config.load(config_file)
    fuse = Fuse(settings.lake.root, nth)
    fuse.arm()
    fuse.before(RawWriter, "_write")
    fuse.before(DayBuilder, "make", every=5)  # nobody sees the models before the file is finished
    fuse.before(finish, "write_meta")
    identifiers = count(1)
    snapshot(settings, day, Clock(lambda: datetime.now(UTC), lambda: f"capture-{next(identifiers)}"), simulated=True)
    fuse.report(report)


def compact_and_die(config_file: Path, nth: int | None, report: Path | None = None) -> None:
    """Compact all closed months; die before event `nth`, or (None) live and report."""
    from pulltasks import config
    from pulltasks.run.order import compact

    settings = config.load(config_file)
    fuse = Fuse(settings.lake.root, nth)
    fuse.arm()
    compact(settings, date.max)
    fuse.report(report)


def rebuild_and_die(config_file: Path, day: date, nth: int | None, report: Path | None = None) -> None:
    """Rebuild one day; die before event `nth`, or (None) live and report."""
    from pulltasks import config
    from pulltasks.clock import Clock
    from pulltasks.run.order import rebuild
    from pulltasks.warehouse.build import finish

    settings = config.load(config_file)
    fuse = Fuse(settings.lake.root, nth)
    fuse.arm()
    fuse.before(finish, "write_meta")
    rebuild(settings, day, day, Clock(lambda: datetime.now(UTC), lambda: "capture"))
    fuse.report(report)


def run_for(config_file: Path, day: date) -> None:
    """Run a snapshot that lives."""
    run_and_die(config_file, day, None)
