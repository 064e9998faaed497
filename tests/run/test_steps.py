"""Whole runs when something is already wrong: today is never lost for the sake of an earlier day."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from desk import BEIJING, SINGAPORE, Desk, rows
from plain_service import PlainService, listing, serving_plainly
from pulltasks.clock import Clock
from pulltasks.huawei.simulation import DATE_HEADER
from pulltasks.lake.manifests import stale_dates
from pulltasks.lake.normalise import BegunDay, normalise_day
from pulltasks.run.order import rebuild, snapshot
from pulltasks.sandbox.data import Place, tasks_on

DAYS = [date(2026, 11, 16) + timedelta(days=n) for n in range(5)]


def run(desk: Desk, day: date, **options: object):
    return snapshot(desk.settings, day, desk.clock, simulated=True, **options)


def test_a_damaged_earlier_day_does_not_cost_today(desk: Desk) -> None:
    run(desk, DAYS[0])
    raw = desk.lake.raw_file(DAYS[0], BEIJING.project_id, BEIJING.region)
    raw.write_bytes(raw.read_bytes()[:-9])
    desk.lake.manifest_file(DAYS[0]).unlink()
    result = run(desk, DAYS[1])
    assert [capture.verdict for capture in result.captures] == ["complete", "complete"]
    assert (len(result.damaged_days), result.is_complete) == (1, False)
    assert "restore it from a backup" in result.damaged_days[0]
    assert rows(desk, "select through_date from meta_build") == [(DAYS[1],)]
    # the other target keeps the day, and a day that was looked at is not looked at again
    assert rows(
        desk,
        f"select target_name, coverage, verdict_reason from rpt_snapshot_coverage where snapshot_date = '{DAYS[0]}' order by all",
    ) == [("beijing", "failed", "raw_file_damaged"), ("singapore", "complete", None)]
    assert run(desk, DAYS[1]).damaged_days == ()


def test_a_raw_file_damaged_later_takes_nothing_from_its_day(desk: Desk) -> None:
    run(desk, DAYS[0])
    before = rows(desk, "from rpt_snapshot_coverage order by all")
    raw = desk.lake.raw_file(DAYS[0], BEIJING.project_id, BEIJING.region)
    whole = raw.read_bytes()
    raw.write_bytes(whole[:-9])
    result = rebuild(desk.settings, DAYS[0], DAYS[0], desk.clock)
    assert "the rows that were made from it before are unchanged" in result.damaged_days[0]
    assert rows(desk, "from rpt_snapshot_coverage order by all") == before
    raw.write_bytes(whole)
    assert run(desk, DAYS[1]).damaged_days == ()
    assert stale_dates(desk.lake) == []


def test_a_damaged_manifest_is_mended_by_a_rebuild(desk: Desk) -> None:
    run(desk, DAYS[0])
    desk.lake.manifest_file(DAYS[0]).write_text("oops")
    assert rebuild(desk.settings, DAYS[0], DAYS[0], desk.clock).is_complete


def test_a_rebuild_says_when_the_newest_day_is_not_complete(desk: Desk) -> None:
    desk.sandbox.faults[BEIJING.project_id, None] = "forbidden"
    run(desk, DAYS[0])
    assert not rebuild(desk.settings, DAYS[0], DAYS[0], desk.clock).is_complete


def test_strange_names_in_the_lake_are_left_alone(desk: Desk) -> None:
    (desk.lake.root / "raw" / "snapshot_date=someday").mkdir(parents=True)
    assert run(desk, DAYS[0]).is_complete


def test_a_target_that_comes_back_and_fails_does_not_stop_the_others(desk: Desk) -> None:
    both = desk.places
    run(desk, DAYS[0])
    desk.places = (BEIJING,)
    run(desk, DAYS[1])
    desk.places = both
    desk.sandbox.faults[SINGAPORE.project_id, DAYS[2]] = "forbidden"
    run(desk, DAYS[2])
    assert rows(desk, "select through_date from meta_build") == [(DAYS[2],)]
    run(desk, DAYS[3])
    current = f"select count(*) from dim_pull_tasks where is_current and project_id = '{SINGAPORE.project_id}'"
    assert rows(desk, current) == [(len(tasks_on(1, SINGAPORE, DAYS[3])),)]


def test_a_target_dropped_and_run_again_on_the_same_day_is_not_current(desk: Desk) -> None:
    run(desk, DAYS[0])
    desk.places = (BEIJING,)
    run(desk, DAYS[0], refresh=True)
    assert rows(
        desk, f"select count(*) from dim_pull_tasks where is_current and project_id = '{SINGAPORE.project_id}'"
    ) == [(0,)]
    assert rows(desk, "select distinct targets_expected from fct_daily_task_counts") == [(1,)]


def test_a_clock_that_steps_back_does_not_cost_the_published_build(desk: Desk) -> None:
    for day in DAYS[:4]:
        run(desk, day)
    earlier = Clock(lambda: datetime.now(UTC) - timedelta(hours=1), desk.clock.new_id)
    snapshot(desk.settings, DAYS[4], earlier, simulated=True)
    assert desk.lake.builds()[-1] == desk.lake.published.resolve()
    assert rows(desk, "select through_date from meta_build") == [(DAYS[4],)]


def test_only_the_named_target_is_listed(desk: Desk) -> None:
    result = run(desk, DAYS[0], only={(BEIJING.project_id, BEIJING.region)})
    assert [capture.target.name for capture in result.captures] == ["beijing"]
    assert not result.is_complete
    assert rows(desk, "select target_name, coverage from rpt_snapshot_coverage order by all") == [
        ("beijing", "complete"),
        ("singapore", "missing"),
    ]
    assert run(desk, DAYS[0]).is_complete


def project(number: int) -> str:
    return f"{number:032x}"


def test_the_tables_of_a_target_are_begun_while_others_are_being_listed(tmp_path: Path) -> None:
    """The last target answers only once the first ones have been added to the day's files."""
    service, added, seen = PlainService(), [], []
    places = tuple(Place(project(n), "cn-north-4", 3) for n in range(1, 6))
    for place in places:
        service.answers[place.project_id] = lambda _, name=place.project_id: (200, {}, listing(name))

    async def last(writer: asyncio.StreamWriter) -> None:
        for _ in range(500):
            if len(added) >= 4:
                break
            await asyncio.sleep(0.01)
        seen.append(len(added))
        head = f"GET /v1/{project(5)}/pull/stream/task HTTP/1.1\r\n{DATE_HEADER}: {DAYS[0]}\r\n\r\n"
        writer.write(service.reply(head.encode()))

    service.streams[project(5)] = last
    original = BegunDay._add

    def add(self: BegunDay, expected: object) -> None:
        original(self, expected)
        added.append(expected)

    with serving_plainly(service) as url, pytest.MonkeyPatch.context() as patch:
        patch.setattr(BegunDay, "_add", add)
        desk = Desk(None, url, tmp_path, places)
        assert run(desk, DAYS[0]).is_complete
    assert seen == [4]
    assert len(added) == 5  # each one once
    bytes_of_day = {path: path.read_bytes() for path in desk.lake.tidy.rglob("*") if path.is_file()}
    normalise_day(desk.lake, DAYS[0])
    assert {path: path.read_bytes() for path in desk.lake.tidy.rglob("*") if path.is_file()} == bytes_of_day
    assert not [*desk.lake.unfinished("x").parent.iterdir()]


def test_tables_that_could_not_be_begun_are_written_after_the_listing(desk: Desk) -> None:
    def full(self: BegunDay, key: object) -> None:
        raise OSError(28, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BegunDay, "add_through", full)
        assert run(desk, DAYS[0]).is_complete
    assert not [*desk.lake.unfinished("x").parent.iterdir()]


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_a_run_that_ends_before_its_tables_leaves_no_begun_files(desk: Desk, error: type[BaseException]) -> None:
    def ends(*_: object) -> None:
        raise error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("pulltasks.run.steps.Run.settle", ends)
        with pytest.raises(error):
            run(desk, DAYS[0])
    assert not [*desk.lake.unfinished("x").parent.iterdir()]
    assert desk.lake.tidy_dates() == []
