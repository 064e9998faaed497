"""What `doctor` says of the backup."""

from __future__ import annotations

from datetime import timedelta

from backups import StandIn, backed_up
from desk import Desk
from pulltasks.doctor.backup import examine_backup


def test_doctor_tells_when_the_last_good_backup_was(kept: Desk, standin: StandIn) -> None:
    now = kept.clock.now()
    assert not examine_backup(kept.settings, now).is_healthy
    backed_up(kept)
    report = examine_backup(kept.settings, now + timedelta(hours=1))
    assert report.is_healthy
    assert any("1 h ago" in finding.answer for finding in report.findings)
    assert not examine_backup(kept.settings, now + timedelta(hours=27)).is_healthy
