# ruff: noqa: F811 - the fixtures are those of the module beside
"""The mirror under what lakes and stores do: rot, lost files, wrong clocks, hostile names, steps in another order."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import msgspec
import pytest
from test_mirror import (  # noqa: F401 - fixtures
    DAYS,
    MIRROR,
    READERS,
    URL,
    begun,
    brought_back,
    buckets,
    desk,
    elsewhere,
    files,
    keeping_raw,
    killed_before_its_tables,
    mirrored,
    push,
    run,
)

from buckets import Buckets, Killed
from conftest import BEIJING, SINGAPORE, Desk, copied
from dagster_runs import run_day
from history import contents
from pulltasks.errors import ConfigError, LakeError, MirrorError
from pulltasks.lake.lake import Lake
from pulltasks.lake.manifests import read_manifest
from pulltasks.mirror.heads import Head, head_key, newest_seq, read_head
from pulltasks.mirror.push import Mirror
from pulltasks.mirror.state import read_state, write_state
from pulltasks.mirror.store import Store, sha256
from pulltasks.mirror.verify import verify_lake, verify_mirror
from pulltasks.run.order import compact, forget, rebuild
from pulltasks.sandbox.server import Sandbox, serving
from test_upgrade import unpacked


def is_whole(desk: Desk) -> bool:
    return verify_mirror(desk.settings, desk.clock.now)[1] == []


def rot(path: Path) -> None:
    """Damage all but the beginning of a file."""
    content = bytearray(path.read_bytes())
    content[-20:] = bytes(20)
    path.write_bytes(bytes(content))


def test_a_capture_that_rots_on_disk_does_not_overwrite_the_good_one(desk: Desk, buckets: Buckets, tmp_path) -> None:
    push(desk)
    path = desk.lake.raw_file(DAYS[0], BEIJING.project_id, BEIJING.region)
    key = next(key for key in buckets.keys(URL, "raw/") if f"{DAYS[0]}/{BEIJING.project_id}" in key)
    good = buckets.content(URL, key)
    rot(path)
    rebuild(desk.settings, DAYS[0], DAYS[0], desk.clock)
    run(desk, DAYS[3])
    assert buckets.content(URL, key) == good
    assert is_whole(desk)
    brought_back(desk, tmp_path / "there")


@pytest.mark.parametrize("lost", ["a day", "a file", "a target list"])
def test_what_was_lost_before_the_mirror_was_there_costs_no_restore(
    desk: Desk, buckets: Buckets, tmp_path: Path, lost: str
) -> None:
    {
        "a day": lambda: shutil.rmtree(desk.lake.targets_file(DAYS[0]).parent),
        "a file": lambda: desk.lake.raw_file(DAYS[0], BEIJING.project_id, BEIJING.region).unlink(),
        "a target list": lambda: desk.lake.targets_file(DAYS[0]).unlink(),
    }[lost]()
    push(desk)
    head = read_head(Store(URL, desk.settings, desk.clock.now), 2)
    assert (head.without_raw, len(head.missing_raw)) == (([DAYS[0]], 0) if lost == "a day" else ([], 1))
    assert is_whole(desk)
    there, _ = brought_back(desk, tmp_path / "there")
    assert files(there.lake) == files(desk.lake)
    assert push(desk).objects == 0


def test_raw_files_that_come_back_are_put(begun: Desk, desk: Desk, buckets: Buckets, tmp_path: Path) -> None:
    folder = desk.lake.targets_file(DAYS[0]).parent
    single = desk.lake.raw_file(DAYS[2], BEIJING.project_id, BEIJING.region)
    shutil.rmtree(folder)
    single.unlink()
    push(desk)
    shutil.copytree(begun.lake.targets_file(DAYS[0]).parent, folder)
    shutil.copy(begun.lake.raw_file(DAYS[2], BEIJING.project_id, BEIJING.region), single)
    push(desk)
    head = read_head(Store(URL, desk.settings, desk.clock.now), 3)
    assert (head.without_raw, head.missing_raw) == ([], [])
    there, _ = brought_back(desk, tmp_path / "there")
    assert files(there.lake) == files(begun.lake)


def test_raw_files_of_a_run_that_came_to_no_version_are_adopted_after_later_versions(
    desk: Desk, buckets: Buckets, tmp_path: Path
) -> None:
    push(desk)
    killed_before_its_tables(desk, DAYS[3])
    desk.lake.run_log.write_text("{}\n")
    push(desk)  # a version after them, which does not name them
    there, done = brought_back(desk, tmp_path / "there")
    assert done.adopted == 3
    assert DAYS[3] in there.lake.raw_dates()


def test_what_an_older_kept_version_names_stays_after_a_restore(
    desk: Desk, buckets: Buckets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pulltasks.mirror.retention.UNNAMED_FOR", timedelta(seconds=-5))
    push(desk)
    for day in DAYS[3:]:
        run(desk, day)
    there, _ = brought_back(desk, tmp_path / "there")
    state = read_state(there.lake)
    older = {seq: desk.settings.today(desk.clock.now()) - timedelta(days=5 - seq) for seq in (2, 3)}
    write_state(there.lake, msgspec.structs.replace(state, kept=state.kept | older))
    for n in range(4):
        there.lake.run_log.write_text("{}\n" * (n + 1))
        push(there)
    assert 2 in read_state(there.lake).kept
    for seq in read_state(there.lake).kept:
        brought_back(desk, tmp_path / f"version-{seq}", seq=seq)


def test_an_older_version_comes_back_without_what_was_forgotten_since(
    desk: Desk, buckets: Buckets, tmp_path: Path
) -> None:
    push(desk)
    forget(desk.settings, DAYS[1], desk.clock)
    there, done = brought_back(desk, tmp_path / "there", seq=2)
    assert there.lake.tidy_dates() == there.lake.raw_dates() == [DAYS[0], DAYS[2]]
    assert done.head.published is None
    run(replace(there, extra=""), DAYS[3])
    assert list(verify_lake(there.lake)) == []


def test_of_an_older_closed_month_that_holds_a_forgotten_day_the_rest_comes_back(
    desk: Desk, buckets: Buckets, tmp_path: Path
) -> None:
    run(desk, DAYS[3])
    compact(desk.settings, DAYS[3])
    push(desk)
    version = newest_seq(Store(URL, desk.settings, desk.clock.now))
    forget(desk.settings, DAYS[1], desk.clock)
    there, _ = brought_back(desk, tmp_path / "there", seq=version)
    assert there.lake.raw_dates() == [DAYS[0], DAYS[2], DAYS[3]]
    run(replace(there, extra=""), DAYS[4])
    assert there.lake.tidy_dates() == [DAYS[0], *DAYS[2:]]
    assert list(verify_lake(there.lake)) == []


def test_an_older_version_comes_back_without_raw_files_that_compact_removed_since(
    desk: Desk, buckets: Buckets, tmp_path: Path
) -> None:
    push(desk)
    run(desk, DAYS[3])
    short = keeping_raw(desk, 2)
    compact(short.settings, DAYS[3])
    push(short)
    for seq in (2, 3):
        there, done = brought_back(short, tmp_path / str(seq), seq=seq)
        assert DAYS[0] in done.without_raw
        assert DAYS[0] in there.lake.tidy_dates()


def test_a_clock_that_runs_ahead_empties_no_history(desk: Desk, buckets: Buckets) -> None:
    push(desk)
    ahead = desk.clock.now() + timedelta(days=4000)
    desk.lake.run_log.write_text("{}\n")
    with desk.lake.lock():
        Mirror(desk.lake, desk.settings, "ahead", lambda: ahead).push()
    for n in range(2):
        desk.lake.run_log.write_text("{}\n" * (n + 2))
        push(desk)
    kept = read_state(desk.lake).kept
    assert max(kept.values()) <= desk.settings.today(desk.clock.now())


def test_a_day_that_was_lost_after_it_was_forgotten_and_captured_again_stays(
    desk: Desk, buckets: Buckets, tmp_path: Path
) -> None:
    push(desk)
    forget(desk.settings, DAYS[2], desk.clock)
    run(desk, DAYS[2])
    desk.lake.manifest_file(DAYS[2]).unlink()
    shutil.rmtree(desk.lake.targets_file(DAYS[2]).parent)
    assert push(desk).kept_days == (DAYS[2],)
    assert is_whole(desk)


def test_a_raw_folder_that_is_not_there_removes_nothing_from_the_mirror(desk: Desk, buckets: Buckets) -> None:
    short = keeping_raw(desk, 1)
    push(short)
    held = buckets.keys(URL, "raw/")
    shutil.rmtree(short.lake.raw)
    short.lake.prepare()
    short.lake.run_log.write_text("{}\n")
    push(short)
    assert buckets.keys(URL, "raw/") == held
    assert is_whole(short)


@pytest.mark.parametrize("verb", ["compact", "dashboard"])
def test_nothing_works_on_a_lake_that_is_being_restored(
    desk: Desk, buckets: Buckets, tmp_path: Path, verb: str
) -> None:
    from pulltasks.dashboard import write_dashboard_alone

    push(desk)
    desk.lake.restoring.write_text("{}")
    with pytest.raises(LakeError, match="is being restored"):
        compact(desk.settings, DAYS[2]) if verb == "compact" else write_dashboard_alone(desk.settings)


def test_tables_that_rotted_are_left_out_and_put_once_they_are_mended(
    desk: Desk, buckets: Buckets, tmp_path: Path
) -> None:
    path = desk.lake.tidy_file("pull_tasks", DAYS[0])
    good = path.read_bytes()
    rot(path)
    assert push(desk).damaged == (str(DAYS[0]),)
    assert is_whole(desk)
    path.write_bytes(good)
    assert push(desk).damaged == ()
    there, _ = brought_back(desk, tmp_path / "there")
    assert files(there.lake) == files(desk.lake)


def test_forgetting_says_that_the_mirror_still_has_the_day_and_the_next_push_removes_it(
    desk: Desk, buckets: Buckets, tmp_path: Path
) -> None:
    push(desk)
    buckets.is_reached = False
    assert any("mirror" in text for text in forget(desk.settings, DAYS[1], desk.clock).troubles)
    shutil.rmtree(desk.lake.forgotten)  # somebody tidies up
    buckets.is_reached = True
    push(desk)
    assert [key for key in buckets.keys(URL, "raw/") if str(DAYS[1]) in key] == []
    there, _ = brought_back(desk, tmp_path / "there")
    assert DAYS[1] not in there.lake.raw_dates()


def test_forgetting_the_last_day_reaches_the_mirror(desk: Desk, buckets: Buckets, tmp_path: Path) -> None:
    push(desk)
    for day in DAYS[:3]:
        forget(desk.settings, day, desk.clock)
    assert buckets.keys(URL, "raw/") == []
    there, _ = brought_back(desk, tmp_path / "there")
    assert there.lake.raw_dates() == there.lake.tidy_dates() == []


def test_removing_goes_on_after_a_kill(desk: Desk, buckets: Buckets, monkeypatch: pytest.MonkeyPatch) -> None:
    push(desk)
    with monkeypatch.context() as patch:
        patch.setattr("pulltasks.mirror.retention.let_go", lambda *_: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            forget(desk.settings, DAYS[1], desk.clock)
    assert [key for key in buckets.keys(URL, "raw/") if str(DAYS[1]) in key]
    push(desk)
    assert [key for key in buckets.keys(URL, "raw/") if str(DAYS[1]) in key] == []


def test_what_a_refresh_replaced_goes_with_a_forgotten_day(desk: Desk, buckets: Buckets, tmp_path: Path) -> None:
    run(desk, DAYS[3])
    run(desk, DAYS[3], refresh=True)
    of_day = [key for key in buckets.keys(URL, "raw/") if str(DAYS[3]) in key and "targets" not in key]
    assert len(of_day) == 4
    forget(desk.settings, DAYS[3], desk.clock)
    assert [key for key in buckets.keys(URL, "raw/") if str(DAYS[3]) in key] == []


def test_raw_files_of_days_whose_manifests_name_none_come_back(desk: Desk, buckets: Buckets, tmp_path: Path) -> None:
    path = desk.lake.manifest_file(DAYS[0])
    manifest = msgspec.structs.replace(read_manifest(path), sources=None)
    path.write_bytes(msgspec.json.encode(manifest))
    push(desk)
    there, _ = brought_back(desk, tmp_path / "there")
    assert [path.read_bytes() for path in there.lake.raw_files(DAYS[0])] == [
        path.read_bytes() for path in desk.lake.raw_files(DAYS[0])
    ]


@pytest.mark.parametrize(
    "name", ["../../evil.txt", "/tmp/evil.txt", "raw/evil", "warehouse/../evil.duckdb", "warehouse/x.duckdb", ".lock"]
)
def test_a_version_that_names_files_of_no_lake_is_refused(
    desk: Desk, buckets: Buckets, tmp_path: Path, name: str
) -> None:
    push(desk)
    bucket = buckets.stores[URL]
    head = msgspec.json.decode(buckets.content(URL, head_key(2)), type=Head)
    blob = next(iter(head.files.values()))
    evil = msgspec.structs.replace(head, seq=3, files=head.files | {name: blob})
    bucket.put(head_key(3), msgspec.json.encode(evil))
    with pytest.raises(MirrorError, match="no file of a lake"):
        brought_back(desk, tmp_path / "there")
    assert not (tmp_path / "evil.txt").exists()


@pytest.mark.parametrize("where", ["table", "project", "published"])
def test_a_manifest_that_names_files_elsewhere_is_refused(
    desk: Desk, buckets: Buckets, tmp_path: Path, where: str
) -> None:
    push(desk)
    bucket = buckets.stores[URL]
    head = msgspec.json.decode(buckets.content(URL, head_key(2)), type=Head)
    manifest = msgspec.json.decode(desk.lake.manifest_file(DAYS[0]).read_bytes())
    if where == "table":
        manifest["tables"]["pull_tasks"]["file"] = "../../evil"
    elif where == "project":
        manifest["sources"]["captures"][0]["project_id"] = "../../.."
    content = msgspec.json.encode(manifest)
    bucket.put(f"blobs/{sha256(content)}", content)
    head = msgspec.structs.replace(head, seq=3, days=head.days | {DAYS[0]: sha256(content)})
    if where == "published":
        head = msgspec.structs.replace(head, published="../../etc/passwd")
    bucket.put(head_key(3), msgspec.json.encode(head))
    with pytest.raises(MirrorError, match=r"no table of a lake|no raw file of a lake|does not have it"):
        brought_back(desk, tmp_path / "there")


@pytest.mark.parametrize("name", ["notes.txt", "", "0000/notes", f"{BEIJING.project_id}/{BEIJING.region}/x.txt"])
def test_somebodys_own_objects_are_left_alone(desk: Desk, buckets: Buckets, tmp_path: Path, name: str) -> None:
    push(desk)
    key = f"raw/snapshot_date={DAYS[2]}/{name}".rstrip("/") or "x"
    buckets.stores[URL].put(key, b"somebody's own")
    there, _ = brought_back(desk, tmp_path / "there")
    assert files(there.lake) == files(desk.lake)
    assert key in buckets.keys(URL)


def test_a_build_that_shows_secrets_never_goes_to_readers(desk: Desk, buckets: Buckets) -> None:
    run(mirrored(desk, "[warehouse]\nexpose_secrets = true\n"), DAYS[3])
    switched_off = mirrored(desk, f'published_url = "{READERS}"\n')
    push(switched_off)
    assert buckets.keys(READERS) == []


@pytest.mark.parametrize("more", ['published_url = "s3://lake/prod"', 'published_url = "s3://lake/prod/readers"'])
def test_readers_have_a_bucket_of_their_own(desk: Desk, more: str) -> None:
    with pytest.raises(ConfigError, match="name another bucket"):
        _ = mirrored(desk, f"{more}\n").settings


def test_a_region_that_is_none_is_a_mistake_of_the_configuration(desk: Desk) -> None:
    with pytest.raises(ConfigError, match="region"):
        _ = replace(desk, extra=MIRROR.replace("cn-north-4", "cn-north-4 ")).settings


def test_whatever_the_client_ends_with_costs_no_day(desk: Desk, buckets: Buckets, monkeypatch) -> None:
    class PanicException(BaseException):
        pass

    def panic(*_: object, **__: object) -> None:
        raise PanicException("called `Result::unwrap()` on an `Err` value")

    monkeypatch.setattr("pulltasks.mirror.store.obstore.list", panic)
    result = run(desk, DAYS[3])
    assert result.status.is_complete
    assert "unwrap" in result.mirror_error


def test_a_lake_behind_a_symbolic_link_is_mirrored(desk: Desk, buckets: Buckets, tmp_path: Path) -> None:
    real = tmp_path / "elsewhere"
    desk.lake.root.rename(real)
    desk.lake.root.symlink_to(real)
    push(desk)
    there, _ = brought_back(desk, tmp_path / "there")
    assert files(there.lake) == files(Lake(real))


def test_a_trouble_with_the_readers_bucket_costs_no_version(desk: Desk, buckets: Buckets, monkeypatch) -> None:
    original = Store.put

    def refusing(store: Store, key: str, content: object) -> None:
        if store.url == READERS:
            raise MirrorError(f"{READERS}: refused")
        original(store, key, content)

    monkeypatch.setattr(Store, "put", refusing)
    result = run(mirrored(desk, f'published_url = "{READERS}"\n'), DAYS[3])
    assert READERS in result.mirror_error
    assert newest_seq(Store(URL, desk.settings, desk.clock.now)) == 2
    monkeypatch.undo()


def test_after_an_older_version_was_restored_the_lake_goes_on(desk: Desk, buckets: Buckets, tmp_path: Path) -> None:
    push(desk)
    then = contents(desk.lake.published)
    run(desk, DAYS[3])
    there, _ = brought_back(desk, tmp_path / "there", seq=2)
    assert contents(there.lake.published) == then
    result = run(there, DAYS[4])
    assert result.mirror_error is None
    assert any(str(DAYS[3]) in text for text in result.surprises)  # the mirror keeps the day that was left behind
    assert newest_seq(Store(URL, desk.settings, desk.clock.now)) == 4
    assert is_whole(there)


def test_two_copies_in_a_store_that_ignores_conditions_are_told_apart(
    begun: Desk, buckets: Buckets, tmp_path: Path
) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one = mirrored(copied(begun, tmp_path / "one"))
    push(one)
    two = mirrored(copied(replace(one, extra=""), tmp_path / "two"))
    buckets.ignores_conditions = True
    for each in (one, two):
        each.lake.run_log.write_text(f"{each.folder}\n")
    push(one)
    stale = Mirror(two.lake, two.settings, "two", two.clock.now)
    with two.lake.lock(), pytest.MonkeyPatch.context() as patch:
        patch.setattr("pulltasks.mirror.push.newest_seq", lambda *_: 2)  # what it saw before the other one's version
        stale.push()
    one.lake.run_log.write_text("more\n")
    with pytest.raises(MirrorError, match="another copy"):
        push(one)


def test_singapores_failed_day_comes_back_as_well(desk: Desk, buckets: Buckets, tmp_path: Path) -> None:
    push(desk)
    there, _ = brought_back(desk, tmp_path / "there")
    assert there.lake.raw_file(DAYS[1], SINGAPORE.project_id, SINGAPORE.region).is_file()
    assert elsewhere(desk, tmp_path / "other").lake.raw_dates() == []


ARCHIVES = sorted((Path(__file__).parent.parent / "lakes").glob("[!d]*.tar.xz"))


@pytest.mark.parametrize("archive", ARCHIVES, ids=lambda path: path.name.removesuffix(".tar.xz"))
def test_a_lake_of_an_earlier_version_is_mirrored_and_comes_back(
    buckets: Buckets, tmp_path: Path, archive: Path
) -> None:
    old = mirrored(unpacked(archive, tmp_path, BEIJING))
    root = next(path.parent for path in old.folder.rglob("raw") if path.is_dir())
    if root != old.lake.root:
        shutil.rmtree(old.lake.root, ignore_errors=True)
        root.rename(old.lake.root)
    old.lake.prepare()
    before = files(old.lake)
    push(old)
    assert is_whole(old)
    key = old.lake.redaction_key if old.lake.redaction_key.exists() else None
    there, _ = brought_back(old, tmp_path / "there", key_file=key)
    assert {name: content for name, (content, _) in files(there.lake).items()} == {
        name: content for name, (content, _) in before.items()
    }


def test_dagsters_run_puts_the_lake_into_its_mirror_and_fails_where_it_cannot(buckets: Buckets, tmp_path: Path) -> None:
    sandbox = Sandbox((replace(SINGAPORE, task_count=12),))
    with serving(sandbox) as url:
        desk = mirrored(Desk(sandbox, url, tmp_path, sandbox.places))
        first, second = date(2026, 11, 20), date(2026, 11, 21)
        assert run_day(desk, first).success
        assert is_whole(desk)
        assert newest_seq(Store(URL, desk.settings, desk.clock.now)) == 2
        buckets.is_reached = False
        failed = run_day(desk, second)
        assert not failed.success
        assert "its mirror does not hold all of it" in str(failed.all_events)
        buckets.is_reached = True
        assert run_day(desk, second).success
        assert is_whole(desk)
