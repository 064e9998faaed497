"""The page in a real browser, from disk: what it says is what SQL says, whatever is clicked; and it is silent and open to all.

Screenshots of each day, wide and narrow, go to .browser/ for whoever wants to look.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pages import BEIJING, DAY, HOSTILE, NAMES, SHANGHAI, SINGAPORE, Shown, after, count_of, drawn, numbers, rows, tile
from pulltasks.reasons import advice_on
from sentences import faults_of, faults_of_punctuation

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

PICTURES = Path(__file__).parent.parent.parent / ".browser"


def bars(page: Page) -> int:
    return page.locator("[data-chart=history] .layer_0_marks path").count()


TILES = {
    "tasks": "select count(*) from dim_pull_tasks where is_current {and_}",
    "changes": "select count(distinct (project_id, region, task_id)) from fct_pull_task_changes "
    "where snapshot_date = (select through_date from meta_build) {and_}",
    "conflicts": "select count(*) from rpt_stream_conflicts where timing <> 'over' {either}",
    "past_end": "select count(*) from rpt_expiring_tasks where ends = 'past_end' {and_}",
    "ends_soon": "select count(*) from rpt_expiring_tasks where ends = 'within_24_hours' {and_}",
    "no_backup": "select count(*) from rpt_tasks_without_backup where true {and_}",
}


def expected(shown: Shown, name: str, region: str | None = None) -> str:
    and_ = f"and region = '{region}'" if region else ""
    either = f"and len(list_filter(target_keys, lambda key: key like '%/{region}')) > 0" if region else ""
    return f"{shown.one(TILES[name].format(and_=and_, either=either)):,}"


@pytest.mark.parametrize("name", TILES)
def test_a_number_is_what_sql_says_for_all_targets_and_for_those_of_a_region(visit, name: str) -> None:
    page, shown = visit("good")
    assert tile(page, name) == expected(shown, name)
    after(page, lambda: page.select_option("[name=region]", "cn-north-4"))
    assert tile(page, name) == expected(shown, name, "cn-north-4")
    assert page.locator("[name=shown]").inner_text() == "1 of 3 targets shown"


@pytest.mark.parametrize(
    ("table", "query"),
    [
        ("changes", "from fct_pull_task_changes where snapshot_date = (select through_date from meta_build)"),
        ("conflicts", "from rpt_stream_conflicts"),
        ("expiring", "from rpt_expiring_tasks"),
        ("no_backup", "from rpt_tasks_without_backup"),
        ("sources", "from rpt_source_reuse"),
        ("receivers", "from rpt_callback_receivers"),
        ("gaps", "from rpt_coverage_gaps"),
    ],
)
def test_a_table_has_as_many_rows_as_its_model(visit, table: str, query: str) -> None:
    page, shown = visit("incomplete")
    assert count_of(page, table) == shown.one(f"select count(*) {query}")


def test_filters_by_project_and_by_name_narrow_everything_and_are_kept_in_the_address(visit) -> None:
    page, shown = visit("good")
    after(page, lambda: page.select_option("[name=project]", SINGAPORE.project_id))
    assert tile(page, "tasks") == expected(shown, "tasks", SINGAPORE.region)
    assert {row[1] for row in rows(page, "no_backup")} == {"singapore"}
    address = page.url
    after(page, lambda: page.click("[type=reset]"))
    after(page, lambda: page.fill("[name=name]", "BEIJ"))
    assert tile(page, "tasks") == expected(shown, "tasks", BEIJING.region)
    after(page, lambda: page.fill("[name=name]", "nowhere"))
    assert page.locator("[name=shown]").inner_text() == "No target matches the filter."
    assert tile(page, "tasks") == "not known"
    again, _ = visit("good", "#" + address.partition("#")[2])
    assert tile(again, "tasks") == expected(shown, "tasks", SINGAPORE.region)


def test_a_table_sorts_both_ways_with_what_is_not_known_last_and_searches(visit) -> None:
    page, shown = visit("good")
    head = page.locator("#no_backup th", has_text="end").locator("button")
    ends = [
        row
        for (row,) in shown.warehouse.execute(
            "select strftime(end_time, '%Y-%m-%d %H:%M') from rpt_tasks_without_backup order by end_time nulls last"
        ).fetchall()
    ]
    head.click()
    assert [row[4] for row in rows(page, "no_backup")] == [end or "" for end in ends[:10]]
    assert page.locator("#no_backup th[aria-sort=ascending]").count() == 1
    head.click()
    assert [row[4] for row in rows(page, "no_backup")] == sorted(filter(None, ends), reverse=True)[:10]
    task_id = shown.one("select min(task_id) from rpt_tasks_without_backup")
    page.fill("#no_backup .tools input", str(task_id)[:13])
    assert page.locator("#no_backup td.id [title]").first.get_attribute("title") == task_id
    assert len(rows(page, "no_backup")) == 1
    page.fill("#no_backup .tools input", "no such thing")
    assert "no rows" in page.locator("#no_backup .pager").inner_text()


def test_a_table_turns_its_pages_by_keyboard_alone(visit) -> None:
    page, _ = visit("good")
    first = rows(page, "no_backup")
    page.locator("#no_backup").get_by_label("Next rows").focus()
    page.keyboard.press("Enter")
    second = rows(page, "no_backup")
    assert first != second
    page.locator("#no_backup").get_by_label("Previous rows").focus()
    page.keyboard.press("Space")
    assert rows(page, "no_backup") == first


def test_all_that_was_found_is_copied_as_csv_and_no_cell_of_it_is_a_formula(visit) -> None:
    page, shown = visit("incomplete", permissions=["clipboard-read", "clipboard-write"])
    page.locator("#targets").get_by_text("Copy as CSV").click()
    page.wait_for_function("() => document.querySelector('#targets .tools output').textContent.includes('copied')")
    text = page.evaluate("navigator.clipboard.readText()")
    lines = text.split("\r\n")
    assert lines[0].startswith("target,coverage,verdict_reason,error_message")
    assert len(lines) == 3 + 2
    page.locator("#no_backup").get_by_text("Copy as CSV").click()
    page.wait_for_function("() => document.querySelector('#no_backup .tools output').textContent.includes('copied')")
    copied = page.evaluate("navigator.clipboard.readText()").strip().split("\r\n")
    assert len(copied) - 1 == shown.one("select count(*) from rpt_tasks_without_backup")


@pytest.mark.parametrize("table", ["changes", "conflicts", "expiring", "tonight", "no_backup", "reliability", "gaps"])
def test_the_sql_of_a_table_gives_its_rows(visit, table: str) -> None:
    page, shown = visit("incomplete", permissions=["clipboard-read", "clipboard-write"])
    page.locator(f"#{table}").get_by_text("Copy its SQL").click()
    page.wait_for_function(f"() => document.querySelector('#{table} .tools output').textContent.includes('SQL copied')")
    query = page.evaluate("navigator.clipboard.readText()")
    assert shown.one(f"select count(*) from ({query})") == count_of(page, table)


@pytest.mark.parametrize("text", ["=cmd()", "+1", "-1", "@x", "\tx", "\rx", "\n=x"])
def test_a_text_that_a_spreadsheet_would_run_is_copied_as_a_text(visit, text: str) -> None:
    page, _ = visit("good")
    cell = page.evaluate("text => csvCell({kind: 'text'}, text)", text)
    assert cell.strip('"').startswith("'")
    assert page.evaluate("csvCell({kind: 'number'}, -1)") == "-1"
    assert page.evaluate("""csvCell({kind: 'text'}, 'a "b", c')""") == '"a ""b"", c"'


def test_what_is_not_complete_is_said_first_and_cannot_be_overlooked(visit) -> None:
    page, _ = visit("incomplete")
    truth = page.locator("#truth")
    assert "2 of 3 targets not complete on 2026-11-22" in truth.inner_text()
    text = " ".join(truth.inner_text().split())
    assert f"{HOSTILE} · failed · {advice_on('forbidden')} Never captured completely" in text
    assert f"singapore · failed · {advice_on('forbidden')} Its tasks are shown as they were on 2026-11-21." in text
    assert truth.bounding_box()["y"] < 200
    assert page.evaluate("getComputedStyle(document.querySelector('#truth')).borderTopColor") == "rgb(161, 26, 26)"


def test_what_is_not_known_is_no_zero(visit) -> None:
    page, shown = visit("incomplete")
    assert (
        "1 of 3 targets as last known · 1 never complete, not counted" in page.locator("[data-tile=tasks]").inner_text()
    )
    after(page, lambda: page.select_option("[name=region]", SHANGHAI.region))
    assert {tile(page, name) for name in TILES} == {"not known"}
    assert "Not known: no target shown here was ever complete." in page.locator("#conflicts").inner_text()
    assert page.locator("[data-chart=load]").inner_text().startswith("Not known")
    after(page, lambda: page.select_option("[name=region]", SINGAPORE.region))
    assert tile(page, "tasks") == expected(shown, "tasks", SINGAPORE.region)
    assert tile(page, "changes") == "not known"
    assert page.locator("[data-chart=history] .layer_1_marks text").all_text_contents() == ["?", "?"]


def test_pale_bars_are_those_of_days_on_which_something_is_not_known(visit) -> None:
    page, _ = visit("incomplete")
    paths = page.locator("[data-chart=history] .layer_0_marks path")
    opacities = {path.get_attribute("opacity") for path in paths.all()}
    assert opacities == {"0.45"}  # one target was never complete
    after(page, lambda: page.select_option("[name=region]", SINGAPORE.region))
    assert {path.get_attribute("opacity") for path in paths.all()} <= {"1", None}


def test_data_that_are_old_say_so_when_the_page_is_opened_later(browser, lakes) -> None:
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    page.clock.set_fixed_time(datetime.now(UTC) + timedelta(hours=25))
    page.goto(lakes["good"].file.as_uri())
    drawn(page)
    assert page.locator("#old").is_hidden()
    page.clock.set_fixed_time(datetime.now(UTC) + timedelta(days=3))
    page.reload()
    drawn(page)
    assert "These data are old: no capture was published for 3 days." in page.locator("#truth").inner_text()
    assert page.locator("#truth.bad").count() == 1
    page.goto(lakes["incomplete"].file.as_uri())
    drawn(page)
    assert "These data are old: no capture was published for 3 days." in page.locator("#truth").inner_text()
    context.close()


def test_a_target_that_missed_a_day_is_amber_until_it_is_beyond_its_limit(browser, lakes) -> None:
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    page.goto(lakes["late"].file.as_uri())
    drawn(page)
    assert page.locator("#truth.late").count() == 1
    assert page.locator("#beyond").is_hidden()
    page.clock.set_fixed_time(datetime.now(UTC) + timedelta(hours=51))
    page.evaluate("data.max_age_seconds = 1e9; drawAge(Date.now() / 1000)")
    assert "targets without a complete capture for over 2 days: " in page.locator("#beyond").inner_text()
    assert page.locator("#truth.bad").count() == 1
    context.close()


def test_what_was_never_complete_has_no_age(visit) -> None:
    page, _ = visit("incomplete")
    assert page.locator("#beyond").inner_text() == f"1 of 3 targets never captured completely: {NAMES[SHANGHAI]}."
    page.evaluate("data.targets.forEach((each) => { each.last_complete_at = null; }); drawAge(Date.now() / 1000)")
    assert page.locator("#beyond").inner_text().startswith("3 of 3 targets never captured completely: ")


def test_where_a_clock_is_wrong_no_age_is_said(browser, lakes) -> None:
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    page.clock.set_fixed_time(datetime.now(UTC) - timedelta(days=3))
    page.goto(lakes["incomplete"].file.as_uri())
    drawn(page)
    text = page.locator("#truth").inner_text() + page.locator("#line").inner_text()
    assert "The age of the data is unknown." in text
    assert not re.search(r"\bago\b|for over", text)
    context.close()


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", ["good", "incomplete", "empty", "first"])
def test_whatever_is_known_the_page_is_written_right(visit, name: str, language: str) -> None:
    page, _ = visit(name, f"#lang={language}")
    page.fill("#search", "no such thing at all")
    for region in ("", SHANGHAI.region, SINGAPORE.region):
        after(page, lambda chosen=region: page.select_option("[name=region]", chosen))
        no_line_is_wrong(page, language)


def no_line_is_wrong(page: Page, language: str) -> None:
    lines = [line for line in page.locator("body").inner_text().splitlines() if HOSTILE not in line]
    assert not [line for line in lines if faults_of(line)]
    # of the tables, some columns are the service's own words, or English in any language
    own = "#truth p, #truth li, #tiles li, .cover, .hint, #results li, h2, th"
    texts = [text for text in page.locator(own).all_inner_texts() if HOSTILE not in text]
    assert not [text for text in texts if faults_of_punctuation(text, language)]


def test_a_page_that_stays_open_grows_old(browser, lakes) -> None:
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    page.clock.install()
    page.goto(lakes["good"].file.as_uri())
    page.clock.run_for(5000)
    drawn(page)
    assert page.locator("#old").is_hidden()
    page.clock.fast_forward(3 * 24 * 3600 * 1000)
    page.wait_for_selector("#old:not([hidden])")
    context.close()


def test_an_address_that_asks_for_what_there_is_not_is_drawn_all_the_same(visit) -> None:
    page, shown = visit("good", "#by=bogus&lang=fr&theme=pink&constructor=x")
    assert page.locator("#broken").is_hidden()
    assert tile(page, "tasks") == expected(shown, "tasks")
    after(page, lambda: page.select_option("[name=region]", BEIJING.region))
    assert tile(page, "tasks") == expected(shown, "tasks", BEIJING.region)


def test_a_browser_that_is_too_old_says_so(browser, lakes) -> None:
    context = browser.new_context(locale="en-GB")
    page = context.new_page()
    page.add_init_script("delete globalThis.DecompressionStream")
    page.goto(lakes["incomplete"].file.as_uri())
    page.wait_for_selector("#broken:not([hidden])")
    assert "It needs a browser of 2023 or later." in page.locator("#broken").inner_text()
    assert "2 of 3 targets not complete" in page.locator("#truth").inner_text()
    context.close()


def test_an_empty_day_shows_true_zeros(visit) -> None:
    page, _ = visit("empty")
    assert "All 3 targets are complete" in page.locator("#truth").inner_text()
    assert {tile(page, name) for name in TILES} == {"0"}
    assert "None. Known for all 3 targets" in page.locator("#conflicts").inner_text()


def test_a_first_listing_has_no_known_changes(visit) -> None:
    page, _ = visit("first")
    assert tile(page, "changes") == "not known"
    assert (
        "None among what is known. Changes are not known for 3 of the 3 targets shown: no complete listing"
        in page.locator("#changes").inner_text()
    )


def test_a_table_that_is_cut_says_so_and_is_never_called_empty(visit) -> None:
    page, shown = visit("first")
    total = shown.one("select count(*) from rpt_tasks_without_backup")
    cover = page.locator("#no_backup .cover")
    assert f"Rows on this page: the first 2 of {total};" in cover.inner_text()
    assert "from rpt_tasks_without_backup" in cover.inner_text()
    held = {row[0] for row in rows(page, "no_backup")}
    absent = next(place for place in (BEIJING, SHANGHAI, SINGAPORE) if NAMES[place] not in held)
    after(page, lambda: page.select_option("[name=region]", absent.region))
    assert rows(page, "no_backup") == []
    assert cover.inner_text().startswith("None among the rows that the page holds.")
    assert tile(page, "no_backup") == expected(shown, "no_backup", absent.region)


def test_a_filter_that_shows_nobody_says_nothing_about_anybody(visit) -> None:
    page, _ = visit("good")
    after(page, lambda: page.fill("[name=name]", "nowhere"))
    assert {tile(page, name) for name in TILES} == {"not known"}
    assert "no target of the day is shown" in page.locator("#tiles").inner_text()
    text = page.locator("#needs-script").inner_text()
    assert "targets shown" not in text.replace("0 of 3 targets shown", "")
    assert "never complete" not in text
    assert page.locator("[data-chart=load]").inner_text() == "No target matches the filter."
    after(page, lambda: page.click("[type=reset]"))
    assert page.locator("[data-chart=load] svg").count() == 1
    assert "Known for all 3 targets shown" in page.locator("#load .cover").inner_text()


def test_only_what_is_complete_counts_as_known_on_each_day(visit) -> None:
    page, _ = visit("incomplete", f"#region={BEIJING.region}")
    opacities = [p.get_attribute("opacity") for p in page.locator("[data-chart=history] .layer_0_marks path").all()]
    assert set(opacities) <= {"1", None}
    page.locator("#coverage summary").click()
    states = [cells[1] for cells in numbers(page, "coverage")]
    assert states == ["all complete", "no run", "none complete", "all complete", "all complete"]
    assert page.locator("[data-chart=history] .layer_1_marks text").all_text_contents() == ["?", "?"]


def test_every_chart_is_drawn_and_its_numbers_are_there_as_a_table(visit) -> None:
    page, shown = visit("good")
    kinds = shown.one("select count(distinct status) from fct_daily_task_counts")
    days = shown.one("select count(distinct snapshot_date) from fct_daily_task_counts")
    assert bars(page) == kinds * days  # a status that no task has on a known day is a bar without a height
    assert page.locator("[data-chart=load] .layer_0_marks path").count() == 8 * 24
    assert page.locator("#matrix tbody tr").count() == 3
    assert page.locator("#matrix tbody td").count() == 3 * 4
    page.locator("#history summary").click()
    table = page.locator("#history details")
    total = shown.one("select sum(task_count) from fct_daily_task_counts where snapshot_date = date '2026-11-19'")
    first_day = [
        int(cells[2].replace(",", ""))
        for cells in (row.locator("td").all_inner_texts() for row in table.locator("tbody tr").all())
        if cells[0] == "2026-11-19"
    ]
    assert sum(first_day) == total


@pytest.mark.parametrize("region", [None, SINGAPORE.region])
def test_the_history_and_the_load_are_those_of_sql_under_any_filter(visit, region: str | None) -> None:
    page, shown = visit("good", f"#region={region}" if region else "")
    where = f"region = '{region}'" if region else "true"
    page.locator("#history summary").click()
    history = {(day, status): int(tasks) for day, status, tasks, *_ in numbers(page, "history")}
    counted = shown.warehouse.execute(
        f"select snapshot_date::varchar, status, sum(task_count)::int from fct_daily_task_counts where {where} group by all"
    ).fetchall()
    assert {key: tasks for key, tasks in history.items() if tasks} == {(day, word): n for day, word, n in counted if n}
    page.locator("#load summary").click()
    load = {(day, int(hour)): int(tasks) for day, hour, tasks in numbers(page, "load")}
    scheduled = shown.warehouse.execute(
        "select hour_start::date::varchar, hour(hour_start), sum(tasks_scheduled)::int from rpt_schedule_load "
        f"where {where} and hour_start >= timestamp '{DAY}' group by all"
    ).fetchall()
    assert {key: tasks for key, tasks in load.items() if tasks} == {(day, hour): n for day, hour, n in scheduled}
    assert len(load) == 8 * 24


def test_what_is_beyond_the_colours_is_summed_and_nothing_is_lost(visit) -> None:
    page, _ = visit("good")
    found = page.evaluate(
        """() => historyRows({
            days: ["2026-11-22"], coverage: ["c"], targets: [{region: "r", label: "t"}],
            counts: Array.from({length: 12}, (_, i) => [0, `status-${i}`, "x", [0], [100 - i]]),
        }, new Set([0]), "status")"""
    )
    assert len(found) == 8
    assert sum(row["tasks"] for row in found) == sum(100 - i for i in range(12))
    assert found[-1]["value"] == "other"


def test_numbers_sort_as_numbers(visit) -> None:
    page, shown = visit("good")
    page.locator("#no_backup th", has_text="sources").locator("button").click()
    page.locator("#no_backup th", has_text="sources").locator("button").click()
    counts = shown.warehouse.execute(
        "select len(source_urls) from rpt_tasks_without_backup order by 1 desc limit 10"
    ).fetchall()
    assert [(int(row[6]),) for row in rows(page, "no_backup")] == counts


def test_bars_can_be_coloured_by_source_type_region_and_target(visit) -> None:
    page, shown = visit("good")
    for by, column in (("source_type", "source_type"), ("region", "region"), ("target", "target_name")):
        after(page, lambda by=by: page.check(f"[name=by][value={by}]"))
        values = shown.one(f"select count(*) from (select distinct snapshot_date, {column} from fct_daily_task_counts)")
        assert bars(page) == values


def test_hours_are_those_of_the_lakes_time_zone(visit) -> None:
    page, _ = visit("good")
    assert page.evaluate("time(1795305600)") == "2026-11-22 00:00"
    assert page.evaluate("speech.timezone = 'Asia/Shanghai', time(1795305600)") == "2026-11-22 08:00"


def test_a_hostile_name_is_only_text(visit) -> None:
    page, _ = visit("incomplete")
    assert page.locator("img").count() == 0
    assert HOSTILE in page.locator("#targets").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", ["good", "incomplete", "empty"])
def test_the_rules_of_accessibility_hold(visit, name: str, language: str, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page, _ = visit(name, f"#lang={language}", color_scheme=scheme)
    page.locator("#history summary").click()
    results = Axe().run(page)
    assert results.violations_count == 0, results.generate_report()
    assert page.locator("html").get_attribute("lang") == {"en": "en", "zh": "zh-Hans"}[language]
    assert page.locator("#matrix table").count() == 1


def test_the_rules_of_accessibility_would_notice(visit) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page, _ = visit("good")
    page.evaluate(
        "document.querySelector('[name=region]').parentElement.replaceWith(document.querySelector('[name=region]'))"
    )
    assert Axe().run(page).violations_count > 0


def test_chinese_labels_and_the_dark_look_come_by_a_button(visit) -> None:
    page, _ = visit("good")
    after(page, lambda: page.click("#language"))
    assert page.locator("#no_backup h2").inner_text() == "无备用源的任务"
    assert "全部 3 个目标采集完整" in page.locator("#truth").inner_text()
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    after(page, lambda: page.click("#theme"))
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    assert "lang=zh" in page.url
    assert "theme=dark" in page.url
    text = page.locator("body").inner_text()
    assert not re.findall(r"\b(banner|tile|covers|chart|column|table|filter|page)\.\w+", text)
    assert "{" not in text


@pytest.mark.parametrize("name", ["good", "incomplete"])
def test_no_column_is_cut_on_a_screen_of_1280(visit, name: str) -> None:
    page, _ = visit(name)
    cut = page.evaluate(
        "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth).map(e => e.ariaLabel)"
    )
    assert cut == []


@pytest.mark.parametrize("name", ["good", "incomplete", "empty"])
def test_nothing_is_wider_than_a_narrow_screen(visit, name: str) -> None:
    page, _ = visit(name, width=390)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_keyboard_reaches_every_control_and_the_first_stop_skips_to_the_content(visit) -> None:
    page, _ = visit("good")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    reached = {page.evaluate("document.activeElement.outerHTML.slice(0, 200)")}
    for _ in range(900):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.outerHTML.slice(0, 200)"))
        if page.evaluate("document.activeElement === document.body"):
            break
    controls = page.evaluate(
        "[...document.querySelectorAll('a[href], button, input, select, summary')].filter(e => !e.disabled && e.checkVisibility())"
        ".map(e => e.outerHTML.slice(0, 200))"
    )
    others = [control for control in controls if control not in reached and 'type="radio"' not in control]
    assert others == []  # of radio buttons only the chosen one is a stop


WORDS = {"past_end": "past its end", "ends_soon": "within 24 hours"}


@pytest.mark.parametrize("name", WORDS)
def test_a_tile_leads_to_the_list_behind_it_and_back_goes_back(visit, name: str) -> None:
    page, shown = visit("good")
    after(page, lambda: page.click(f"[data-tile={name}] a"))
    assert "part=tasks" in page.url
    assert count_of(page, "expiring") == int(expected(shown, name))
    assert {row[3] for row in rows(page, "expiring")} <= {WORDS[name]}
    assert page.evaluate("document.activeElement.id") == "part-tasks"
    address = page.url
    after(page, page.go_back)
    assert count_of(page, "expiring") == shown.one("select count(*) from rpt_expiring_tasks")
    again, _ = visit("good", "#" + address.partition("#")[2])
    assert count_of(again, "expiring") == int(expected(shown, name))


def test_a_part_is_reached_from_the_contents_by_keyboard(visit) -> None:
    page, _ = visit("good")
    page.locator("nav a[data-part=coverage]").focus()
    after(page, lambda: page.keyboard.press("Enter"))
    assert page.locator("nav a[aria-current]").inner_text() == "Coverage"
    assert 0 <= page.locator("#part-coverage").bounding_box()["y"] < 200
    assert page.locator("header").bounding_box()["y"] == 0  # it stays


AN_HOUR = (
    "from dim_pull_tasks, (select date_trunc('hour', observed_at) + interval {hour} hour as begins from dim_dates "
    "order by snapshot_date desc limit 1) where is_current and coalesce(start_time < begins + interval 1 hour, true) "
    "and coalesce(end_time > begins, true)"
)


def test_what_runs_tonight_at_an_hour_without_a_backup_is_three_clicks_away(visit) -> None:
    page, shown = visit("good")
    after(page, lambda: page.click("nav a[data-part=tonight]"))
    assert page.locator("#hours button strong").all_inner_texts() == [
        str(shown.one(f"select count(*) {AN_HOUR.format(hour=hour)}")) for hour in range(24)
    ]
    after(page, lambda: page.locator("#hours button").nth(13).click())
    assert count_of(page, "tonight") == shown.one(f"select count(*) {AN_HOUR.format(hour=13)}")
    after(page, lambda: page.check("#only [value=no_backup]"))
    found = f"{AN_HOUR.format(hour=13)} and len(backup_source_urls) = 0"
    assert count_of(page, "tonight") == shown.one(f"select count(*) {found}") > 0
    assert page.locator("#hours button[aria-pressed=true]").count() == 1
    assert {"hour=13", "only=no_backup"} <= set(page.url.partition("#")[2].split("&"))
    after(page, lambda: page.locator("#hours button").nth(13).click())
    assert count_of(page, "tonight") > shown.one(f"select count(*) {found}") - 1


def test_which_target_keeps_failing_and_why_is_seen_in_the_grid(visit) -> None:
    page, shown = visit("incomplete")
    after(page, lambda: page.click("nav a[data-part=coverage]"))
    for cells in page.locator("#matrix tbody tr").all():
        name = cells.locator("th").inner_text()
        said = [cell.get_attribute("title") or "" for cell in cells.locator("td").all()]
        ended = shown.warehouse.execute(
            "select snapshot_date::varchar, coverage, verdict_reason from rpt_snapshot_coverage "
            "where target_name = $1 and is_expected order by 1",
            [name],
        ).fetchall()
        assert said == [
            f"{name}, {day}: {how}" + (f" ({advice_on(why)})" if how != "complete" and why else "")
            for day, how, why in ended
        ]
    worst = page.locator("#matrix tbody tr").first
    assert worst.locator("th").inner_text() == HOSTILE
    after(page, lambda: worst.locator("button").click())
    assert page.locator("#life h2").inner_text() == f"Target {HOSTILE}"
    days = [row.locator("td").all_inner_texts() for row in page.locator("#life .table tbody tr").all()]
    assert {(row[1], row[2]) for row in days} == {
        ("failed", advice_on("forbidden")),
        ("missing", advice_on("no_run")),
    }


def test_a_number_says_how_it_changed_and_a_day_that_is_not_known_breaks_its_line(visit) -> None:
    page, shown = visit("good")
    of_day = "select sum(task_count)::int from fct_daily_task_counts where snapshot_date = date '{}'"
    change = shown.one(of_day.format(DAY)) - shown.one(of_day.format(DAY - timedelta(days=1)))
    sign = "+" if change > 0 else "\u2212" if change < 0 else "±"
    assert f"{sign}{abs(change)} against the day before" in page.locator("[data-tile=tasks]").inner_text()
    moves = page.evaluate("value => sparkline(value).querySelector('path').getAttribute('d')", [1, 2, None, 3, 4])
    assert moves.count("M") == 2
    assert page.locator("[data-tile=tasks] .spark path").get_attribute("d").count("M") == 1


def test_times_are_shown_in_the_zone_that_is_chosen(visit, lakes) -> None:
    page, _ = visit("good")
    page.evaluate(
        "data.zones.push('Asia/Shanghai'), document.getElementById('zone').append(new Option('Asia/Shanghai'))"
    )
    before = page.locator("#hours button span").first.inner_text()
    after(page, lambda: page.select_option("#zone", "Asia/Shanghai"))
    assert int(page.locator("#hours button span").first.inner_text()[:2]) == (int(before[:2]) + 8) % 24
    assert "zone=Asia" in page.url


def test_printed_it_has_no_controls(visit) -> None:
    page, _ = visit("good")
    page.emulate_media(media="print")
    assert page.locator("#filter").is_hidden()
    assert page.locator("#truth").is_visible()
    assert len(page.pdf()) > 10_000


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("name", ["good", "incomplete", "empty"])
def test_a_picture_of_it(visit, name: str, width: int) -> None:
    """Not empty, and for people to look at."""
    from PIL import Image

    page, _ = visit(name, width=width)
    PICTURES.mkdir(exist_ok=True)
    file = PICTURES / f"{name}-{width}.png"
    page.screenshot(path=file, full_page=True)
    with Image.open(file) as picture:
        assert picture.width == width
        assert len(picture.convert("RGB").getcolors(1 << 24)) > 100
