"""A run that kills itself (SIGKILL) just before its n-th write, rename or sync inside the lake; no test by itself."""

from __future__ import annotations

import os
import signal
import sys
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path

WATCHED = {"open", "os.rename", "os.remove", "os.mkdir", "os.chmod", "os.symlink"}


def run_and_die(config_file: Path, day: date, nth: int | None, report: Path | None = None) -> None:
    """Run a snapshot; die before event `nth`, or (None) live and report.

    The report has the number of events in its first line, then every path that was opened for writing in place.
    """
    os.environ |= {
        "HUAWEICLOUD_SDK_AK": "SANDBOXACCESSKEY0001",
        "HUAWEICLOUD_SDK_SK": "sandbox-secret-key-for-demo-and-tests-01",
    }
    from pipelines import config
    from pipelines.build import WorkingCopy
    from pipelines.capture import Clock
    from pipelines.raw import RawWriter
    from pipelines.runs import snapshot

    settings = config.load(config_file)
    events = count(1)
    last = [0]
    in_place: list[str] = []

    def happen() -> None:
        last[0] = next(events)
        if last[0] == nth:
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(event: str, arguments: tuple) -> None:
        if event in WATCHED and str(settings.lake.root) in str(arguments[0]):
            if event == "open" and not (isinstance(arguments[1], str) and set(arguments[1]) & set("wxa+")):
                return
            if event == "open" and ".unfinished" not in str(arguments[0]):
                in_place.append(str(arguments[0]))
            happen()

    def before(owner: object, name: str, *, every: int = 1) -> None:
        original = getattr(owner, name)
        calls = count()

        def wrapped(*arguments: object, **named: object) -> object:
            if next(calls) % every == 0:
                happen()
            return original(*arguments, **named)

        setattr(owner, name, wrapped)

    sys.addaudithook(audit)
    before(os, "fsync")
    before(RawWriter, "_write")
    before(WorkingCopy, "_make", every=5)  # nobody sees the models before the file is finished
    before(WorkingCopy, "_write_meta")
    identifiers = count(1)
    snapshot(settings, day, Clock(lambda: datetime.now(UTC), lambda: f"capture-{next(identifiers)}"), simulated=True)
    if report is not None:
        report.write_text("\n".join([str(last[0]), *in_place]))


def run_for(config_file: Path, day: date) -> None:
    """Run a snapshot that lives."""
    run_and_die(config_file, day, None)
