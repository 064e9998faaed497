"""A backup: what goes there, in which order, what is refused; in a folder, by rclone or what stands in for it."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from backups import StandIn, backed_up, brought_back, contents_of, names_in, with_backup
from desk import DAYS, Desk, copied
from pulltasks.backup import backup as module
from pulltasks.backup.state import State, read_state
from pulltasks.backup.verify import verify_backup
from pulltasks.errors import BackupError
from pulltasks.lake.compaction import clear_compacted_days, compact_month
from pulltasks.lake.retention import forget_day
from pulltasks.run.order import compact, snapshot


def state_of(desk: Desk) -> State:
    return read_state(desk.lake.backup_state, desk.settings.backup.place)


def troubles(desk: Desk, *, read_data: bool = False) -> tuple[str, ...]:
    with desk.lake.lock():
        return verify_backup(desk.lake, desk.settings, read_data=read_data).troubles


def test_a_lake_comes_back_equal_to_the_byte(kept: Desk, rclone: None, tmp_path: Path) -> None:
    backed_up(kept)
    there, done = brought_back(kept, tmp_path / "there")
    assert contents_of(there) == contents_of(kept.lake)
    assert (done.days, done.rebuilt, done.troubles) == (2, (), ())
    assert there.published.resolve().name == kept.lake.published.resolve().name
    assert (there.raw.stat().st_mode & 0o777, there.published.stat().st_mode & 0o777) == (0o700, 0o644)
    assert all(path.stat().st_mode & 0o077 == 0 for path in there.raw.rglob("*"))


def test_an_earlier_state_comes_back_as_it_was(kept: Desk, rclone: None, tmp_path: Path) -> None:
    states = []
    for n in range(4):
        (kept.lake.root / f"new-{n}.txt").write_text("stays")
        (kept.lake.root / f"new-{n - 2}.txt").unlink(missing_ok=True)
        (kept.lake.root / "changed.txt").write_text(str(n))
        backed_up(kept, full=n == 2)
        states.append(contents_of(kept.lake))
    times = sorted(path.name for path in (tmp_path / "place" / "replaced").iterdir())
    for time, state in zip(times, states[:-1], strict=True):
        there, _ = brought_back(kept, tmp_path / time, replaced=time)
        assert contents_of(there) == state
    with pytest.raises(BackupError, match=r"nothing was replaced at 'never'; there are .*Z$"):
        brought_back(kept, tmp_path / "never", replaced="never")


def test_a_day_is_put_without_listing_the_place_and_raw_files_come_first_and_manifests_last(
    kept: Desk, standin: StandIn
) -> None:
    backed_up(kept)
    standin.forget()
    assert snapshot(kept.settings, DAYS[2], kept.clock, simulated=True).troubles == ()
    assert "lsf" not in standin.commands
    copies = [call["names"] for call in standin.calls if call["argv"][0] == "copy"]
    assert all(name.startswith(f"raw/snapshot_date={DAYS[2]}/") for name in copies[0])
    assert all(name.startswith("tidy/manifests/") for name in copies[-1])
    assert standin.commands[-2:] == ["move", "rcat"]  # what went away, then that it was good


def test_every_seventh_day_all_is_compared(kept: Desk, standin: StandIn) -> None:
    backed_up(kept)
    standin.forget()
    (kept.lake.root / "note.txt").write_text("new")
    clock = replace(kept.clock, now=lambda: state_of(kept).full_at + timedelta(days=7))
    with kept.lake.lock():
        assert module.Backup(kept.lake, kept.settings, clock.now, clock.new_id).put().is_full
    assert standin.commands.count("lsf") == 1


def test_what_is_missing_or_damaged_there_is_named_and_put_again(kept: Desk, rclone: None, tmp_path: Path) -> None:
    backed_up(kept)
    missing, damaged, *_ = sorted((tmp_path / "place" / "lake" / "tidy").rglob("*.parquet"))
    missing.unlink()
    content = bytearray(damaged.read_bytes())
    content[100] ^= 1
    damaged.write_bytes(content)
    for read_data in (False, True):
        found = troubles(kept, read_data=read_data)
        assert [Path(text.split(":")[0]).parts[1] for text in found] == [missing.parts[-4], damaged.parts[-4]]
    assert backed_up(kept, full=True).put >= 2
    assert troubles(kept, read_data=True) == ()
    assert contents_of(kept.lake) == contents_of(brought_back(kept, tmp_path / "there")[0])


def test_a_file_that_reads_damaged_is_put_again_whatever_checksum_the_place_names(kept: Desk, standin: StandIn) -> None:
    backed_up(kept)
    name = f"tidy/manifests/snapshot_date={DAYS[0]}.json"
    (Path(kept.settings.backup.url) / "lake" / name).write_text("damaged")
    assert len(troubles(kept, read_data=True)) == 1
    standin.forget()
    backed_up(kept)
    assert "lsf" not in standin.commands
    assert troubles(kept, read_data=True) == ()


@pytest.mark.parametrize("taken", ["raw", "tidy", "."])
def test_of_an_emptied_lake_nothing_is_moved_away(kept: Desk, rclone: None, tmp_path: Path, taken: str) -> None:
    backed_up(kept)
    before = names_in(tmp_path / "place")
    for path in list((kept.lake.root / taken).iterdir()):
        if path.name not in {"backup", ".lock"}:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    kept.lake.prepare()
    for full in (False, True):
        with pytest.raises(BackupError, match=r"no longer in the lake|holds the backup of another lake"):
            backed_up(kept, full=full)
    assert names_in(tmp_path / "place") == before


def test_more_than_a_tenth_goes_only_when_it_is_accepted_and_is_kept_beside(
    kept: Desk, rclone: None, tmp_path: Path
) -> None:
    backed_up(kept)
    shutil.rmtree(kept.lake.raw)
    with pytest.raises(BackupError, match="--accept-removals"):
        backed_up(kept)
    assert backed_up(kept, accept_removals=True).moved == 6
    (moved,) = (tmp_path / "place" / "replaced").iterdir()
    assert len(names_in(moved / "raw")) == 6


def test_compacted_and_forgotten_days_and_older_builds_are_no_loss(
    kept: Desk, standin: StandIn, tmp_path: Path
) -> None:
    backed_up(kept)
    with kept.lake.lock():
        forget_day(kept.lake, DAYS[1])
    assert backed_up(kept).moved == 9
    with kept.lake.lock():
        compact_month(kept.lake, DAYS[0].replace(day=1))
        clear_compacted_days(kept.lake)
    assert backed_up(kept).moved == 5
    there, done = brought_back(kept, tmp_path / "there")
    assert done.troubles == ()
    assert contents_of(there) == contents_of(kept.lake)


def test_a_damaged_lake_is_never_compared_and_what_is_new_is_put_all_the_same(
    kept: Desk, rclone: None, tmp_path: Path
) -> None:
    backed_up(kept)
    damaged = kept.lake.tidy_file("pull_tasks", DAYS[0])
    good = damaged.read_bytes()
    damaged.write_bytes(good[:-1] + b"?")
    kept.lake.tidy_file("captures", DAYS[1]).unlink()
    (kept.lake.root / "note.txt").write_text("new")
    for full in (False, True):
        with pytest.raises(BackupError, match=r"nothing was compared.*and 1 more.*pulltasks rebuild"):
            backed_up(kept, full=full)
    there = tmp_path / "place" / "lake"
    assert (there / damaged.relative_to(kept.lake.root)).read_bytes() == good
    assert (there / "note.txt").is_file()
    assert not [name for name in names_in(tmp_path / "place" / "replaced") if name.endswith(".parquet")]


def test_another_lakes_place_is_refused_and_left_alone(
    kept: Desk, first_two: Desk, rclone: None, tmp_path: Path
) -> None:
    backed_up(kept)
    before = {name: (tmp_path / "place" / name).read_bytes() for name in names_in(tmp_path / "place")}
    (tmp_path / "other").mkdir()
    other = replace(copied(first_two, tmp_path / "other"), extra=kept.extra)
    for full in (False, True):
        with pytest.raises(BackupError, match="holds the backup of another lake"):
            backed_up(other, full=full, accept_removals=True)
    assert "another lake" in snapshot(other.settings, DAYS[2], other.clock, simulated=True).troubles[0].text
    assert {name: (tmp_path / "place" / name).read_bytes() for name in names_in(tmp_path / "place")} == before


def test_a_copy_of_a_lake_that_went_on_elsewhere_is_refused_until_somebody_says_so(
    kept: Desk, rclone: None, tmp_path: Path
) -> None:
    backed_up(kept)
    (tmp_path / "b").mkdir()
    shutil.copytree(kept.lake.root, tmp_path / "b" / "lake", symlinks=True)
    b = replace(kept, folder=tmp_path / "b")
    (b.lake.root / "note.txt").write_text("of b")
    backed_up(b)
    (kept.lake.root / "note.txt").write_text("of a")
    with pytest.raises(BackupError, match="another copy of this lake made the last backup"):
        backed_up(kept)
    assert (tmp_path / "place" / "lake" / "note.txt").read_text() == "of b"
    backed_up(kept, full=True)
    assert (tmp_path / "place" / "lake" / "note.txt").read_text() == "of a"


def test_two_machines_take_turns_by_restoring(kept: Desk, rclone: None, tmp_path: Path) -> None:
    backed_up(kept)
    desk = kept
    for turn, day in enumerate(DAYS[2:4]):
        (tmp_path / str(turn)).mkdir()
        there = replace(desk, folder=tmp_path / str(turn))
        brought_back(there, there.folder / "lake")
        assert snapshot(there.settings, day, there.clock, simulated=True).troubles == ()
        backed_up(there, full=True)
        desk = there
    assert desk.lake.tidy_dates() == DAYS[:4]
    assert troubles(desk, read_data=True) == ()


def test_a_place_that_holds_something_else_is_refused(kept: Desk, rclone: None, tmp_path: Path) -> None:
    (tmp_path / "place" / "holiday.jpg").write_text("mine")
    with pytest.raises(BackupError, match="name an empty prefix"):
        backed_up(kept)
    assert names_in(tmp_path / "place") == {"holiday.jpg"}


def test_a_place_that_was_emptied_is_not_filled_again_unasked(kept: Desk, rclone: None, tmp_path: Path) -> None:
    backed_up(kept)
    shutil.rmtree(tmp_path / "place")
    (kept.lake.root / "note.txt").write_text("new")
    with pytest.raises(BackupError, match="there is no such folder"):
        backed_up(kept)
    (tmp_path / "place").mkdir()  # a disk that is not mounted
    with pytest.raises(BackupError, match="has none now; check the bucket or the mount"):
        backed_up(kept)
    assert names_in(tmp_path / "place") == set()
    backed_up(kept, full=True)
    assert troubles(kept, read_data=True) == ()


@pytest.mark.parametrize("at", range(1, 9))
def test_cut_before_any_command_the_next_backup_completes_it(
    kept: Desk, standin: StandIn, tmp_path: Path, at: int
) -> None:
    backed_up(kept)
    (kept.lake.root / "note.txt").write_text("old")
    backed_up(kept)
    (kept.lake.root / "note.txt").write_text("new")
    (kept.lake.root / "more.txt").write_text("more")
    kept.lake.targets_file(DAYS[0]).write_text(kept.lake.targets_file(DAYS[0]).read_text() + " ")
    (kept.lake.root / "runs.ndjson").unlink()
    standin.forget()
    standin.fail("any", "signal: killed", at)
    try:
        backed_up(kept)
    except BackupError:
        assert at <= 7
    else:
        assert at == 8
    standin.work()
    backed_up(kept)
    assert troubles(kept, read_data=True) == ()
    assert contents_of(brought_back(kept, tmp_path / "there")[0]) == contents_of(kept.lake)


def test_a_backup_that_ended_there_and_was_cut_here_counts_as_this_lakes_own(kept: Desk, standin: StandIn) -> None:
    backed_up(kept)
    before = kept.lake.backup_state.read_bytes()
    (kept.lake.root / "note.txt").write_text("new")
    backed_up(kept)
    pending = msgspec.structs.replace(msgspec.json.decode(before, type=State), pending=state_of(kept).last)
    kept.lake.backup_state.write_bytes(msgspec.json.encode(pending))
    standin.fail("copy", "connection reset")  # and so was the next one
    with pytest.raises(BackupError, match="cannot be reached"):
        backed_up(kept)
    standin.work()
    backed_up(kept)
    assert troubles(kept) == ()


def test_a_lake_without_its_record_compares_everything_and_removes_nothing(kept: Desk, rclone: None) -> None:
    backed_up(kept)
    kept.lake.backup_state.write_text("damaged")
    done = backed_up(kept)
    assert (done.is_full, done.put, done.moved) == (True, 0, 0)


def test_raw_files_go_only_after_a_good_backup_that_holds_them(kept: Desk, standin: StandIn) -> None:
    desk = replace(kept, extra=f"[lake]\nkeep_raw_days = 1\n{kept.extra}")
    assert compact(desk.settings, DAYS[6]).days_without_raw == []
    backed_up(desk)
    os.utime(kept.lake.targets_file(DAYS[0]))  # another file, for all that is known
    assert compact(desk.settings, DAYS[6]).days_without_raw == []
    backed_up(desk)
    assert compact(desk.settings, DAYS[6]).days_without_raw == [DAYS[0]]
    assert backed_up(desk).moved == 3


def test_the_place_may_not_lie_in_the_lake(kept: Desk, standin: StandIn) -> None:
    with pytest.raises(BackupError, match="name a folder on another disk"):
        backed_up(with_backup(kept, kept.lake.root / "inside"))
