"""A lake that comes back: into which folder, after a cut, with files that are damaged or missing there."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from backups import StandIn, backed_up, brought_back, contents_of
from desk import DAYS, Desk
from pulltasks.errors import BackupError, LakeError
from pulltasks.run.order import snapshot


def test_it_comes_back_into_an_empty_folder_only(kept: Desk, rclone: None, tmp_path: Path, command) -> None:
    backed_up(kept)
    before = contents_of(kept.lake)
    code, _, err = command("lake", "restore", "--config", kept.config_file)
    assert code == 1
    assert "is not empty; name an empty folder" in err
    assert contents_of(kept.lake) == before
    code, out, _ = command("lake", "restore", "--into", tmp_path / "there", "--config", kept.config_file)
    assert (code, out) == (0, f"restored {tmp_path / 'there'}: {len(before)} files, 2 days\n")


def test_cut_it_is_no_lake_and_goes_on_when_it_is_called_again(kept: Desk, standin: StandIn, tmp_path: Path) -> None:
    backed_up(kept)
    standin.fail("copy", "connection reset")
    (tmp_path / "new").mkdir()
    new = replace(kept, folder=tmp_path / "new")
    with pytest.raises(BackupError, match="cannot be reached"):
        brought_back(new, new.folder / "lake")
    standin.work()
    with pytest.raises(LakeError, match=r"pulltasks lake restore"):
        snapshot(new.settings, DAYS[2], new.clock, simulated=True)
    there, done = brought_back(new, new.folder / "lake")
    assert (contents_of(there), done.troubles) == (contents_of(kept.lake), ())
    assert snapshot(new.settings, DAYS[2], new.clock, simulated=True).troubles == ()


def test_damaged_and_missing_tables_are_rebuilt_from_raw_files(kept: Desk, rclone: None, tmp_path: Path) -> None:
    backed_up(kept)
    tidy = tmp_path / "place" / "lake" / "tidy"
    (tidy / "captures" / "daily" / f"snapshot_date={DAYS[0]}" / "data.parquet").unlink()
    (tidy / "manifests" / f"snapshot_date={DAYS[1]}.json").unlink()
    (tidy / "manifests" / f"snapshot_date={DAYS[0]}.json").write_text("{")
    there, done = brought_back(kept, tmp_path / "there")
    assert (done.rebuilt, done.troubles) == (tuple(DAYS[:2]), ())
    assert contents_of(there) == contents_of(kept.lake)


def test_what_cannot_be_rebuilt_is_named_and_the_rest_can_be_used(kept: Desk, rclone: None, tmp_path: Path) -> None:
    backed_up(kept)
    lake = tmp_path / "place" / "lake"
    raw, *_ = sorted((lake / "raw" / f"snapshot_date={DAYS[0]}").rglob("*.zst"))
    raw.write_bytes(b"damaged")
    for path in (lake / "raw" / f"snapshot_date={DAYS[1]}").rglob("*"):
        path.unlink() if path.is_file() else None
    (lake / "tidy" / "pull_tasks" / "daily" / f"snapshot_date={DAYS[1]}" / "data.parquet").unlink()
    (tmp_path / "new").mkdir()
    new = replace(kept, folder=tmp_path / "new")
    _, done = brought_back(new, new.folder / "lake")
    assert len(done.troubles) == 2
    assert str(raw.relative_to(lake)) in done.troubles[0]
    assert f"snapshot_date={DAYS[1]}/data.parquet: is missing" in done.troubles[1]
    result = snapshot(new.settings, DAYS[2], new.clock, simulated=True)
    assert result.status.is_complete


def test_a_place_without_a_backup_is_refused(kept: Desk, rclone: None, tmp_path: Path) -> None:
    with pytest.raises(BackupError, match="holds no backup of a lake"):
        brought_back(kept, tmp_path / "there")
