"""A capture that is not complete says why and what to do; one that is complete says nothing of the kind."""

from __future__ import annotations

from datetime import date, timedelta

from desk import BEIJING, SINGAPORE, Desk, rows
from pulltasks.lake.raw import read_capture
from pulltasks.reasons import advice_on
from pulltasks.run.order import snapshot
from pulltasks.sandbox.data import tasks_on

DAY = date(2026, 11, 22)


def test_only_what_is_not_proved_says_so_whatever_is_worth_knowing_of_a_complete_listing(desk: Desk) -> None:
    desk.sandbox.faults[BEIJING.project_id, DAY] = "no_total"
    desk.sandbox.faults[SINGAPORE.project_id, DAY] = "short_page"
    found = {result.target.name: result for result in desk.capture(DAY)}
    complete, short = found["beijing"], found["singapore"]
    assert (complete.verdict, complete.reason, complete.message) == ("complete", "total_missing", None)
    assert (short.verdict, short.reason) == ("incomplete", "page_contradicts_total")
    assert short.message == (
        f"{short.target.label}: not proved complete (page_contradicts_total); {advice_on('page_contradicts_total')}"
    )


DAYS = [date(2026, 11, 16) + timedelta(days=n) for n in range(5)]


def run(desk: Desk, day: date, **options: object):
    return snapshot(desk.settings, day, desk.clock, simulated=True, **options)


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
