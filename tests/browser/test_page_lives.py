"""From a number to a task and back: lives of tasks and targets, the search, what is chosen above a table, on paper."""

from __future__ import annotations

import re
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from pages import BEIJING, DAY, HOSTILE, SINGAPORE, after, count_of, rows
from pulltasks.reasons import advice_on

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

# A listed task that changed most, and one that was noticed as gone.
BUSIEST = (
    "select project_id || '/' || region || '/' || task_id from dim_pull_tasks "
    "left join (select project_id, region, task_id, count(*) as changes from fct_pull_task_changes group by all) "
    "using (project_id, region, task_id) where is_current order by changes desc nulls last, task_id limit 1"
)
GONE = (
    "select project_id || '/' || region || '/' || task_id from dim_pull_tasks where not is_current order by task_id "
    "limit 1"
)


def at(key: str) -> str:
    return f"#part=life&task={quote(key, safe='')}"


def of(key: str, alias: str = "") -> str:
    project, region, task = key.split("/", 2)
    return f"{alias}project_id = '{project}' and {alias}region = '{region}' and {alias}task_id = '{task}'"


def life_rows(page: Page) -> list[list[str]]:
    return [row.locator("td").all_inner_texts() for row in page.locator("#life .table tbody tr").all()]


@pytest.mark.parametrize("which", [BUSIEST, GONE])
def test_a_tasks_life_says_what_the_warehouse_says(visit, which: str) -> None:
    page, shown = visit("good")
    key = shown.one(which)
    page, shown = visit("good", at(key))
    spells = shown.warehouse.execute(
        f"select status, from_date::varchar, to_date::varchar from fct_status_spells where {of(key)} order by from_date"
    ).fetchall()
    band = [
        re.match(r"(.*): from (\S+) to (\S+) ", title)
        for title in page.locator("#life .band li:not(.absent)").evaluate_all("all => all.map(e => e.title)")
    ]
    ends = str(DAY + timedelta(days=1))
    assert [found.groups() for found in band] == [(status, first, last or ends) for status, first, last in spells]
    changes = shown.warehouse.execute(
        "select snapshot_date::varchar, previous_complete_date::varchar, change, coalesce(field, ''), "
        f"coalesce(value_before, ''), coalesce(value_after, ''), coalesce(reason, '') from fct_pull_task_changes "
        f"where {of(key)} order by snapshot_date desc, field"
    ).fetchall()
    assert life_rows(page) == [list(change) for change in changes]
    urls = shown.one(f"select source_urls || backup_source_urls from dim_pull_tasks where {of(key)}")
    assert page.locator("#life .addresses li").all_inner_texts() == urls
    is_current = shown.one(f"select is_current from dim_pull_tasks where {of(key)}")
    assert page.locator("#life .verdict").count() == (0 if is_current else 1)


def test_the_sql_of_a_life_gives_its_versions(visit) -> None:
    _, shown = visit("good")
    page, _ = visit("good", at(shown.one(BUSIEST)))
    query = page.locator("#life pre").inner_text()
    assert shown.one(f"select count(*) from ({query})") == shown.one(
        f"select count(*) from dim_pull_task_versions where {of(shown.one(BUSIEST))}"
    )


@pytest.mark.parametrize("kind", ["source", "destination"])
def test_other_tasks_on_its_sources_and_its_stream_are_those_of_sql(visit, kind: str) -> None:
    fingerprints = {
        "source": "source_fingerprints || backup_source_fingerprints",
        "destination": "[destination_fingerprint]",
    }[kind]
    _, shown = visit("good")
    pairs = shown.warehouse.execute(
        f"with named as (select project_id || '/' || region || '/' || task_id as key, unnest({fingerprints}) as f "
        "from dim_pull_tasks where is_current) select a.key, count(distinct b.key) from named a join named b "
        "on a.f = b.f and a.key <> b.key group by all order by 2 desc, 1 limit 1"
    ).fetchall()
    ((key, count),) = pairs
    page, _ = visit("good", at(key))
    said = {"source": "name", "destination": "push"}[kind]
    heading = page.locator("#life h3", has_text=re.compile(rf"^{count} other tasks? {said}"))
    assert heading.count() == 1
    before = page.url
    after(page, heading.locator("..").locator("a").first.click)
    assert page.url != before
    assert page.locator("#life h2").inner_text().startswith("Task ")


def test_a_conflict_leads_to_its_tasks_and_each_tells_of_it(visit) -> None:
    page, _ = visit("good")
    after(page, lambda: page.click("[data-tile=conflicts] a"))
    after(page, page.locator("#conflicts td a").first.click)
    assert page.locator("#life li", has_text="tasks push at once").count() == 1
    after(page, page.go_back)
    assert page.locator("#part-life").is_hidden()


def test_from_a_tile_to_a_task_and_back_by_keyboard(visit) -> None:
    page, shown = visit("good")
    page.locator("[data-tile=tasks] a").focus()
    after(page, lambda: page.keyboard.press("Enter"))
    assert count_of(page, "tasks") == shown.one("select count(*) from dim_pull_tasks where is_current")
    link = page.locator("#tasks tbody a[title], #tasks td.id a").first
    link.focus()
    after(page, lambda: page.keyboard.press("Enter"))
    assert page.evaluate("document.activeElement.id") == "part-life"
    assert page.locator("#part-life").bounding_box()["y"] < 200
    address = page.url
    after(page, page.go_back)
    assert page.locator("#part-life").is_hidden()
    assert "part=tasks" in page.url
    after(page, page.go_forward)
    assert page.url == address
    page.locator("#life .close").focus()
    after(page, lambda: page.keyboard.press("Enter"))
    assert page.locator("#part-life").is_hidden()


def test_a_search_finds_a_task_by_its_id_and_a_target_by_its_name(visit) -> None:
    page, shown = visit("good")
    key = shown.one(BUSIEST)
    page.fill("#search", key.split("/")[2])
    assert page.locator("#results a").count() == 1
    after(page, lambda: page.press("#search", "Enter"))
    assert key.split("/")[2] in page.locator("#life").inner_text()
    assert page.locator("#results").is_hidden()
    page.fill("#search", "img src")
    after(page, page.locator("#results a").first.click)
    assert page.locator("#life h2").inner_text() == f"Target {HOSTILE}"
    page.fill("#search", "no such thing at all")
    tasks = shown.one("select count(*) from dim_pull_tasks")
    none = f"No match among the targets and the {tasks} tasks on this page."
    assert page.locator("#results").inner_text() == none


def test_a_search_over_a_part_of_the_tasks_says_so_and_how_to_ask_for_the_others(visit) -> None:
    page, shown = visit("good")
    key = shown.one("select task_id from dim_pull_tasks order by all limit 1")
    page.evaluate("[data.lives.is_cut, data.lives.total] = [true, data.lives.total + 1]")
    for text, found in (("It's nowhere", 0), (f" {key.upper()} ", 1)):
        page.fill("#search", text)
        *_, rest = page.locator("#results li").all_inner_texts()
        said, query = rest.split("`pulltasks query`: ")
        assert said == "Not searched: 1 more, which only the warehouse has; ask "
        assert shown.one(f"select count(*) from ({query})") == found
        assert page.locator("#results a").count() == found


def test_a_targets_life_has_its_days_with_reasons_tasks_and_requests(visit) -> None:
    page, shown = visit("incomplete")
    after(page, lambda: page.click("nav a[data-part=coverage]"))
    after(page, lambda: page.locator("#matrix tbody tr", has_text="beijing").locator("button").click())
    days = shown.warehouse.execute(
        "select snapshot_date::varchar, coverage, coalesce(verdict_reason, ''), task_count, requests "
        "from rpt_snapshot_coverage where target_name = 'beijing' and is_expected order by snapshot_date desc"
    ).fetchall()
    found = [row[:5] for row in life_rows(page)]
    assert found == [
        [day, coverage, advice_on(reason) if reason else "", *("" if value is None else str(value) for value in counts)]
        for day, coverage, reason, *counts in days
    ]
    assert {day[1] for day in days} > {"complete", "missing"}
    after(page, lambda: page.get_by_text("Show the whole page for this target only").click())
    assert page.locator("[name=shown]").inner_text() == "1 of 3 targets shown"


@pytest.mark.parametrize(
    ("reason", "who"),
    [
        ("forbidden", "Your account administrator has to fix this."),
        ("lost_many_tasks", "The pulltasks operator has to fix this."),
    ],
)
def test_what_needs_somebody_says_whom(visit, reason: str, who: str) -> None:
    page, _ = visit({"forbidden": "late", "lost_many_tasks": "held"}[reason])
    assert who in page.locator("#truth").inner_text()
    assert page.locator("#truth.late").count() == 1  # amber: each was complete yesterday


@pytest.mark.parametrize(
    ("name", "missing", "expected"), [("one of twenty", 1, 20), ("all late", 3, 3), ("held", 1, 3)]
)
def test_how_many_are_late_is_said_whatever_the_number(visit, name: str, missing: int, expected: int) -> None:
    page, _ = visit(name)
    assert f"{missing} of {expected} targets not complete" in page.locator("#truth").inner_text()
    assert page.locator("#matrix td.failed, #matrix td.held").count() == missing
    # what they had when last known is dashed, and counts in no sum
    assert page.locator("[data-chart=history] .layer_1_marks path").count() == (0 if name == "all late" else 1)


def test_what_is_dashed_is_what_was_known_last(visit) -> None:
    page, shown = visit("late")
    known = shown.one(
        f"select sum(task_count)::int from fct_daily_task_counts where region = '{SINGAPORE.region}' "
        f"and snapshot_date = date '{DAY - timedelta(days=1)}'"
    )
    shown_targets = "new Set(data.targets.keys())"
    assert page.evaluate(f"lastKnown(data, {shown_targets})") == [0, known]
    of_beijing = f"new Set([data.targets.findIndex(t => t.region === '{BEIJING.region}')])"
    assert page.evaluate(f"lastKnown(data, {of_beijing})") == [0, 0]


@pytest.mark.parametrize(
    ("table", "column", "model"),
    [
        ("tasks", "status", "dim_pull_tasks where is_current"),
        ("tasks", "source_type", "dim_pull_tasks where is_current"),
        ("tasks", "app_name", "dim_pull_tasks where is_current"),
        ("tasks", "host", "(select *, destination_host as host from dim_pull_tasks where is_current)"),
        ("expiring", "ends", "rpt_expiring_tasks"),
    ],
)
def test_what_is_chosen_above_a_table_narrows_it_and_is_kept(visit, table: str, column: str, model: str) -> None:
    page, shown = visit("good")
    counts = shown.warehouse.execute(
        f"select {column}, count(*) from {model} group by all having {column} <> '' order by 2 desc, 1"
    ).fetchall()
    label = {"app_name": "application", "source_type": "source type"}.get(column, column)
    select = page.locator(f"#{table} .facet", has_text=label).locator("select")
    if len(counts) < 2:
        assert select.is_hidden()
        return
    value, count = counts[-1]
    select.select_option(value)
    assert count_of(page, table) == count
    everything = shown.one(f"select count(*) from {model}")
    assert f"({everything} without filters)" in page.locator(f"#{table} .pager").inner_text()
    again, _ = visit("good", "#" + page.url.partition("#")[2])
    assert count_of(again, table) == count


def test_a_bar_leads_to_the_tasks_that_it_counts(visit) -> None:
    page, shown = visit("good")
    bar = page.locator("[data-chart=history] .layer_0_marks path").last
    after(page, lambda: bar.click(force=True))
    assert "find=tasks%3Fstatus%3D" in page.url
    status = re.search(r"status%3D(\w+)", page.url)[1]
    assert count_of(page, "tasks") == shown.one(
        f"select count(*) from dim_pull_tasks where is_current and status = '{status}'"
    )


def test_a_task_that_the_page_does_not_follow_is_said_to_be_elsewhere(visit) -> None:
    page, _ = visit("good", at(f"{BEIJING.project_id}/{BEIJING.region}/no-such-task"))
    assert "does not follow task no-such-task; look in dim_pull_task_versions" in page.locator("#life").inner_text()
    page, _ = visit("good", "#part=life&target=nobody%2Fnowhere")
    assert "There is no target nobody/nowhere here." in page.locator("#life").inner_text()


@pytest.mark.parametrize("width", [768, 1280, 1600])
@pytest.mark.parametrize("name", ["good", "incomplete", "one of twenty", "held", "all late"])
def test_nothing_is_wider_than_the_screen(visit, name: str, width: int) -> None:
    page, shown = visit(name, width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page, _ = visit(name, at(shown.one(BUSIEST)), width=width)
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_heads_of_a_table_stay_while_it_is_scrolled(visit) -> None:
    page, _ = visit("good")
    heads = page.evaluate("[...document.querySelectorAll('.scroll th')].map(e => getComputedStyle(e).position)")
    assert set(heads) == {"sticky"}


@pytest.mark.parametrize("name", ["good", "incomplete", "one of twenty", "all late", "empty"])
def test_what_is_passed_on_fits_on_one_printed_page(visit, name: str) -> None:
    page, _ = visit(name)
    page.set_viewport_size({"width": 1031, "height": 702})  # A4 landscape without its margins, in CSS pixels
    page.emulate_media(media="print")
    whole = [page.locator(f"#{part}").bounding_box() for part in ("truth", "tiles", "history", "brief")]
    assert whole[-1]["y"] + whole[-1]["height"] <= 702
    assert all(above["y"] + above["height"] <= below["y"] for above, below in pairwise(whole))
    assert page.evaluate("document.documentElement.scrollWidth") <= 1031
    assert set(page.locator("#tasks td.id").evaluate_all("all => all.map(e => getComputedStyle(e).whiteSpace)")) <= {
        "nowrap"
    }


def test_paper_shows_more_rows_than_the_screen_and_the_screen_is_as_before(visit) -> None:
    page, _ = visit("good")
    before = rows(page, "tasks")
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert len(rows(page, "tasks")) == 50
    page.evaluate("window.dispatchEvent(new Event('afterprint'))")
    assert rows(page, "tasks") == before


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("what", ["task", "target"])
def test_the_rules_of_accessibility_hold_for_lives(visit, what: str, language: str, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    _, shown = visit("incomplete")
    key = shown.one(BUSIEST)
    asked = at(key) if what == "task" else f"#part=life&target={quote(key.rpartition('/')[0], safe='')}"
    page, _ = visit("incomplete", f"{asked}&lang={language}", color_scheme=scheme)
    page.fill("#search", "a")
    assert page.locator("#results").is_visible()
    assert Axe().run(page).response["violations"] == []
