"""What a lake's mirror holds is the lake: it comes back whole, whatever happened while it was put, and to nobody else."""

from __future__ import annotations

import shutil
import threading
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import msgspec
import pytest

from buckets import Buckets, Killed
from conftest import BEIJING, SINGAPORE, Desk, copied
from history import contents
from pulltasks.doctor.mirror import examine_mirror
from pulltasks.errors import LakeBusy, LakeError, MirrorError
from pulltasks.lake.lake import Lake
from pulltasks.mirror import retention
from pulltasks.mirror.heads import HEADS, Head, head_key, newest_seq, read_head
from pulltasks.mirror.push import Mirror
from pulltasks.mirror.readers import PUBLISHED_FILE, PUBLISHED_PAGE
from pulltasks.mirror.restore import restore
from pulltasks.mirror.state import read_state, write_state
from pulltasks.mirror.store import Store, sha256
from pulltasks.mirror.verify import reads_conditions, verify_lake, verify_mirror
from pulltasks.run.order import compact, forget, snapshot
from pulltasks.sandbox.server import Sandbox, serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

DAYS = [date(2026, 11, 28) + timedelta(days=n) for n in range(5)]  # two months
URL, READERS = "s3://lake/prod", "s3://readers/all"
MIRROR = f'[lake.mirror]\nurl = "{URL}"\nregion = "cn-north-4"\n'
# Made again where it is missing, or said by the lake itself alone.
LOCAL = ("bases", "dashboard", ".unfinished", ".lock", "mirror")


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Three days of two targets, never mirrored; Singapore is refused on the second."""
    sandbox = Sandbox((replace(BEIJING, task_count=30), replace(SINGAPORE, task_count=12)))
    sandbox.faults[SINGAPORE.project_id, DAYS[1]] = "forbidden"
    with pytest.MonkeyPatch.context() as patch, serving(sandbox) as url:
        patch.setenv("HUAWEICLOUD_SDK_AK", "SANDBOXACCESSKEY0001")
        patch.setenv("HUAWEICLOUD_SDK_SK", "sandbox-secret-key-for-demo-and-tests-01")
        desk = Desk(sandbox, url, tmp_path_factory.mktemp("begun"), sandbox.places)
        for day in DAYS[:3]:
            snapshot(desk.settings, day, desk.clock, simulated=True)
        yield desk


@pytest.fixture
def buckets(monkeypatch: pytest.MonkeyPatch) -> Buckets:
    return Buckets(monkeypatch)


@pytest.fixture
def desk(begun: Desk, tmp_path: Path) -> Desk:
    return mirrored(copied(begun, tmp_path))


def mirrored(desk: Desk, extra: str = "", *, root: str = "lake") -> Desk:
    return replace(desk, extra=f'[lake]\nroot = "{root}"\n{MIRROR}{extra}', ids=[desk.ids[0] + 100])


def keeping_raw(desk: Desk, days: int) -> Desk:
    """The desk with a configuration by which `compact` lets go of older raw files."""
    return replace(desk, extra=desk.extra.replace("[lake.mirror]", f"keep_raw_days = {days}\n[lake.mirror]"))


def killed_before_its_tables(desk: Desk, day: date) -> None:
    """A run that captures, and is killed before anything is made of it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pulltasks.run.steps.Run.normalise", lambda *_: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            run(desk, day)


def elsewhere(desk: Desk, folder: Path, extra: str = "") -> Desk:
    """Another machine with the same configuration and an empty root."""
    folder.mkdir()
    return mirrored(replace(desk, folder=folder), extra)


def push(desk: Desk):
    desk.lake.prepare()
    with desk.lake.lock():
        return Mirror(desk.lake, desk.settings, desk.clock.new_id(), desk.clock.now).push()


def brought_back(desk: Desk, folder: Path, **options):
    there = elsewhere(desk, folder)
    there.lake.prepare()
    with there.lake.lock():
        done = restore(there.lake, there.settings, there.clock.now, **{"key_file": desk.lake.redaction_key, **options})
    return there, done


def run(desk: Desk, day: date, **options):
    return snapshot(desk.settings, day, desk.clock, simulated=True, **options)


def files(lake: Lake) -> dict[str, tuple[bytes, int]]:
    """Every file of a lake with its mode, but for those that are made again."""
    return {
        str(path.relative_to(lake.root)): (path.read_bytes(), path.stat().st_mode & 0o777)
        for path in sorted(lake.root.rglob("*"))
        if path.is_file() and path.relative_to(lake.root).parts[0] not in LOCAL
    }


def test_a_lake_that_was_lost_comes_back_file_by_file(desk: Desk, buckets: Buckets, tmp_path: Path) -> None:
    done = push(desk)
    assert done.seq == 2  # the first one claimed the prefix
    there, restored = brought_back(desk, tmp_path / "there")
    assert files(there.lake) == files(desk.lake)
    assert there.lake.published.resolve().name == desk.lake.published.resolve().name
    assert restored.adopted == 0
    assert list(verify_lake(there.lake)) == []
    assert verify_mirror(desk.settings, desk.clock.now) == (2, [])


def test_the_next_run_goes_on_as_if_nothing_had_happened(desk: Desk, buckets: Buckets, tmp_path: Path) -> None:
    push(desk)
    there, _ = brought_back(desk, tmp_path / "there")
    plain = replace(desk, extra="")
    run(plain, DAYS[3])
    assert run(there, DAYS[3]).mirror_error is None
    theirs, mine = contents(there.lake.published), contents(desk.lake.published)
    of_time = {"fct_target_days", "meta_inputs", "dim_dates", "rpt_stream_conflicts", "rpt_expiring_tasks"}
    assert {name for name in mine if theirs[name] != mine[name]} <= of_time  # each was captured at its own time
    assert newest_seq(Store(URL, desk.settings, desk.clock.now)) == 3


def test_a_second_push_puts_only_what_is_new_and_one_of_nothing_new_puts_nothing(desk: Desk, buckets: Buckets) -> None:
    push(desk)
    with buckets.counted():
        assert push(desk).objects == 0
    assert buckets.of("put") == []
    before = set(buckets.keys(URL))
    with buckets.counted():
        run(desk, DAYS[3])
    put = buckets.of("put")
    captures = [key for key in put if key.startswith("raw/") and key.split("/")[2] != "targets"]
    assert len(captures) == 2
    # the target list, five tables, the manifest, the build, the version; equal files share one
    assert len(put) - len(captures) <= 1 + 5 + 1 + 1 + 1
    assert not set(put) & before


def test_raw_files_are_there_before_any_table_is_made_of_them(desk: Desk, buckets: Buckets, tmp_path: Path) -> None:
    push(desk)
    killed_before_its_tables(desk, DAYS[3])
    there, done = brought_back(desk, tmp_path / "there")
    assert done.adopted == 3
    asked = len(desk.sandbox.log)
    result = run(there, DAYS[3])
    assert [capture.is_new for capture in result.captures] == [False, False]
    assert len([path for _, path, _, _ in desk.sandbox.log[asked:] if path.endswith("/pull/stream/task")]) == 0
    assert result.built_days == (DAYS[3],)


def test_stopped_at_any_put_the_next_push_completes_it(begun: Desk, buckets: Buckets, tmp_path: Path) -> None:
    first = mirrored(copied(begun, tmp_path))
    with buckets.counted():
        push(first)
    total = len(buckets.of("put"))
    whole = files(first.lake)
    for n in range(1, total + 1):
        buckets.stores.clear()
        desk = mirrored(copied(begun, _new(tmp_path / str(n))))
        with buckets.counted():
            buckets.kill_at = n
            with pytest.raises(Killed):
                push(desk)
            buckets.kill_at = None
        if newest_seq(Store(URL, desk.settings, desk.clock.now)):
            assert verify_mirror(desk.settings, desk.clock.now)[1] == []
        push(desk)
        assert verify_mirror(desk.settings, desk.clock.now)[1] == []
        there, _ = brought_back(desk, tmp_path / f"{n}-there")
        assert files(there.lake) == whole
        shutil.rmtree(desk.folder)
        shutil.rmtree(there.folder)


def _new(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_an_answer_that_was_lost_is_told_from_a_race_that_was_lost(desk: Desk, buckets: Buckets) -> None:
    push(desk)
    run(replace(desk, extra=""), DAYS[3])
    buckets.lose_answer_of = HEADS
    with pytest.raises(MirrorError, match="cannot be reached"):
        push(desk)
    buckets.lose_answer_of = None
    assert read_head(Store(URL, desk.settings, desk.clock.now), 3).run_id == read_state(desk.lake).pending.run_id
    assert push(desk).objects == 0  # it had arrived
    assert read_state(desk.lake).seq == 3
    assert verify_mirror(desk.settings, desk.clock.now) == (3, [])


def test_a_prefix_of_another_lake_takes_nothing(desk: Desk, buckets: Buckets, tmp_path: Path) -> None:
    push(desk)
    other = mirrored(copied(replace(desk, extra=""), _new(tmp_path / "other")))
    shutil.rmtree(other.lake.mirror)
    before = buckets.keys(URL)
    with pytest.raises(MirrorError, match="holds another lake"):
        push(other)
    assert buckets.keys(URL) == before
    result = run(other, DAYS[3])
    assert "holds another lake" in result.mirror_error
    assert buckets.keys(URL) == before


def test_a_copy_that_fell_behind_puts_no_version_and_its_raw_files_are_adopted(
    desk: Desk, buckets: Buckets, tmp_path: Path
) -> None:
    push(desk)
    late = mirrored(copied(replace(desk, extra=""), _new(tmp_path / "late")))
    run(desk, DAYS[3])
    result = run(late, DAYS[4])
    assert "another copy of this lake" in result.mirror_error
    assert not result.is_complete
    assert newest_seq(Store(URL, desk.settings, desk.clock.now)) == 3


def test_of_sixteen_that_push_at_once_one_puts_the_version(begun: Desk, buckets: Buckets, tmp_path: Path) -> None:
    first = mirrored(copied(begun, _new(tmp_path / "first")))
    push(first)
    run(replace(first, extra=""), DAYS[3])
    desks = [mirrored(copied(replace(first, extra=""), _new(tmp_path / str(n)))) for n in range(16)]
    settings = [desk.settings for desk in desks]
    ended: list[str] = []

    def one(n: int) -> None:
        lake = desks[n].lake
        try:
            with lake.lock():
                Mirror(lake, settings[n], f"run-{n}", desks[n].clock.now).push()
            ended.append("put")
        except MirrorError as error:
            ended.append("behind" if "another" in str(error) else str(error))

    threads = [threading.Thread(target=one, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(ended) == ["behind"] * 15 + ["put"]
    assert verify_mirror(first.settings, first.clock.now) == (3, [])


def test_a_push_says_how_it_gets_on(desk: Desk, buckets: Buckets) -> None:
    told: list[tuple[int, int]] = []
    with desk.lake.lock():
        done = Mirror(desk.lake, desk.settings, "run", desk.clock.now, lambda *each: told.append(each)).push()
    assert sorted(each[0] for each in told) == list(range(1, len(told) + 1))
    assert max(told) == (done.objects - 2, done.objects - 2)  # all but the two versions


def test_a_prefix_is_claimed_before_anything_is_put(desk: Desk, buckets: Buckets) -> None:
    with buckets.counted():
        push(desk)
    assert buckets.of("put")[0] == head_key(1)
    assert read_head(Store(URL, desk.settings, desk.clock.now), 1).files == {}


def test_the_key_is_never_there_unless_it_is_asked_for(desk: Desk, buckets: Buckets, tmp_path: Path) -> None:
    push(desk)
    key = desk.lake.redaction_key.read_text().strip().encode()
    assert not [name for name in buckets.keys(URL) if key in buckets.content(URL, name)]
    with pytest.raises(LakeError, match="holds no redaction key"):
        brought_back(desk, tmp_path / "without", key_file=None)
    wrong = tmp_path / "wrong.key"
    wrong.write_text("0" * 64)
    with pytest.raises(LakeError, match="is another key"):
        brought_back(desk, tmp_path / "wrong", key_file=wrong)
    assert not (tmp_path / "wrong" / "lake" / "redaction.key").exists()
    with_key = mirrored(desk, "with_key = true\n")
    push(with_key)
    there, _ = brought_back(with_key, tmp_path / "there", key_file=None)
    assert there.lake.redaction_key.read_bytes() == desk.lake.redaction_key.read_bytes()
    assert there.lake.redaction_key.stat().st_mode & 0o777 == 0o600


def test_a_restore_that_was_stopped_goes_on_and_no_run_begins_before_its_end(
    desk: Desk, buckets: Buckets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(desk)
    there = elsewhere(desk, tmp_path / "there")
    there.lake.prepare()
    done: dict[Path, int] = {}

    def stopping(getting, lake, file):
        if len(done) == 12:
            raise Killed
        original(getting, lake, file)
        done[file.path] = file.path.stat().st_mtime_ns

    from pulltasks.mirror.restore import _Getting

    original = _Getting.bring
    with monkeypatch.context() as patch, there.lake.lock():
        patch.setattr(_Getting, "bring", stopping)
        with pytest.raises(Killed):
            restore(there.lake, there.settings, there.clock.now, key_file=desk.lake.redaction_key)
    with pytest.raises(LakeError, match="is being restored"):
        run(there, DAYS[3])
    with there.lake.lock():
        restore(there.lake, there.settings, there.clock.now)  # the key is there already
    assert {path: path.stat().st_mtime_ns for path in done} == done  # what was placed is not fetched again
    assert files(there.lake) == files(desk.lake)
    assert run(there, DAYS[3]).is_complete


def test_a_restore_needs_an_empty_root(desk: Desk, buckets: Buckets) -> None:
    push(desk)
    before = files(desk.lake)
    with desk.lake.lock(), pytest.raises(LakeError, match="holds a lake"):
        restore(desk.lake, desk.settings, desk.clock.now, key_file=desk.lake.redaction_key)
    assert files(desk.lake) == before


def test_an_older_version_comes_back_as_it_was(desk: Desk, buckets: Buckets, tmp_path: Path) -> None:
    push(desk)
    then = contents(desk.lake.published)
    run(desk, DAYS[3])
    there, done = brought_back(desk, tmp_path / "there", seq=2)
    assert contents(there.lake.published) == then
    assert (done.head.seq, done.adopted) == (2, 0)
    with pytest.raises(MirrorError, match="there is no version 9"):
        brought_back(desk, tmp_path / "nine", seq=9)


def test_a_forgotten_capture_never_comes_back(desk: Desk, buckets: Buckets, tmp_path: Path) -> None:
    push(desk)
    held = [key for key in buckets.keys(URL, "raw/") if f"{DAYS[1]}" in key and "targets" not in key]
    assert len(held) == 2
    contents_of_held = {key: buckets.content(URL, key) for key in held}
    forget(desk.settings, DAYS[1], desk.clock)
    assert [key for key in buckets.keys(URL, "raw/") if key in held] == []
    # a slow machine, which knows nothing of it, puts them once more
    for key, content in contents_of_held.items():
        buckets.stores[URL].put(key, content)
    there, _ = brought_back(desk, tmp_path / "there")
    assert DAYS[1] not in there.lake.raw_dates()
    assert DAYS[1] not in there.lake.tidy_dates()
    assert contents(there.lake.published) == contents(desk.lake.published)


def test_raw_files_that_compact_removed_go_and_the_lake_comes_back_without_them(
    desk: Desk, buckets: Buckets, tmp_path: Path
) -> None:
    push(desk)
    run(desk, DAYS[3])
    short = keeping_raw(desk, 2)
    compact(short.settings, DAYS[3])
    assert DAYS[0] not in short.lake.raw_dates()
    push(short)
    assert [key for key in buckets.keys(URL, "raw/") if f"{DAYS[0]}" in key] == []
    assert [key for key in buckets.keys(URL, "raw/") if f"{DAYS[3]}" in key]
    there, _ = brought_back(short, tmp_path / "there")
    assert contents(there.lake.published) == contents(short.lake.published)
    assert there.lake.raw_dates() == short.lake.raw_dates() == DAYS[2:4]
    assert list(verify_lake(there.lake)) == []
    assert there.lake.compacted_months() == [DAYS[0].replace(day=1)]
    assert verify_mirror(short.settings, short.clock.now)[1] == []


def test_days_that_the_lake_lost_stay_in_the_mirror(desk: Desk, buckets: Buckets, tmp_path: Path) -> None:
    push(desk)
    desk.lake.manifest_file(DAYS[0]).unlink()
    shutil.rmtree(desk.lake.targets_file(DAYS[0]).parent)
    done = push(desk)
    assert done.kept_days == (DAYS[0],)
    there, _ = brought_back(desk, tmp_path / "there")
    assert DAYS[0] in there.lake.raw_dates()


def test_readers_get_the_build_and_the_page_under_fixed_names_and_nothing_while_secrets_are_shown(
    desk: Desk, buckets: Buckets
) -> None:
    open_to_readers = mirrored(desk, f'published_url = "{READERS}"\n[dashboard]\nenabled = true\n')
    run(open_to_readers, DAYS[3])
    assert buckets.keys(READERS) == sorted([PUBLISHED_PAGE, PUBLISHED_FILE])
    published = buckets.content(READERS, PUBLISHED_FILE)
    assert published == desk.lake.published.read_bytes()
    exposed = mirrored(desk, f'published_url = "{READERS}"\n[warehouse]\nexpose_secrets = true\n')
    run(exposed, DAYS[4])
    assert buckets.content(READERS, PUBLISHED_FILE) == published


@pytest.mark.parametrize(("unread", "versions"), [(timedelta(days=1), 4), (timedelta(seconds=-5), 3)])
def test_readers_get_the_open_tables_and_their_versions_for_a_day(
    desk: Desk, buckets: Buckets, monkeypatch: pytest.MonkeyPatch, unread: timedelta, versions: int
) -> None:
    monkeypatch.setattr("pulltasks.mirror.readers.UNREAD_FOR", unread)
    open_to_readers = mirrored(desk, f'published_url = "{READERS}"\n[publish]\ntables = true\n')
    for n in range(3, 7):
        run(open_to_readers, DAYS[0] + timedelta(days=n))
    keys = buckets.keys(READERS)
    latest = msgspec.json.decode(buckets.content(READERS, "latest.json"))
    for name, table in latest["tables"].items():
        for key in (f"tables/{table['file']}", f"tables/current/{name}/data.parquet"):
            assert sha256(buckets.content(READERS, key)) == table["sha256"]
    assert len({key.split("/")[1] for key in keys if key.startswith("tables/")} - {"current"}) == versions
    put = [key for key in buckets.of("put") if key.startswith(("tables/", "latest"))]
    assert put[-1] == "latest.json"
    assert "published" not in {key.split("/")[0] for key in buckets.keys(URL)}


def test_what_other_masks_made_and_what_is_forgotten_is_nobodys_to_read(desk: Desk, buckets: Buckets) -> None:
    open_to_readers = f'published_url = "{READERS}"\n[publish]\ntables = true\n'
    for n in range(3, 5):
        run(mirrored(desk, open_to_readers), DAYS[0] + timedelta(days=n))
    hidden = mirrored(desk, f"{open_to_readers}[warehouse]\nmask_stream_names = true\n")
    run(hidden, DAYS[0] + timedelta(days=5))
    latest = msgspec.json.decode(buckets.content(READERS, "latest.json"))
    versions = {key.split("/")[1] for key in buckets.keys(READERS) if key.startswith("tables/")}
    assert versions == {"current", latest["version"]}
    for day in sorted({*hidden.lake.raw_dates(), *hidden.lake.tidy_dates()}):
        forget(hidden.settings, day, hidden.clock)
    assert [key for key in buckets.keys(READERS) if key.startswith(("tables/", "latest"))] == []


def test_a_mirror_that_cannot_be_reached_costs_a_warning_and_never_the_day(desk: Desk, buckets: Buckets) -> None:
    buckets.is_reached = False
    told = []
    result = run(desk, DAYS[3], tell=told.append)
    assert result.status.day == DAYS[3]
    assert result.status.is_complete
    assert not result.is_complete
    assert "its mirror does not hold all of it" in result.mirror_error
    assert [failure.reason for failure in told] == ["mirror_unreachable"]
    buckets.is_reached = True
    assert run(desk, DAYS[3]).is_complete
    assert verify_mirror(desk.settings, desk.clock.now)[1] == []


def test_a_busy_lake_is_not_pushed(desk: Desk, buckets: Buckets) -> None:
    with desk.lake.lock(), pytest.raises(LakeBusy):
        push(desk)


@pytest.mark.parametrize("damage", ["missing", "other"])
@pytest.mark.parametrize("prefix", ["blobs/", "raw/"])
def test_whatever_is_missing_or_damaged_is_named(
    desk: Desk, buckets: Buckets, tmp_path: Path, prefix: str, damage: str
) -> None:
    push(desk)
    key = buckets.keys(URL, prefix)[3]
    bucket = buckets.stores[URL]
    bucket.delete(key) if damage == "missing" else bucket.put(key, b"other")
    _, troubles = verify_mirror(desk.settings, desk.clock.now)
    assert len(troubles) == 1
    assert key.rpartition("/")[2].removesuffix(".ndjson.zst") in troubles[0]
    with pytest.raises(MirrorError, match="damaged"):
        brought_back(desk, tmp_path / "there")


def test_a_lake_that_is_damaged_is_named(desk: Desk, buckets: Buckets) -> None:
    desk.lake.tidy_file("pull_tasks", DAYS[0]).write_bytes(b"other")
    desk.lake.raw_file(DAYS[1], BEIJING.project_id, BEIJING.region).unlink()
    found = list(verify_lake(desk.lake))
    assert [line.split(": ")[1].split(",")[0].split(" what")[0] for line in found] == ["is not", "is not there"]


def test_a_store_that_ignores_conditions_is_found(desk: Desk, buckets: Buckets) -> None:
    store = Store(URL, desk.settings, desk.clock.now)
    assert reads_conditions(store, "a")
    buckets.ignores_conditions = True
    assert not reads_conditions(store, "b")
    assert buckets.keys(URL) == []


def test_the_doctor_says_how_the_mirror_stands(desk: Desk, buckets: Buckets) -> None:
    def said() -> dict[str, tuple[str, str | None]]:
        return {
            each.question: (each.answer, each.advice)
            for each in examine_mirror(desk.settings, desk.clock.now, "probe").findings
        }

    assert said()["version"] == (f"none yet in {URL}; the next run puts the first one", None)
    push(desk)
    assert said()["version"][0].startswith("2, made ")
    assert said()["version"][1] is None
    assert "keep a copy of" in said()["redaction key"][0]
    buckets.ignores_conditions = True
    assert said()["one writer"][1] == "let one scheduler run this lake, and no second one"
    shutil.rmtree(desk.lake.mirror)
    assert "restore into an empty root" in said()["version"][1]
    buckets.is_reached = False
    assert "cannot be reached" in said()["mirror"][1]


def test_old_versions_are_emptied_and_never_removed(desk: Desk, buckets: Buckets, monkeypatch) -> None:
    push(desk)
    for n in range(4):
        desk.lake.run_log.write_text("{}\n" * (n + 1))
        push(desk)
    store = Store(URL, desk.settings, desk.clock.now)
    heads = [read_head(store, seq) for seq in range(1, 7)]
    assert [head.is_emptied for head in heads] == [False, True, True, False, False, False]  # the first names nothing
    assert [(head.seq, head.parent) for head in heads[1:]] == [(seq, seq - 1) for seq in range(2, 7)]


@pytest.mark.parametrize(("aged", "goes"), [(timedelta(days=2), False), (timedelta(seconds=-5), True)])
def test_a_blob_that_no_kept_version_names_goes_once_it_is_old(
    desk: Desk, buckets: Buckets, monkeypatch, aged: timedelta, goes: bool
) -> None:
    monkeypatch.setattr(retention, "UNNAMED_FOR", aged)
    push(desk)
    for n in range(5):
        desk.lake.run_log.write_text("{}\n" * (n + 1))
        # as if each were the first one of its day
        state = read_state(desk.lake)
        kept = {seq: day - timedelta(days=1 + n) for seq, day in state.kept.items()} if n == 4 else state.kept
        write_state(desk.lake, msgspec.structs.replace(state, kept=kept))
        push(desk)
    state = read_state(desk.lake)
    named = {sha for sha, (first, last) in state.blobs.items() if any(first <= seq <= last for seq in state.kept)}
    there = {key.removeprefix("blobs/") for key in buckets.keys(URL, "blobs/")}
    assert named <= there
    assert (there == named) is goes
    assert verify_mirror(desk.settings, desk.clock.now)[1] == []


def test_one_version_a_day_and_the_last_three_are_kept() -> None:
    first = date(2026, 1, 1)
    kept = {seq: first + timedelta(days=seq // 3) for seq in range(1, 200)}
    keep = retention.heads_to_keep(kept, 30)
    assert {197, 198, 199} <= keep
    days = sorted({kept[seq] for seq in keep})
    assert days == [kept[199] - timedelta(days=n) for n in range(29, -1, -1)]
    assert all(seq % 3 == 2 for seq in keep - {197, 198, 199})  # the last one of its day


def test_a_version_stays_small_after_three_years() -> None:
    days = {date(2026, 1, 1) + timedelta(days=n): "0" * 64 for n in range(3 * 365)}
    head = Head(seq=30_000, lake_id="0" * 36, parent=29_999, run_id="0" * 36, days=days, key_fingerprint="0" * 64)
    assert len(msgspec.json.encode(head)) < 100_000
