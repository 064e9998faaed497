"""From a number to a task and back: lives of tasks and of targets say what the warehouse says."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from pages import BEFORE, BEIJING, BUSIEST, DAY, HOSTILE, after, found_in, go_to, life_of, place_of, places
from pulltasks.reasons import advice_on

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

GONE = (
    "select project_id || '/' || region || '/' || task_id from dim_pull_tasks where not is_current order by task_id "
    "limit 1"
)


def of(key: str) -> str:
    project, region, task = key.split("/", 2)
    return f"project_id = '{project}' and region = '{region}' and task_id = '{task}'"


def life_rows(page: Page) -> list[list[str]]:
    return [row.locator("td").all_inner_texts() for row in page.locator("#life .table tbody tr").all()]


@pytest.mark.parametrize("which", [BUSIEST, GONE])
def test_a_tasks_life_says_what_the_warehouse_says(visit, lakes, which: str) -> None:
    key = lakes["good"].one(which)
    page, shown = visit("good", life_of(key))
    spells = shown.all(
        f"select status, from_date::varchar, to_date::varchar from fct_status_spells where {of(key)} order by from_date"
    )
    band = [
        re.match(r"(.*): from (\S+) to (\S+) ", title)
        for title in page.locator("#life .band li:not(.absent)").evaluate_all("all => all.map(e => e.title)")
    ]
    ends = str(DAY + timedelta(days=1))
    assert [found.groups() for found in band] == [(status, first, last or ends) for status, first, last in spells]
    changes = shown.all(
        "select snapshot_date::varchar, previous_complete_date::varchar, change, coalesce(field, ''), "
        f"coalesce(value_before, ''), coalesce(value_after, ''), coalesce(reason, '') from fct_pull_task_changes "
        f"where {of(key)} order by snapshot_date desc, field"
    )
    assert [tuple(row.values()) for row in life_changes(page)] == changes
    urls = shown.one(f"select source_urls || backup_source_urls from dim_pull_tasks where {of(key)}")
    assert page.locator("#life .addresses li").all_inner_texts() == urls
    is_current = shown.one(f"select is_current from dim_pull_tasks where {of(key)}")
    assert page.locator("#life .gone").count() == (0 if is_current else 1)
    query = page.locator("#life .sql > span").get_attribute("title")
    versions = shown.one(f"select count(*) from dim_pull_task_versions where {of(key)}")
    assert shown.one(f"select count(*) from ({query})") == versions


def life_changes(page: Page) -> list[dict[str, str]]:
    page.evaluate("tables.life = lifeTables.changes")
    return found_in(page, "life")


@pytest.mark.parametrize(("kind", "said"), [("source", "names?"), ("destination", "push(es)?")])
def test_other_tasks_on_its_sources_and_its_stream_are_those_of_sql(visit, lakes, kind: str, said: str) -> None:
    fingerprints = {
        "source": "source_fingerprints || backup_source_fingerprints",
        "destination": "[destination_fingerprint]",
    }[kind]
    key, count = lakes["good"].all(
        f"with named as (select project_id || '/' || region || '/' || task_id as key, unnest({fingerprints}) as f "
        "from dim_pull_tasks where is_current) select a.key, count(distinct b.key) from named a join named b "
        "on a.f = b.f and a.key <> b.key group by all order by 2 desc, 1 limit 1"
    )[0]
    page, _ = visit("good", life_of(key))
    heading = page.locator("#life h3", has_text=re.compile(rf"^{count} other tasks? {said} "))
    assert heading.count() == 1
    assert heading.locator("..").locator("li").count() == min(count, 12) + (count > 12)
    before = page.url
    after(page, heading.locator("..").locator("a").first.click)
    assert page.url != before
    assert page.locator("#life h2").inner_text().startswith("Task ")


def test_from_a_tile_to_a_task_and_back_by_keyboard(visit) -> None:
    page, _ = visit("good")
    page.locator("[data-tile=tasks] a").focus()
    after(page, lambda: page.keyboard.press("Enter"))
    page.locator("#tasks td.id a").first.focus()
    after(page, lambda: page.keyboard.press("Enter"))
    assert page.evaluate("document.activeElement.id") == "view-life"
    assert page.locator("#life").bounding_box()["y"] < 250
    page.locator("#back").focus()
    after(page, lambda: page.keyboard.press("Enter"))
    assert place_of(page) == "view=tasks"


def test_a_targets_life_has_its_days_with_reasons_tasks_and_requests(visit) -> None:
    page, shown = visit("incomplete", "view=coverage")
    after(page, page.locator("#matrix tbody tr", has_text="beijing").locator("a").click)
    days = shown.all(
        "select snapshot_date::varchar, coverage, coalesce(verdict_reason, ''), task_count, requests "
        "from rpt_snapshot_coverage where target_name = 'beijing' and is_expected order by snapshot_date desc"
    )
    assert [row[:5] for row in life_rows(page)] == [
        [day, coverage, advice_on(reason) if reason else "", *("" if value is None else str(value) for value in counts)]
        for day, coverage, reason, *counts in days
    ]
    assert {day[1] for day in days} > {"complete", "missing"}
    query = page.locator("#life .sql > span").get_attribute("title")
    assert shown.one(f"select count(*) from ({query}) where is_expected") == len(days)
    after(page, page.locator("#life a", has_text="only").click)
    assert page.locator("[name=shown]").inner_text() == "1 of 3 targets shown"
    assert len(found_in(page, "tasks")) == shown.one(
        f"select count(*) from dim_pull_tasks where is_current and region = '{BEIJING.region}'"
    )


@pytest.mark.parametrize(
    ("lake", "name", "known", "who"),
    [
        ("late", "singapore", f"Last complete on {BEFORE}.", "Your account administrator has to fix this."),
        ("incomplete", HOSTILE, "", "Your account administrator has to fix this."),
        ("held", "beijing", f"Last complete on {BEFORE}.", "The pulltasks operator has to fix this."),
    ],
)
def test_what_needs_somebody_says_whom_and_what_is_known(visit, lake: str, name: str, known: str, who: str) -> None:
    page, _ = visit(lake)
    after(page, page.locator("#causes a", has_text=name).first.click)
    said = page.locator("#life .gone").inner_text()
    assert who in said
    assert known in said
    assert bool(known) == ("Last complete" in said)


def test_a_name_that_a_target_does_not_have_is_the_end_of_its_project_and_its_region(visit) -> None:
    page, shown = visit("one of twenty")
    assert page.locator("#causes .names a").inner_text() == "…0007 · cn-north-4"
    after(page, page.locator("#causes .names a").click)
    project = shown.one("select distinct project_id from rpt_snapshot_coverage where coverage = 'failed'")
    assert project in page.locator("#life .facts").inner_text()
    go_to(page, "view=coverage")
    labels = page.locator("#matrix tbody th").all_inner_texts()
    assert len(set(labels)) == 20
    titles = page.locator("#matrix tbody th a").evaluate_all("all => all.map(e => e.title)")
    assert set(titles) == {f"{n:032x}/cn-north-4" for n in range(20)}


def test_a_conflict_leads_to_its_tasks_and_each_tells_of_it(visit) -> None:
    page, _ = visit("good", "view=conflicts")
    tasks = page.locator("#conflicts tbody tr").first.locator("td.id a")
    for n in range(tasks.count()):
        after(page, tasks.nth(n).click)
        assert page.locator("#life li", has_text="tasks push at once").count() == 1
        after(page, page.go_back)


def test_what_the_page_does_not_follow_is_said_to_be_elsewhere(visit) -> None:
    page, shown = visit("good", life_of(f"{BEIJING.project_id}/{BEIJING.region}/no-such-task"))
    assert "does not follow task no-such-task; look in dim_pull_task_versions" in page.locator("#life").inner_text()
    go_to(page, places(shown)["nobody"])
    assert "There is no target nobody/nowhere here." in page.locator("#life").inner_text()
