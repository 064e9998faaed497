"""Two questions of a newcomer and four of an operator: each is answered within three clicks, as SQL answers it."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from pages import DAY, HOSTILE, after, found_in
from pulltasks.reasons import advice_on

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


class Reader:
    """Somebody who clicks three times at most."""

    def __init__(self, page: Page) -> None:
        self.page, self.clicks = page, 0

    def click(self, target: str | Locator) -> None:
        self.clicks += 1
        assert self.clicks <= 3
        after(self.page, (self.page.locator(target) if isinstance(target, str) else target).first.click)


def test_a_newcomer_sees_whether_everything_is_here(visit) -> None:
    page, shown = visit("incomplete")
    complete, expected = shown.all(
        "select count(*) filter (coverage = 'complete'), count(*) from rpt_snapshot_coverage "
        f"where is_expected and snapshot_date = date '{DAY}'"
    )[0]
    heading = page.locator("#verdict-heading")
    assert heading.inner_text() == f"Incomplete {complete} of {expected} targets are known for {DAY}"
    assert heading.bounding_box()["y"] < 200


def test_a_newcomer_finds_what_is_wrong_and_what_to_do(visit) -> None:
    page, shown = visit("incomplete")
    reader = Reader(page)
    reader.click(page.locator("#causes a", has_text="singapore"))
    said = page.locator("#life").inner_text()
    reason, message, known = shown.all(
        "select verdict_reason, error_message, targets.last_complete_date::varchar from dim_targets as targets "
        f"join fct_target_days as days using (project_id, region) where snapshot_date = '{DAY}' "
        "and targets.target_name = 'singapore'"
    )[0]
    assert advice_on(reason) in said
    assert message in said
    assert f"Last complete on {known}." in said
    assert "Your account administrator has to fix this." in said


def test_an_operator_finds_which_tasks_had_a_status_on_a_past_day(visit) -> None:
    page, shown = visit("good")
    day = DAY - timedelta(days=3)
    Reader(page).click(page.locator(f"#history a[data-day='{day}']", has_text=re.compile("^wait ")))
    tasks = shown.all(
        f"select task_id from fct_pull_task_days where snapshot_date = '{day}' and status = 'wait' order by 1"
    )
    assert sorted(row["task_id"] for row in found_in(page, "tasks")) == [task for (task,) in tasks]


def test_an_operator_finds_which_streams_conflict_and_whose_tasks_they_are(visit) -> None:
    page, shown = visit("good")
    reader = Reader(page)
    reader.click("[data-tile=conflicts] a")
    conflicts = shown.all("select destination, array_to_string(task_ids, chr(10)) from rpt_stream_conflicts order by 1")
    assert sorted((row["destination"], row["task_ids"]) for row in found_in(page, "conflicts")) == conflicts
    link = page.locator("#conflicts td.id a").first
    task = link.locator("..").get_attribute("title")
    reader.click(link)
    assert task in page.locator("#life .facts").inner_text()
    assert page.locator("#life li", has_text="tasks push at once").count() == 1


def test_an_operator_finds_what_is_scheduled_at_an_hour_of_tonight_without_a_backup(visit) -> None:
    page, shown = visit("good")
    reader = Reader(page)
    reader.click("nav a[data-view=schedule]")
    reader.click(page.locator("#week a[title^='2026-11-23 03:00']"))
    page.locator("#tasks .facet", has_text="without backup").locator("select").select_option("true")  # the third
    tasks = shown.all(
        "select task_id from rpt_tasks_without_backup where coalesce(start_time < timestamp '2026-11-23 04:00', true) "
        "and coalesce(end_time > timestamp '2026-11-23 03:00', true) order by 1"
    )
    assert sorted(row["task_id"] for row in found_in(page, "tasks")) == [task for (task,) in tasks]
    assert len(tasks) > 20


def test_an_operator_finds_which_target_keeps_failing_and_why(visit) -> None:
    page, shown = visit("incomplete")
    reader = Reader(page)
    reader.click("nav a[data-view=coverage]")
    for row in page.locator("#matrix tbody tr").all():
        name = row.locator("th").inner_text()
        ended = shown.warehouse.execute(
            "select snapshot_date::varchar, coverage, verdict_reason from rpt_snapshot_coverage "
            "where target_name = $1 and is_expected order by 1",
            [name],
        ).fetchall()
        assert [cell.get_attribute("title") for cell in row.locator("td").all()] == [
            f"{name}, {day}: {how}" + (f" ({advice_on(why)})" if how != "complete" and why else "")
            for day, how, why in ended
        ]
    worst = page.locator("#matrix tbody th").first
    ((name,),) = shown.all(
        "select target_name from rpt_snapshot_coverage where coverage <> 'complete' group by all order by count(*) desc limit 1"
    )
    assert worst.inner_text() == name == HOSTILE
    reader.click(worst.locator("a"))
    days = [row.locator("td").all_inner_texts() for row in page.locator("#life .table tbody tr").all()]
    assert {(day[1], day[2]) for day in days} == {("failed", advice_on("forbidden")), ("missing", advice_on("no_run"))}
