"""A file counts only where its own header says the same as its path: never another day, never another target."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from desk import BEIJING, SINGAPORE, SMALL_DAYS, Desk, copied
from history import contents, coverage
from pulltasks.doctor.lake import examine_lake
from pulltasks.errors import LakeError
from pulltasks.lake.compaction import compact_month, discard_damaged_month
from pulltasks.lake.lake import Lake
from pulltasks.lake.manifests import read_if_valid, read_manifest, read_month_if_valid, stale_dates
from pulltasks.lake.normalise import normalise_day
from pulltasks.lake.strays import days_with_raw, has_raw
from pulltasks.run.order import forget, rebuild, snapshot
from raw_files import copy, rewritten
from sampling import sampled

DAYS = SMALL_DAYS[:3]
ONE, TWO = ((place.project_id, place.region) for place in (BEIJING, SINGAPORE))
FOREIGN = ("f" * 32, "cn-south-1")
ABOUT_BUILDS = {"meta_inputs", "meta_build", "stg_build"}
EMPTY = date(2026, 10, 15)  # a day without any file of its own


@pytest.fixture
def desk(three_days: Desk, tmp_path: Path) -> Desk:
    return copied(three_days, tmp_path)


def of_tasks(lake: Lake) -> dict:
    """What is published, but for what is said of the build itself."""
    return {name: rows for name, rows in contents(lake.published.resolve()).items() if name not in ABOUT_BUILDS}


def strays_of_doctor(desk: Desk) -> str | None:
    (found,) = (
        each
        for each in examine_lake(desk.settings, datetime(2026, 11, 25, 12, tzinfo=UTC)).findings
        if each.question == "unexpected files"
    )
    return found.advice


@pytest.mark.parametrize(
    ("day", "target", "place"),
    # of another day, of another target, of both: where a capture is, and where none is
    sampled(
        [(*source, place) for place in (ONE, FOREIGN) for source in ((DAYS[0], ONE), (DAYS[1], TWO), (DAYS[2], TWO))],
        2,
        3,
        4,
    ),
)
def test_a_raw_file_of_another_day_or_target_counts_for_nothing_and_is_named(
    desk: Desk, lake: Lake, day: date, target: tuple[str, str], place: tuple[str, str]
) -> None:
    before = of_tasks(lake)
    stray = copy(lake.raw_file(day, *target), lake.raw_file(DAYS[1], *place))
    name = str(stray.relative_to(lake.root))
    for result in (
        snapshot(desk.settings, DAYS[2], desk.clock, simulated=True),
        rebuild(desk.settings, DAYS[1], DAYS[1], desk.clock),
    ):
        (text,) = result.damaged_days
        assert (text.startswith(f"{name}: holds the capture of"), result.is_complete) == (True, False)
    assert name in (strays_of_doctor(desk) or "")
    assert of_tasks(lake) == before


@pytest.mark.parametrize(
    "changed",
    [{"day": DAYS[0]}, {"project_id": "e" * 32}, {"region": "cn-south-1"}, {"region": "../cn-north-4"}],
    ids=["date", "project", "region", "path"],
)
def test_each_part_of_a_path_is_held_against_the_header(desk: Desk, lake: Lake, changed: dict) -> None:
    place = lake.raw_file(EMPTY, *ONE)
    rewritten(lake.raw_file(DAYS[1], *ONE), place, **{"day": EMPTY} | changed)
    assert (has_raw(lake, EMPTY), EMPTY in days_with_raw(lake), stale_dates(lake)) == (False, False, [])
    rewritten(lake.raw_file(DAYS[1], *ONE), place, day=EMPTY)
    assert (has_raw(lake, EMPTY), EMPTY in days_with_raw(lake), stale_dates(lake)) == (True, True, [EMPTY])


def test_a_folder_that_holds_only_strays_is_no_day(desk: Desk, lake: Lake) -> None:
    copy(lake.raw_file(DAYS[0], *ONE), lake.raw_file(EMPTY, *ONE))
    copy(lake.targets_file(DAYS[0]), lake.targets_file(EMPTY))
    with lake.lock(), pytest.raises(LakeError, match="there is no raw archive of this day"):
        normalise_day(lake, EMPTY)
    with pytest.raises(LakeError, match="no raw archive from"):
        rebuild(desk.settings, EMPTY, EMPTY, desk.clock)
    result = snapshot(desk.settings, DAYS[2], desk.clock, simulated=True)
    assert len(result.damaged_days) == 2
    assert (EMPTY in lake.tidy_dates(), coverage(lake, EMPTY)) == (False, {})
    with pytest.raises(LakeError, match="has nothing of this day"):
        forget(desk.settings, EMPTY, desk.clock)


def test_in_the_place_of_a_day_that_has_tables_strays_take_nothing_away(desk: Desk, lake: Lake) -> None:
    """Its raw files were removed when they were old; what is copied there by mistake is no reason to lose its tables."""
    day, before = DAYS[1], of_tasks(lake)
    shutil.rmtree(lake.targets_file(day).parent)
    copy(lake.raw_file(DAYS[0], *ONE), lake.raw_file(day, *ONE))
    copy(lake.targets_file(DAYS[0]), lake.targets_file(day))
    assert stale_dates(lake) == []
    result = rebuild(desk.settings, day, day, desk.clock)
    assert any("there is no raw archive of this day" in text for text in result.damaged_days)
    with pytest.raises(LakeError, match="could never be rebuilt"):
        forget(desk.settings, day, desk.clock)
    month = day.replace(day=1)
    assert lake.is_compacted(month)
    with lake.lock():
        lake.month_file("captures", month).write_bytes(b"oops")
        with pytest.raises(LakeError, match="there is no raw archive to rebuild"):
            discard_damaged_month(lake, month)
    assert of_tasks(lake) == before


def test_what_a_stray_replaced_is_not_lost_and_counts_again_when_it_is_restored(desk: Desk, lake: Lake) -> None:
    day, before = DAYS[1], of_tasks(lake)
    right = lake.raw_file(day, *ONE).read_bytes()
    copy(lake.raw_file(DAYS[0], *ONE), lake.raw_file(day, *ONE))
    for _ in range(2):
        rebuild(desk.settings, day, day, desk.clock)
        assert coverage(lake, day) == {ONE: "complete", TWO: "complete"}
    lake.raw_file(day, *ONE).write_bytes(right)
    assert stale_dates(lake) == [day]
    assert rebuild(desk.settings, day, day, desk.clock).damaged_days == ()
    assert of_tasks(lake) == before


def test_a_target_list_of_another_day_expects_nothing(desk: Desk, lake: Lake) -> None:
    content = json.loads(lake.targets_file(DAYS[0]).read_bytes())
    content["targets"].append(content["targets"][0] | {"project_id": FOREIGN[0], "region": FOREIGN[1]})
    lake.targets_file(DAYS[1]).write_text(json.dumps(content))
    assert stale_dates(lake) == []  # what was read of the right list once counts
    result = rebuild(desk.settings, DAYS[1], DAYS[1], desk.clock)
    assert any("targets.json: holds the target list of" in text for text in result.damaged_days)
    assert coverage(lake, DAYS[1]) == {ONE: "complete", TWO: "complete"}


def test_a_manifest_of_another_day_is_as_good_as_a_missing_one(desk: Desk, lake: Lake) -> None:
    before, right = of_tasks(lake), lake.manifest_file(DAYS[1]).read_bytes()
    copy(lake.manifest_file(DAYS[0]), lake.manifest_file(DAYS[1]))
    assert (read_if_valid(lake.manifest_file(DAYS[1])), stale_dates(lake)) == (None, [DAYS[1]])
    assert snapshot(desk.settings, DAYS[2], desk.clock, simulated=True).is_complete
    assert lake.manifest_file(DAYS[1]).read_bytes() == right
    assert of_tasks(lake) == before


@pytest.mark.parametrize("table", ["captures", "pull_tasks"])
@pytest.mark.parametrize("file", ["{table}/daily/snapshot_date={other}/data.parquet", "../raw/x", "/etc/passwd", ""])
def test_a_manifest_names_the_files_that_lie_at_its_own_place(lake: Lake, table: str, file: str) -> None:
    path = lake.manifest_file(DAYS[1])
    content = json.loads(path.read_bytes())
    content["tables"][table]["file"] = file.format(table=table, other=DAYS[0])
    path.write_text(json.dumps(content))
    with pytest.raises(LakeError, match="is the manifest of another day or month"):
        read_manifest(path)


@pytest.mark.parametrize(
    "change",
    [
        lambda content: content | {"snapshot_month": "2026-09-01"},
        lambda content: content | {"days": content["days"] | {"2026-11-01": "0" * 64}},
        lambda content: (
            content | {"tables": {name: entry | {"file": "captures/x"} for name, entry in content["tables"].items()}}
        ),
    ],
    ids=["month", "days", "files"],
)
def test_a_months_manifest_is_held_against_its_path_as_well(lake: Lake, change) -> None:
    month = DAYS[0].replace(day=1)
    with lake.lock():
        compact_month(lake, month)
    path = lake.month_manifest_file(month)
    assert read_month_if_valid(path)
    path.write_text(json.dumps(change(json.loads(path.read_bytes()))))
    assert read_month_if_valid(path) is None


def test_of_days_that_have_manifests_only_the_newest_are_opened(
    desk: Desk, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A day's cost does not grow with history."""
    monkeypatch.setattr("pulltasks.lake.manifests.REPAIR_WINDOW_DAYS", 2)
    monkeypatch.setattr("pulltasks.lake.manifests.CHEAP_BYTES", 0)
    opened: list[Path] = []
    monkeypatch.setattr("pulltasks.lake.strays.read_header", opened.append)
    stale_dates(lake)
    assert {path.parent.parent.name for path in opened} == {f"snapshot_date={day}" for day in DAYS[1:]}
    opened.clear()
    days_with_raw(lake)
    assert opened == []
