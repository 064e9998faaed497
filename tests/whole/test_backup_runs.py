"""The backup within a run: before the build and after the publish, and what its failure costs."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from backups import StandIn, backed_up, brought_back, contents_of, names_in
from desk import DAYS, Desk
from pulltasks.backup import backup as module
from pulltasks.errors import LakeError
from pulltasks.run.order import forget, rebuild, snapshot
from webhook_server import Webhook


def run(desk: Desk, day=DAYS[2]):
    return snapshot(desk.settings, day, desk.clock, simulated=True)


def test_a_build_that_always_fails_loses_nothing_when_the_machine_is_lost(
    kept: Desk, rclone: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("pulltasks.run.steps.plan_build", lambda *_, **__: (_ for _ in ()).throw(LakeError("always")))
        for day in DAYS[2:5]:
            with pytest.raises(LakeError, match="always"):
                run(kept, day)
    (tmp_path / "new").mkdir()
    new = replace(kept, folder=tmp_path / "new")
    there, _ = brought_back(new, new.folder / "lake")
    assert there.raw_dates() == DAYS[:5]
    assert rebuild(new.settings, DAYS[0], DAYS[4], new.clock).status.is_complete


def test_a_place_that_fails_leaves_the_day_published_and_is_told_once(
    kept: Desk, standin: StandIn, webhook: Webhook, command
) -> None:
    standin.fail("any", "AccessDenied: no\n\tstatus code: 403")
    code, out, err = command("snapshot", "--simulated-date", DAYS[2], "--config", kept.config_file)
    assert code == 3
    assert "published" in out
    (line,) = [line for line in err.splitlines() if "backup" in line]
    assert "the key lacks a permission" in line
    (alert,) = webhook.messages[0]["alerts"]
    assert (alert["kind"], alert["severity"]) == ("backup_failed", "warning")
    assert "the key lacks a permission" in alert["text"]
    standin.work()
    assert run(kept).troubles == ()


def test_the_publish_waits_no_longer_than_raw_files_may_take_and_the_run_ends_in_its_time(
    kept: Desk, standin: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "RAW_SECONDS", 0.5)
    standin.fail("any", 60)
    began = time.monotonic()
    result = run(kept)
    assert "there was no more time" in result.troubles[0].text
    assert result.status.is_complete
    assert time.monotonic() - began < 40


def test_a_run_with_nothing_new_starts_no_process(kept: Desk, standin: StandIn) -> None:
    run(kept)
    standin.forget()
    assert run(kept).troubles == ()
    assert standin.calls == []


def test_raw_files_that_could_not_be_put_are_put_by_the_next_run(kept: Desk, standin: StandIn, tmp_path: Path) -> None:
    backed_up(kept)
    standin.forget()
    standin.fail("copy", "SlowDown: later\n\tstatus code: 503", 1)
    assert "fewer requests" in run(kept).troubles[0].text
    standin.work()
    assert run(kept, DAYS[3]).troubles == ()
    backed_up(kept, full=True)
    assert contents_of(brought_back(kept, tmp_path / "there")[0]) == contents_of(kept.lake)


def test_a_forgotten_day_goes_and_what_the_backup_still_holds_is_said(
    kept: Desk, standin: StandIn, tmp_path: Path, command
) -> None:
    run(kept)
    code, out, err = command("forget", "--date", DAYS[2], "--yes", "--config", kept.config_file)
    assert code == 0, err
    assert "replaced/" in out
    left = names_in(tmp_path / "place" / "lake")
    assert not [name for name in left if name.startswith(("raw/", "tidy/")) and str(DAYS[2]) in name]
    assert [name for name in names_in(tmp_path / "place" / "replaced") if f"raw/snapshot_date={DAYS[2]}" in name]
    assert forget(kept.settings, DAYS[1], kept.clock).troubles == ()
