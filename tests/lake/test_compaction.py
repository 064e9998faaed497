"""Closed months: the same rows in one file, readable at every instant, and back again when a day changes."""

from __future__ import annotations

import random
import shutil
import signal
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pyarrow.parquet as pq
import pytest

import crash
from children import PROCESSES, in_child
from desk import BEIJING, SINGAPORE, Desk, write_config
from history import contents
from pulltasks.errors import LakeError, NewerForm
from pulltasks.lake import compaction
from pulltasks.lake.files import sha256_of
from pulltasks.lake.manifests import read_manifest, stale_dates
from pulltasks.lake.tidy import open_tidy
from pulltasks.run.order import compact, rebuild, snapshot
from pulltasks.sandbox.server import Sandbox, serving
from pulltasks.tables import SCHEMA_VERSION, TABLES

DAYS = [date(2026, 9, 30), date(2026, 10, 1), date(2026, 10, 2), date(2026, 10, 31), date(2026, 11, 1)]
SEPTEMBER, OCTOBER, NOVEMBER = date(2026, 9, 1), date(2026, 10, 1), date(2026, 11, 1)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory):
    """A lake over three months, one target failing on a day."""
    folder = tmp_path_factory.mktemp("months")
    sandbox = Sandbox((replace(BEIJING, task_count=8), replace(SINGAPORE, task_count=3)))
    sandbox.faults[SINGAPORE.project_id, DAYS[2]] = "forbidden"
    with serving(sandbox) as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HUAWEICLOUD_SDK_AK", sandbox.accounts.access_keys[0].ak)
        patch.setenv("HUAWEICLOUD_SDK_SK", sandbox.accounts.access_keys[0].sk)
        desk = Desk(sandbox, url, folder, sandbox.places)
        for day in DAYS:
            desk.capture(day)
        desk.build()
        yield desk


@pytest.fixture
def desk(prepared: Desk, tmp_path: Path) -> Desk:
    shutil.copytree(prepared.folder / "lake", tmp_path / "lake", symlinks=True)
    return replace(prepared, folder=tmp_path)


@pytest.fixture
def compacted(desk: Desk, once) -> Desk:
    """The closed months are compacted, and the files of their days are still there."""
    once("compacted", desk, lambda: compact(desk.settings, date.max))
    return desk


@pytest.fixture
def cleared(desk: Desk, once) -> Desk:
    """The closed months are compacted, and the files of their days are gone."""

    def make() -> None:
        once("compacted", desk, lambda: compact(desk.settings, date.max))
        compact(desk.settings, date.max)

    once("cleared", desk, make)
    return desk


def rows(lake) -> dict[str, list[tuple]]:
    with open_tidy(lake) as connection:
        return {t.name: sorted(connection.sql(f"from {t.name}").fetchall(), key=str) for t in TABLES}


def daily_files(lake, month: date) -> list[Path]:
    return sorted(path for path in lake.tidy.glob(f"*/daily/*={month:%Y-%m}-*/data.parquet"))


def test_a_closed_month_becomes_one_sorted_file_a_table(desk: Desk) -> None:
    before = rows(desk.lake)
    months, without_raw, troubles = compact(desk.settings, date.max)
    assert ([month.month for month in months], without_raw, troubles) == ([SEPTEMBER, OCTOBER], [], [])
    assert rows(desk.lake) == before
    assert desk.lake.files("pull_tasks", DAYS[1], DAYS[4]) == [
        desk.lake.month_file("pull_tasks", OCTOBER),
        desk.lake.tidy_file("pull_tasks", DAYS[4]),
    ]
    for table in TABLES:
        of_month, of_day = (
            pq.read_schema(path)
            for path in (desk.lake.month_file(table.name, OCTOBER), desk.lake.tidy_file(table.name, DAYS[1]))
        )
        assert of_month.metadata[b"pulltasks.schema_version"] == str(SCHEMA_VERSION).encode()
        assert of_month.equals(of_day, check_metadata=True)
    tasks = pq.read_table(desk.lake.month_file("pull_tasks", OCTOBER))
    keys = tasks.select(["project_id", "region", "task_id", "snapshot_date"]).to_pylist()
    assert [tuple(key.values()) for key in keys] == sorted(tuple(key.values()) for key in keys)


def test_the_days_files_go_with_the_next_run_and_not_before(desk: Desk) -> None:
    before = rows(desk.lake)
    compact(desk.settings, date.max)
    assert daily_files(desk.lake, OCTOBER)
    assert compact(desk.settings, date.max) == ([], [], [])
    assert daily_files(desk.lake, OCTOBER) == []
    assert daily_files(desk.lake, NOVEMBER)
    assert rows(desk.lake) == before
    assert desk.lake.tidy_dates() == DAYS
    assert stale_dates(desk.lake) == []


def test_the_warehouse_is_built_from_a_month_as_from_its_days(desk: Desk) -> None:
    before = contents(desk.lake.published.resolve())
    compact(desk.settings, date.max)
    compact(desk.settings, date.max)
    published = desk.lake.published.resolve()
    assert desk.build() == published  # nothing is new
    for file in desk.lake.warehouse.glob("*"):
        file.unlink()
    assert contents(desk.build()) == before


def test_a_day_of_a_closed_month_built_again_rewrites_the_month(cleared: Desk) -> None:
    before, manifests = rows(cleared.lake), [cleared.lake.manifest_file(day).read_bytes() for day in DAYS]
    month = sha256_of(cleared.lake.month_file("pull_tasks", OCTOBER))
    rebuild(cleared.settings, DAYS[1], DAYS[1], cleared.clock)
    assert cleared.lake.compacted_months() == [SEPTEMBER, OCTOBER]
    assert [cleared.lake.manifest_file(day).read_bytes() for day in DAYS] == manifests  # to the byte
    assert sha256_of(cleared.lake.month_file("pull_tasks", OCTOBER)) == month
    cleared.lake.raw_file(DAYS[1], BEIJING.project_id, BEIJING.region).unlink()
    rebuild(cleared.settings, DAYS[1], DAYS[1], cleared.clock)
    lost = [row for row in before["pull_tasks"] if row[0] == DAYS[1] and row[1] == BEIJING.project_id]
    assert rows(cleared.lake)["pull_tasks"] == [row for row in before["pull_tasks"] if row not in lost]
    assert lost
    assert cleared.lake.compacted_months() == [SEPTEMBER, OCTOBER]
    assert compact(cleared.settings, date.max)[0] == []
    assert daily_files(cleared.lake, OCTOBER) == []


def test_days_written_back_by_other_software_get_a_manifest_of_their_own(cleared: Desk) -> None:
    before = rows(cleared.lake)
    manifest = cleared.lake.manifest_file(DAYS[2])
    manifest.write_text(manifest.read_text().replace('"sha256": "', '"sha256": "0'))  # other bytes, the same rows
    with cleared.lake.lock():
        assert compaction.open_month(cleared.lake, OCTOBER)
        assert not compaction.open_month(cleared.lake, OCTOBER)
    assert read_manifest(manifest).tables["pull_tasks"].sha256 == sha256_of(
        cleared.lake.tidy_file("pull_tasks", DAYS[2])
    )
    assert rows(cleared.lake) == before


def of_later_version(desk: Desk, day: date) -> None:
    manifest = desk.lake.manifest_file(day)
    later = f'"schema_version": {SCHEMA_VERSION + 1}'
    manifest.write_text(manifest.read_text().replace(f'"schema_version": {SCHEMA_VERSION}', later))


def test_a_month_with_a_day_of_a_later_version_is_neither_closed_nor_opened(compacted: Desk) -> None:
    of_later_version(compacted, DAYS[2])
    before = rows(compacted.lake)
    with compacted.lake.lock(), pytest.raises(NewerForm, match=f"pulltasks rebuild --from {DAYS[2]} --to {DAYS[2]}"):
        compaction.open_month(compacted.lake, OCTOBER)
    compacted.lake.month_manifest_file(OCTOBER).unlink()
    months, _, (trouble,) = compact(compacted.settings, date.max)
    assert (months, f"rebuild --from {DAYS[2]}" in trouble) == ([], True)
    assert rows(compacted.lake) == before


def test_a_damaged_day_is_not_compacted(desk: Desk) -> None:
    desk.lake.tidy_file("captures", DAYS[3]).write_bytes(b"oops")
    months, _, (trouble,) = compact(desk.settings, date.max)
    assert ([month.month for month in months], f"rebuild --from {DAYS[3]}" in trouble) == ([SEPTEMBER], True)
    assert desk.lake.compacted_months() == [SEPTEMBER]
    result = snapshot(desk.settings, DAYS[4], desk.clock, simulated=True)
    assert (result.damaged_days, result.is_complete) == ((trouble,), False)
    assert rebuild(desk.settings, DAYS[3], DAYS[3], desk.clock).damaged_days == ()
    assert desk.lake.compacted_months() == [SEPTEMBER, OCTOBER]


def test_rows_that_differ_stop_the_compaction(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    proper = compaction.tidy_rows
    calls = iter(range(1000))

    def lossy(table, files):
        return proper(table, files[:1] if next(calls) == 0 else files)  # what is written lacks the other days

    monkeypatch.setattr(compaction, "tidy_rows", lossy)
    with pytest.raises(LakeError, match="differs from its days"):
        compaction.compact_month(desk.lake, OCTOBER)
    assert desk.lake.compacted_months() == []


def test_a_damaged_month_falls_back_to_its_days_while_they_are_there(desk: Desk) -> None:
    before = rows(desk.lake)
    compact(desk.settings, date.max)
    desk.lake.month_file("pull_tasks", OCTOBER).write_bytes(b"oops")
    assert [month.month for month in compact(desk.settings, date.max)[0]] == [OCTOBER]  # made again from the days
    assert rows(desk.lake) == before
    compact(desk.settings, date.max)
    desk.lake.month_file("pull_tasks", OCTOBER).write_bytes(b"oops")  # now there is only the raw archive
    result = rebuild(desk.settings, DAYS[1], DAYS[1], desk.clock)
    assert (result.built_days, result.damaged_days) == (tuple(DAYS[1:4]), ())
    assert rows(desk.lake) == before
    assert desk.lake.compacted_months() == [SEPTEMBER, OCTOBER]


def test_a_damaged_manifest_of_a_month_stops_nothing_and_is_mended_by_a_rebuild(desk: Desk) -> None:
    before = rows(desk.lake)
    compact(desk.settings, date.max)
    compact(desk.settings, date.max)
    desk.lake.month_manifest_file(OCTOBER).write_text("oops")
    assert snapshot(desk.settings, date(2026, 11, 2), desk.clock, simulated=True).is_complete
    assert compact(desk.settings, date.max)[0] == []
    assert rebuild(desk.settings, DAYS[1], DAYS[3], desk.clock).damaged_days == ()
    assert [row for row in rows(desk.lake)["pull_tasks"] if row[0] <= DAYS[4]] == before["pull_tasks"]


def test_a_day_ahead_of_the_clock_closes_no_month(desk: Desk) -> None:
    assert [month.month for month in compact(desk.settings, DAYS[3])[0]] == [SEPTEMBER]
    assert [month.month for month in compact(desk.settings, DAYS[4])[0]] == [OCTOBER]


def test_the_newest_months_stay_daily_when_asked_for(desk: Desk) -> None:
    desk.extra = "[lake]\nkeep_daily_months = 1"
    assert [month.month for month in compact(desk.settings, date.max)[0]] == [SEPTEMBER]


def test_a_snapshot_after_compaction_goes_on(compacted: Desk) -> None:
    result = snapshot(compacted.settings, date(2026, 11, 2), compacted.clock, simulated=True)
    assert result.is_complete
    assert daily_files(compacted.lake, OCTOBER) == []
    assert len(compacted.lake.tidy_dates()) == len(DAYS) + 1


@pytest.fixture(scope="module")
def small(prepared: Desk, tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """One closed month of two days, and a day after it: the fewest steps that show everything."""
    folder = tmp_path_factory.mktemp("small")
    shutil.copytree(prepared.folder / "lake" / "raw", folder / "lake" / "raw")
    for day in (DAYS[0], DAYS[3]):
        shutil.rmtree(folder / "lake" / "raw" / f"snapshot_date={day}")
    desk = replace(prepared, folder=folder)
    desk.lake.prepare()
    desk.build()
    return desk


def copy(desk: Desk, folder: Path, *, compactions: int) -> Desk:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(desk.folder / "lake", folder / "lake", symlinks=True)
    copied = replace(desk, folder=folder)
    write_config(folder, desk.url, *desk.places)
    for _ in range(compactions):
        compact(copied.settings, date.max)
    return copied


# what is killed, and how often the month was compacted before
STEPS = {
    "compact": (crash.compact_and_die, (), 0),
    "clear": (crash.compact_and_die, (), 1),
    "rebuild": (crash.rebuild_and_die, (DAYS[1],), 2),
}

# Of a rebuild most events are those of a compaction and of a build, which are killed elsewhere; of a compaction most are
# alike, a table after the other. `make test-all` kills at random moments as well.
STRIDE = {"rebuild": 6, "compact": 3}


def check_after_a_kill(desk: Desk, whole: dict[str, list[tuple]], *, run_again: bool) -> None:
    assert rows(desk.lake) == whole
    assert contents(desk.lake.published.resolve())["dim_pull_tasks"]
    if run_again:
        rebuild(desk.settings, DAYS[4], DAYS[4], desk.clock)
        compact(desk.settings, date.max)
        compact(desk.settings, date.max)
        assert rows(desk.lake) == whole
        assert desk.lake.compacted_months() == [OCTOBER]
        assert daily_files(desk.lake, OCTOBER) == []
        assert list((desk.lake.root / ".unfinished").iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("step", STEPS)
def test_killed_at_any_moment_every_row_stays_readable(small: Desk, tmp_path: Path, step: str) -> None:
    function, arguments, compactions = STEPS[step]
    whole = rows(small.lake)
    prepared = copy(small, tmp_path / "prepared", compactions=compactions)
    undisturbed = copy(prepared, tmp_path / "work", compactions=0)
    assert in_child(function, undisturbed.folder / "pulltasks.toml", *arguments, None, tmp_path / "events") == 0
    count, *in_place = (tmp_path / "events").read_text().splitlines()
    assert (int(count) > 10, in_place) == (True, [])
    for nth in range(1, int(count) + 1, STRIDE.get(step, 1)):
        desk = copy(prepared, tmp_path / "work", compactions=0)
        assert in_child(function, desk.folder / "pulltasks.toml", *arguments, nth) == -signal.SIGKILL, nth
        check_after_a_kill(desk, whole, run_again=nth % 8 == 0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(15))
def test_killed_at_a_random_moment_of_a_compaction(small: Desk, tmp_path: Path, seed: int) -> None:
    function, arguments, compactions = STEPS[list(STEPS)[seed % 3]]
    desk = copy(small, tmp_path / "work", compactions=compactions)
    process = PROCESSES.Process(target=function, args=(desk.folder / "pulltasks.toml", *arguments, None))
    process.start()
    process.join(timeout=random.Random(seed).uniform(0.2, 1.2))
    process.kill()
    process.join()
    check_after_a_kill(desk, rows(small.lake), run_again=True)


def test_a_reader_that_listed_files_before_finds_them_after(desk: Desk) -> None:
    listed = desk.lake.files("pull_tasks", DAYS[0], DAYS[4])
    compact(desk.settings, date.max)
    with duckdb.connect() as connection:
        count = connection.execute("select count(*) from read_parquet($1)", [list(map(str, listed))]).fetchall()
    assert count == [(len(rows(desk.lake)["pull_tasks"]),)]
