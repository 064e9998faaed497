"""`pulltasks doctor`, the part about the backup: the age of the last good one, and whether rclone is installed.

Lives here: the checks, and one line of advice per trouble; no request is sent to the backup's place.
Does not live here: comparing the place (backup.verify), printing (cli.output).
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from pulltasks.backup.causes import MISSING
from pulltasks.backup.state import read_state
from pulltasks.config import environment_for_rclone
from pulltasks.doctor.targets import Finding, Report
from pulltasks.lake.lake import Lake

if TYPE_CHECKING:
    from datetime import datetime

    from pulltasks.settings import Settings


def examine_backup(settings: Settings, now: datetime) -> Report:
    """Return the age and the last day of the last good backup, with advice if it is older than `alerts.max_age`."""
    state = read_state(Lake(settings.lake.root).backup_state, settings.backup.place)
    if state.good_at is None:
        found = Finding("last good backup", "none yet", "run `pulltasks lake backup`")
    else:
        age = now - state.good_at
        when = f"{state.good_at:%Y-%m-%d %H:%M} UTC, {age.total_seconds() / 3600:.0f} h ago"
        when += f", through {state.through}" if state.through else ""
        advice = "run `pulltasks lake backup` and see why it fails"
        is_old = age > settings.alerts.max_age
        found = Finding("last good backup", when, advice if is_old else None)
    findings = [Finding("place", settings.backup.place), found]
    # The backup starts rclone with this search path.
    path = environment_for_rclone(with_own_configuration=False).get("PATH")
    if shutil.which("rclone", path=path) is None:
        findings.append(Finding("rclone", "is not installed", MISSING))
    if state.full_at:
        findings.append(Finding("last full comparison", f"{state.full_at:%Y-%m-%d %H:%M} UTC"))
    return Report("backup", tuple(findings))
