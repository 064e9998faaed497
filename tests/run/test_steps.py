"""Whole runs when something is already wrong: today is never lost for the sake of an earlier day."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta

import pytest

from desk import BEIJING, SINGAPORE, Desk
from pulltasks.capture.day import CaptureOptions, CaptureResult, DayCapture
from pulltasks.clock import Clock
from pulltasks.errors import ConfigError, LakeError
from pulltasks.lake import redaction_key
from pulltasks.lake.manifests import stale_dates
from pulltasks.lake.raw import read_capture
from pulltasks.run.order import may_try_again, rebuild, snapshot
from pulltasks.sandbox.data import tasks_on
from pulltasks.settings import Target
from pulltasks.warehouse.read.previous_captures import previous_captures
from pulltasks.warehouse.read.published import open_published

DAYS = [date(2026, 11, 16) + timedelta(days=n) for n in range(5)]


def run(desk: Desk, day: date, **options: object):
    return snapshot(desk.settings, day, desk.clock, simulated=True, **options)


def rows(desk: Desk, query: str) -> list[tuple]:
    with open_published(desk.lake) as connection:
        return connection.sql(query).fetchall()


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


def test_a_damaged_capture_of_today_is_put_aside_and_made_again(desk: Desk) -> None:
    run(desk, DAYS[0])
    raw = desk.lake.raw_file(DAYS[0], BEIJING.project_id, BEIJING.region)
    raw.write_bytes(b"oops")
    result = run(desk, DAYS[0])
    assert [(capture.verdict, capture.is_new) for capture in result.captures] == [
        ("complete", True),
        ("complete", False),
    ]
    assert read_capture(raw).verdict.verdict == "complete"
    assert raw.with_name(f"{raw.name}.damaged").read_bytes() == b"oops"


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


def test_a_failed_capture_does_not_replace_an_incomplete_one(desk: Desk) -> None:
    desk.sandbox.faults[BEIJING.project_id, None] = "short_page"
    run(desk, DAYS[0])
    desk.sandbox.faults[BEIJING.project_id, None] = "forbidden"
    run(desk, DAYS[0])
    assert rows(
        desk, f"select coverage, tasks_seen > 100 from rpt_snapshot_coverage where project_id = '{BEIJING.project_id}'"
    ) == [("incomplete", True)]


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


def test_a_lost_key_is_not_replaced_in_silence(desk: Desk) -> None:
    run(desk, DAYS[0])
    desk.lake.redaction_key.unlink()
    with pytest.raises(LakeError, match="the redaction key is gone"):
        run(desk, DAYS[1])
    for path in desk.lake.warehouse.iterdir():
        path.unlink()
    assert run(desk, DAYS[1]).is_complete
    assert len(redaction_key.read_or_make_key(desk.lake)) == redaction_key.KEY_BYTES


def test_only_the_named_target_is_listed(desk: Desk) -> None:
    result = run(desk, DAYS[0], only={(BEIJING.project_id, BEIJING.region)})
    assert [capture.target.name for capture in result.captures] == ["beijing"]
    assert not result.is_complete
    assert rows(desk, "select target_name, coverage from rpt_snapshot_coverage order by all") == [
        ("beijing", "complete"),
        ("singapore", "missing"),
    ]
    assert run(desk, DAYS[0]).is_complete


def test_a_run_that_began_before_midnight_begins_no_capture_half_an_hour_after_it(desk: Desk) -> None:
    began_at = datetime(2026, 11, 22, 23, 59, tzinfo=UTC)
    day = began_at.date()

    def capture(now: datetime):
        desk.sandbox.now = lambda: now
        desk.lake.prepare()
        settings = desk.settings
        clock = Clock(lambda: now, desk.clock.new_id)
        return asyncio.run(DayCapture(settings, desk.lake, day, clock, CaptureOptions(began_at=began_at)).run())

    late = capture(began_at + timedelta(minutes=20))
    assert [result.verdict for result in late] == ["complete", "complete"]
    for path in desk.lake.raw_files(day):
        path.unlink()
    from pulltasks.capture import day as module

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "check_date", lambda *_, **__: None)  # the run has begun; its captures begin too late
        too_late = capture(began_at + timedelta(minutes=40))
    assert {(result.verdict, result.reason) for result in too_late} == {("missing", "day_has_passed")}
    assert desk.lake.raw_files(day) == []


def test_without_targets_nothing_is_begun(desk: Desk) -> None:
    settings = desk.settings.model_copy(update={"targets": []})
    with pytest.raises(ConfigError, match=r"add a \[\[targets\]\] table"):
        asyncio.run(DayCapture(settings, desk.lake, DAYS[0], desk.clock, CaptureOptions(simulated=True)).run())
    assert not desk.lake.root.exists()


def gone_of(desk: Desk, day: date) -> tuple:
    verdict = read_capture(desk.lake.raw_file(day, BEIJING.project_id, BEIJING.region)).verdict
    return verdict.verdict, set(verdict.gone), set(verdict.unlisted), set(verdict.unchecked)


def missing(first: date, second: date) -> set[str]:
    return {t["task_id"] for t in tasks_on(1, BEIJING, first)} - {t["task_id"] for t in tasks_on(1, BEIJING, second)}


def test_tasks_that_are_missing_are_asked_for_and_found_gone(desk: Desk) -> None:
    run(desk, DAYS[0])
    run(desk, DAYS[1])
    expected = missing(DAYS[0], DAYS[1])
    assert 0 < len(expected) <= 20
    assert gone_of(desk, DAYS[1]) == ("complete", expected, set(), set())
    assert rows(
        desk,
        f"select gone_count from rpt_snapshot_coverage where snapshot_date = '{DAYS[1]}' and target_name = 'beijing'",
    ) == [(len(expected),)]


def test_beyond_the_bound_they_stay_unchecked(desk: Desk) -> None:
    desk.extra = "max_gone_checks = 2\n"
    run(desk, DAYS[0])
    run(desk, DAYS[1])
    verdict, gone, unlisted, unchecked = gone_of(desk, DAYS[1])
    assert (verdict, len(gone), unlisted) == ("complete", 2, set())
    assert gone | unchecked == missing(DAYS[0], DAYS[1])


def test_a_task_that_is_there_and_stays_unlisted_is_called_so(desk: Desk) -> None:
    run(desk, DAYS[0])
    lost = tasks_on(1, BEIJING, DAYS[0])[3]["task_id"]
    desk.sandbox.faults[BEIJING.project_id, None] = "lost"
    run(desk, DAYS[0], refresh=True)
    raw = read_capture(desk.lake.raw_file(DAYS[0], BEIJING.project_id, BEIJING.region))
    assert (raw.verdict.verdict, raw.verdict.unlisted) == ("complete", [lost])
    assert {answer.sweep for answer in raw.answers} == {1, 2, None}  # one more sweep, and the question itself


def test_a_task_that_is_listed_after_all_makes_the_second_sweep_count(desk: Desk) -> None:
    run(desk, DAYS[0])
    lost = tasks_on(1, BEIJING, DAYS[0])[3]["task_id"]
    desk.sandbox.faults[BEIJING.project_id, None] = "lost"
    page = desk.sandbox._page

    def found_again(request, project_id):
        if "task_id" in request.url.query:
            desk.sandbox.faults.clear()
        return page(request, project_id)

    desk.sandbox._page = found_again
    run(desk, DAYS[0], refresh=True)
    raw = read_capture(desk.lake.raw_file(DAYS[0], BEIJING.project_id, BEIJING.region))
    assert (raw.verdict.verdict, raw.verdict.counted_sweep, raw.verdict.unlisted) == ("complete", 2, [])
    assert (lost,) in rows(desk, "select task_id from dim_pull_tasks where is_current")


def test_what_is_known_is_what_the_last_complete_capture_listed(desk: Desk) -> None:
    with previous_captures(desk.lake, DAYS[1]) as known:
        assert known((BEIJING.project_id, BEIJING.region)).task_ids == frozenset()
    run(desk, DAYS[0])
    desk.sandbox.faults[BEIJING.project_id, DAYS[1]] = "forbidden"
    run(desk, DAYS[1])
    with previous_captures(desk.lake, DAYS[1]) as known:
        found = known((BEIJING.project_id, BEIJING.region))
    assert found.task_ids == {task["task_id"] for task in tasks_on(1, BEIJING, DAYS[0])}
    assert found.offset_unit == "rows"


@pytest.mark.parametrize(
    ("reasons", "may_try"),
    [
        ((), False),
        (("forbidden", "raw_not_written"), False),
        (("throttled", "forbidden"), True),
        (("pages_not_joined",), True),
        (("throttled", "credential_refused"), False),
    ],
)
def test_another_attempt_is_made_for_what_may_pass_and_never_beside_a_refused_credential(
    reasons: tuple[str, ...], may_try: bool
) -> None:
    target = Target(project_id=BEIJING.project_id, region=BEIJING.region)
    captures = [CaptureResult(target, "failed", reason, None, 0, 1) for reason in reasons]
    stands = CaptureResult(target, "complete", None, None, 5, 0, is_new=False)
    assert may_try_again([*captures, stands]) == may_try
