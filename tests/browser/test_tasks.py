"""A mark leads to the tasks that it counts: of a past day, of an hour to come, under what is chosen above the table."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest

from pages import (
    BEFORE,
    BEIJING,
    DAY,
    HOSTILE,
    OPENED,
    SINGAPORE,
    Shown,
    after,
    bars,
    count_of,
    found_in,
    go_to,
    life_of,
    place_of,
    sql_of,
    tile,
)

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

MINUTE = "strftime({}, '%Y-%m-%dT%H:%M:%S.000Z')"
SHOWN_COLUMNS = f"task_id, destination, status, {MINUTE.format('start_time')}, {MINUTE.format('end_time')}"
COLUMNS = {"status": "status", "source_type": "source_type", "region": "region", "target": "target_name"}


def tasks_in(page: Page) -> list[tuple[str, ...]]:
    """Return id, destination, status, start and end of all tasks that the table found."""
    names = ("task_id", "destination", "status", "start_time", "end_time")
    return sorted(tuple(row[name] for name in names) for row in found_in(page, "tasks"))


def tasks_by(shown: Shown, query: str) -> list[tuple[str, ...]]:
    """Return the same of what a query gives, a time that is missing as an empty text."""
    return sorted(
        tuple("" if value is None else value for value in row) for row in shown.all(f"select {SHOWN_COLUMNS} {query}")
    )


@pytest.mark.parametrize(
    ("lake", "by", "region"),
    [
        ("good", "status", ""),
        ("good", "status", BEIJING.region),
        ("good", "source_type", ""),
        ("good", "region", ""),
        ("good", "target", ""),
        ("good", "target", SINGAPORE.region),
        ("incomplete", "status", ""),
        ("incomplete", "target", ""),
    ],
)
def test_every_bar_leads_to_just_the_tasks_of_its_day_that_it_counts(visit, lake: str, by: str, region: str) -> None:
    page, shown = visit(lake, f"by={by}&region={region}")
    where = f"and region = '{region}'" if region else ""
    expected = {
        (str(day), value)
        for day, value in shown.all(
            f"select distinct snapshot_date, {COLUMNS[by]} from fct_pull_task_days where true {where}"
        )
    }
    marks = bars(page).evaluate_all(
        "all => all.map(e => [e.dataset.day, e.getAttribute('href').slice(1), e.querySelector('title').textContent])"
    )
    assert {(day, title.split(" · ")[0]) for day, _, title in marks} == expected
    for day, place, title in marks:
        go_to(page, place)
        value, said, _ = title.split(" · ")
        of_bar = f"from fct_pull_task_days where snapshot_date = date '{day}' and {COLUMNS[by]} = '{value}' {where}"
        tasks = tasks_by(shown, of_bar)
        assert tasks_in(page) == tasks, title
        assert tasks_by(shown, f"from ({sql_of(page, 'tasks')})") == tasks, title
        assert int(said.split()[0]) == count_of(page, "tasks") == len(tasks), title


def test_a_click_on_a_bar_of_a_past_day_opens_that_day(visit) -> None:
    page, shown = visit("good")
    after(page, page.locator(f"#history svg a[data-day='{BEFORE}']").first.click)
    assert f"view=tasks&find=tasks%3Fstatus%3Denable&day={BEFORE}" == place_of(page)
    query = f"from fct_pull_task_days where snapshot_date = date '{BEFORE}' and status = 'enable'"
    assert tasks_in(page) == tasks_by(shown, query)
    assert page.locator("#tasks-of strong").inner_text() == (
        f"Tasks of {BEFORE}, from 3 of 3 targets: what they were on that day."
    )
    after(page, page.locator("#tasks-of a").click)
    assert tasks_in(page) == tasks_by(shown, "from dim_pull_tasks where is_current")


def test_a_bar_of_a_target_leads_to_it_alone_though_its_name_is_part_of_others(visit) -> None:
    page, shown = visit("one of twenty", "by=target")
    after(page, bars(page).filter(has_text=re.compile("^target-1 ")).last.click)
    query = f"from fct_pull_task_days where snapshot_date = '{DAY}' and target_name = 'target-1'"
    assert tasks_in(page) == tasks_by(shown, query) == tasks_by(shown, f"from ({sql_of(page, 'tasks')})")


def test_what_cannot_be_asked_for_alone_leads_nowhere(visit) -> None:
    page, _ = visit("good")
    page.evaluate(
        "data.counts.forEach((row) => { row[1] = row[1] === 'wait' ? null : row[1]; }); colours = undefined; draw()"
    )
    marks = page.locator("#history svg :is(a, g)[data-day]").filter(has_text="(none) · ")
    assert marks.count() > 0
    assert marks.and_(page.locator("a")).count() == 0


def test_a_day_in_the_numbers_leads_to_its_tasks(visit) -> None:
    page, shown = visit("incomplete")
    page.locator("#history summary").click()
    after(page, page.locator("#history details a", has_text=str(DAY - timedelta(days=2))).first.click)
    day = f"from fct_pull_task_days where snapshot_date = date '{DAY - timedelta(days=2)}'"
    assert tasks_in(page) == tasks_by(shown, day)
    assert "from 1 of 3 targets" in page.locator("#tasks-of").inner_text()


@pytest.mark.parametrize("region", ["", SINGAPORE.region])
def test_an_hour_leads_to_the_tasks_that_are_scheduled_in_it(visit, region: str) -> None:
    page, shown = visit("good", f"view=schedule&region={region}")
    where = f"region = '{region}'" if region else "true"
    load = {
        int(hour.replace(tzinfo=UTC).timestamp()): int(count)
        for hour, count in shown.all(
            f"select hour_start, sum(tasks_scheduled) from rpt_schedule_load where {where} group by all"
        )
    }
    cells = page.locator("#week td a").evaluate_all(
        "all => all.map(e => [e.getAttribute('href').slice(1), e.textContent])"
    )
    assert len(cells) == 8 * 24
    hours = {int(re.search(r"hour=(\d+)", place)[1]): int(count) for place, count in cells}
    assert hours == {hour: load.get(hour, 0) for hour in hours}
    for place, count in cells[:: len(cells) // 6]:
        go_to(page, place)
        moment = datetime.fromtimestamp(int(re.search(r"hour=(\d+)", place)[1]), UTC)
        tasks = tasks_by(shown, in_hour(moment, where))
        assert tasks_in(page) == tasks
        assert tasks_by(shown, f"from ({sql_of(page, 'tasks')})") == tasks
        assert len(tasks) == int(count)
        assert (
            page.locator("#tasks-of strong").inner_text()
            == f"Tasks scheduled in the hour from {moment:%Y-%m-%d %H:%M} UTC."
        )


def in_hour(moment: datetime, where: str = "true") -> str:
    return (
        f"from dim_pull_tasks where is_current and {where} "
        f"and coalesce(start_time < timestamp '{moment + timedelta(hours=1):%Y-%m-%d %H:%M:%S}', true) "
        f"and coalesce(end_time > timestamp '{moment:%Y-%m-%d %H:%M:%S}', true)"
    )


def test_the_hour_of_now_is_marked_and_the_sentence_names_the_busiest_one_to_come(visit) -> None:
    page, shown = visit("good", "view=schedule")
    now = page.locator("#week td.now a")
    assert now.get_attribute("title").startswith(f"{OPENED:%Y-%m-%d %H}:00: ")
    (hour, most), *_ = shown.all(
        "select hour_start, sum(tasks_scheduled)::int as tasks from rpt_schedule_load "
        f"where hour_start >= timestamp '{OPENED:%Y-%m-%d %H}:00:00' and hour_start < timestamp '{DAY}' + interval 8 days "
        "group by all order by tasks desc, hour_start"
    )
    assert page.locator("#peak").inner_text().startswith(f"Busiest: {hour:%Y-%m-%d %H}:00 UTC, {most} tasks scheduled")
    shades = page.locator("#week td").evaluate_all("all => all.map(e => e.style.getPropertyValue('--share'))")
    assert {"0%", "100%"} <= set(shades)


def test_of_an_old_page_the_hours_that_passed_are_shown_and_nothing_is_said_of_those_to_come(visit) -> None:
    page, _ = visit("good", "view=schedule", now=OPENED + timedelta(days=30))
    assert page.locator("#week td a").count() == 8 * 24
    assert page.locator("#peak").inner_text() == f"Known for all 3 targets shown, on {DAY}."
    go_to(page, "view=overview")
    assert "Busiest" not in page.locator("#needs").inner_text()


def test_arrows_move_between_the_hours_and_enter_opens_one(visit) -> None:
    page, _ = visit("good", "view=schedule")
    page.locator("#week a[tabindex='0']").focus()
    at = [page.evaluate("document.activeElement.title")[:16]]
    for arrow in ("ArrowDown", "ArrowRight", "ArrowUp", "ArrowLeft", "ArrowLeft"):
        page.keyboard.press(arrow)
        at.append(page.evaluate("document.activeElement.title")[:16])
    moments = [OPENED + timedelta(hours=hours) for hours in (0, 1, 25, 24, 0, 0)]
    assert at == [f"{moment:%Y-%m-%d %H}:00" for moment in moments]  # to the left there is nothing more
    after(page, lambda: page.keyboard.press("Enter"))
    assert place_of(page) == f"view=tasks&hour={int(OPENED.timestamp()) // 3600 * 3600}"


def test_hours_and_times_are_those_of_the_zone_that_is_chosen(visit) -> None:
    page, _ = visit("good", "view=schedule")
    page.evaluate(
        "data.zones.push('Asia/Shanghai'), document.getElementById('zone').append(new Option('Asia/Shanghai'))"
    )
    before = page.locator("#week td.now a").get_attribute("title")
    href = page.locator("#week td.now a").get_attribute("href")
    after(page, lambda: page.select_option("#zone", "Asia/Shanghai"))
    there = OPENED + timedelta(hours=8)
    assert page.locator("#week td.now a").get_attribute("title") == f"{there:%Y-%m-%d %H}:00{before[16:]}"
    after(page, page.locator("#week td.now a").click)
    assert href.partition("hour=")[2] in place_of(page)
    assert "zone=Asia" in place_of(page)
    assert f"from {there:%Y-%m-%d %H}:00 Asia/Shanghai" in page.locator("#tasks-of").inner_text()


# What each choice above the table of tasks means.
EXPIRING = "from rpt_expiring_tasks where ends"
CHOICES = {
    "status": "status = '{}'",
    "source_type": "source_type = '{}'",
    "app_name": "app_name = '{}'",
    "host": "destination_host = '{}'",
    "ends": "(project_id, region, task_id) in (select (project_id, region, task_id) from rpt_expiring_tasks where ends = '{}')",
    "no_backup": "(len(backup_source_urls) = 0) = {}",
    "in_conflict": "(task_id in (select unnest(task_ids) from rpt_stream_conflicts where timing <> 'over')) = {}",
    "shares_source": "coalesce(list_has_any(source_fingerprints || backup_source_fingerprints, "
    "(select list(url_fingerprint) from rpt_source_reuse)), false) = {}",
}
SCOPES = {
    "now": ("", "dim_pull_tasks where is_current"),
    "region": (f"region={BEIJING.region}", f"dim_pull_tasks where is_current and region = '{BEIJING.region}'"),
    "name": (urlencode({"name": "IMG SRC"}), f"dim_pull_tasks where is_current and target_name = '{HOSTILE}'"),
    "day": (f"day={BEFORE}", f"fct_pull_task_days where snapshot_date = date '{BEFORE}'"),
    "day and project": (
        f"day={BEFORE}&project={SINGAPORE.project_id}",
        f"fct_pull_task_days where snapshot_date = date '{BEFORE}' and project_id = '{SINGAPORE.project_id}'",
    ),
    "hour": (f"hour={int(OPENED.timestamp()) // 3600 * 3600}", in_hour(OPENED.replace(minute=0)).removeprefix("from ")),
}


@pytest.mark.parametrize("scope", SCOPES)
def test_each_choice_above_the_tasks_narrows_them_as_sql_does_and_is_kept_in_the_address(visit, scope: str) -> None:
    asked, where = SCOPES[scope]
    page, shown = visit("good", f"view=tasks&{asked}")
    everything = shown.one(f"select count(*) from {where}")
    seen = 0
    for facet, condition in CHOICES.items():
        if scope.startswith("day") and facet in {"ends", "in_conflict", "shares_source"}:
            continue  # of a past day these are not known; they are not offered
        options = page.evaluate(
            "name => { const facet = tables.tasks.facets.find(each => each.column.name === name); "
            "return facet.label.hidden ? [] : [...facet.select.options].slice(1).map(e => [e.value, e.text]); }",
            facet,
        )
        for value, text in options:
            query = f"from {where} and {condition.format(value)}"
            count = shown.one(f"select count(*) {query}")
            go_to(page, f"view=tasks&{asked}&{urlencode({'find': f'tasks?{facet}={value}'})}")
            assert text.endswith(f"({count})"), (facet, text)
            assert tasks_in(page) == tasks_by(shown, query), (facet, value)
            assert tasks_by(shown, f"from ({sql_of(page, 'tasks')})") == tasks_by(shown, query), (facet, value)
            if count < everything:
                assert f"({everything} without filters)" in page.locator("#tasks .pager").inner_text()
            seen += 1
    assert seen >= 5
    offered = page.locator("#tasks .facet").filter(visible=True).all_inner_texts()
    assert scope.startswith("day") != any("in conflict" in text for text in offered)


def test_a_choice_is_made_by_its_box_and_two_narrow_further(visit) -> None:
    page, shown = visit("good", "view=tasks")
    page.locator("#tasks .facet", has_text="without backup").locator("select").select_option("true")
    page.locator("#tasks .facet", has_text="status").locator("select").select_option("enable")
    query = "from rpt_tasks_without_backup where status = 'enable'"
    assert tasks_in(page) == tasks_by(shown, query)
    assert tasks_by(shown, f"from ({sql_of(page, 'tasks')})") == tasks_by(shown, query)
    again, _ = visit("good", place_of(page))
    assert tasks_in(again) == tasks_by(shown, query)
    boxes = again.locator("#tasks .facet select").evaluate_all("all => all.map(e => e.value).filter(Boolean)")
    assert sorted(boxes) == ["enable", "true"]


@pytest.mark.parametrize("name", ["past_end", "no_backup"])
def test_a_tile_leads_to_the_tasks_that_it_counts(visit, name: str) -> None:
    page, shown = visit("incomplete")
    count = int(tile(page, name))
    after(page, lambda: page.click(f"[data-tile={name}] a"))
    model = {"past_end": "rpt_expiring_tasks where ends = 'past_end'", "no_backup": "rpt_tasks_without_backup"}[name]
    assert tasks_in(page) == tasks_by(
        shown, f"from dim_pull_tasks semi join (from {model}) using (project_id, region, task_id)"
    )
    assert count_of(page, "tasks") == count


# Where a status is said, and how its colour is found there.
COLOURED = {
    "#history .legend li": "all => all.map(e => [e.innerText.trim(), getComputedStyle(e.firstChild).backgroundColor])",
    "#history svg a": "all => all.map(e => [e.textContent.split(' · ')[0], getComputedStyle(e.firstChild).fill])",
    "#tasks .tag": "all => all.map(e => [e.innerText, getComputedStyle(e, '::before').backgroundColor])",
    "#life .band li:not(.absent)": "all => all.map(e => [e.firstChild.textContent, getComputedStyle(e).borderTopColor])",
}

# Two words that have no colour of their own, and would take the same one; the first is that of one target alone.
RENAME = """() => {
  const beijing = data.targets.findIndex((target) => target.label === "beijing");
  const renamed = (word, target) => (word !== "enable" ? word : target === beijing ? "booked" : "queued");
  const { tasks, spells, past } = data.lives;
  data.counts.forEach((row) => { row[1] = renamed(row[1], row[0]); });
  spells.forEach((row) => { row[1] = renamed(row[1], tasks.target[row[0]]); });
  past.forEach((row) => { row[2] = renamed(row[2], tasks.target[row[0]]); });
  tasks.status = tasks.status.map((word, i) => renamed(word, tasks.target[i]));
  colours = undefined;
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("region", ["", SINGAPORE.region])
def test_a_status_has_one_colour_in_chart_table_and_life_whatever_the_filter(visit, region: str, scheme: str) -> None:
    page, shown = visit("good", f"region={region}", color_scheme=scheme)
    page.evaluate("paper.isPrinting = true")  # more rows of a table
    page.evaluate(RENAME)
    go_to(page, f"view=conflicts&region={region}")
    lives = shown.all(
        "select distinct on (region, status) project_id || '/' || region || '/' || task_id from fct_status_spells"
    )
    places = ["view=overview", "view=tasks", f"view=tasks&day={BEFORE}", *(life_of(key) for (key,) in lives)]
    found: dict[str, set[tuple[str, str]]] = {}
    for place in places:
        go_to(page, f"{place}&region={region}")
        for where, script in COLOURED.items():
            pairs = page.locator(where).filter(visible=True).evaluate_all(script)
            found.setdefault(where, set()).update((word, colour) for word, colour in pairs if "last known" not in word)
    assert all(len(pairs) >= 3 for pairs in found.values())
    colours = set.union(*found.values())
    words = {word for word, _ in colours}
    assert {"booked", "queued"} < words
    assert len(words) == len(colours) == len({colour for _, colour in colours})
