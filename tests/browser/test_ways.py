"""Where a reader comes from, and what was asked, is not lost on the way; an old page says so wherever one looks."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qs

import pytest

from pages import BEIJING, OPENED, SINGAPORE, after, count_of, found_in, go_to, rows, sql_of

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


def asked(page) -> dict[str, list[str]]:
    return parse_qs(page.url.partition("#")[2])


def test_the_skip_link_leads_to_the_content_of_the_same_view(visit) -> None:
    page, _ = visit("good", f"view=tasks&region={BEIJING.region}")
    page.locator(".skip").focus()
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    assert asked(page) == {"view": ["tasks"], "region": [BEIJING.region]}


def test_the_count_of_a_cause_leads_to_its_targets_whatever_is_filtered(visit) -> None:
    page, _ = visit("late", f"region={BEIJING.region}")
    after(page, page.locator("#causes li > a").click)
    assert [row["target"] for row in found_in(page, "targets")] == ["singapore"]


def test_choices_of_two_tables_the_order_and_the_page_of_a_table_are_kept(visit) -> None:
    page, _ = visit("good", "view=tasks")
    page.locator("#tasks th", has_text="start (UTC)").locator("button").click()
    page.locator("#tasks .facet", has_text="status").locator("select").select_option("enable")
    page.locator("#tasks").get_by_label("Next rows").click()
    page.fill("#sources .tools input", "e")
    before, count = rows(page, "tasks"), count_of(page, "tasks")
    after(page, page.locator("#tasks td.id a").first.click)
    after(page, page.go_back)
    assert (rows(page, "tasks"), count_of(page, "tasks")) == (before, count)
    assert page.locator("#sources .tools input").input_value() == "e"
    again, _ = visit("good", page.url.partition("#")[2])
    assert rows(again, "tasks") == before


@pytest.mark.parametrize("hour", ["99999999999999999", "1764500000", "-1", "x", "1.5"])
def test_an_hour_that_is_not_on_the_page_is_not_asked_for(visit, hour: str) -> None:
    page, shown = visit("good", f"view=tasks&hour={hour}")
    assert page.locator("#broken").is_hidden()
    assert count_of(page, "tasks") == shown.one("select count(*) from pull_tasks")


def test_an_error_is_gone_with_the_view_that_had_it(visit) -> None:
    page, _ = visit("good")
    page.evaluate("broken(new Error('x'))")
    assert page.locator("#broken").is_visible()
    go_to(page, "view=conflicts")
    assert page.locator("#broken").is_hidden()


def test_what_the_page_does_not_know_of_a_past_day_is_empty_when_copied(visit) -> None:
    page, _ = visit("good", "view=tasks&day=2026-11-20")
    found = found_in(page, "tasks")
    assert {(row["in_conflict"], row["shares_source"], row["ends"]) for row in found} == {("", "", "")}
    assert {row["no_backup"] for row in found} == {"yes", "no"}


def test_a_day_on_which_nothing_was_known_is_said_to_be_unknown(visit) -> None:
    page, _ = visit("late", f"view=tasks&day=2026-11-22&region={SINGAPORE.region}")
    assert page.locator("#tasks .cover").inner_text() == "Not known: no target shown was complete on 2026-11-22."
    assert page.locator("#sources").is_hidden()


@pytest.mark.parametrize("view", ["tasks", "changes", "conflicts", "schedule", "coverage"])
def test_an_old_page_says_so_in_every_view_and_nothing_on_it_is_now(visit, view: str) -> None:
    page, _ = visit("good", f"view={view}", now=OPENED + timedelta(days=9))
    assert page.locator("#line.bad").inner_text().startswith("Old · 2026-11-22 · ")
    go_to(page, "view=overview")
    assert page.locator("#needs-heading").inner_text() == "Needed somebody on 2026-11-22"
    said = page.locator("#needs").inner_text()
    assert " now" not in said.replace("now or later", "")
    assert " ago" not in said


def test_in_a_zone_with_half_hours_an_hour_has_its_true_name(visit) -> None:
    page, _ = visit("good", "view=schedule")
    page.evaluate("data.zones.push('Asia/Kolkata'), document.getElementById('zone').append(new Option('Asia/Kolkata'))")
    after(page, lambda: page.select_option("#zone", "Asia/Kolkata"))
    assert page.locator(".week tbody th").first.inner_text() == "00:30"
    cell = page.locator(".week td a").nth(7)
    name = cell.get_attribute("aria-label").partition(": ")[0]
    after(page, cell.click)
    assert page.locator("#tasks-of").inner_text().startswith(f"Tasks scheduled in the hour from {name} Asia/Kolkata.")


def test_the_sql_of_a_table_is_that_of_the_targets_that_are_shown(visit) -> None:
    page, shown = visit(
        "good", f"view=changes&region={BEIJING.region}", permissions=["clipboard-read", "clipboard-write"]
    )
    assert shown.one(f"select count(*) from ({sql_of(page, 'changes')})") == count_of(page, "changes") > 0
    go_to(page, f"view=conflicts&region={BEIJING.region}")
    assert shown.one(f"select count(*) from ({sql_of(page, 'conflicts')})") == count_of(page, "conflicts")


@pytest.mark.parametrize("count", [1, 6, 7, 12])
def test_no_two_parts_of_a_bar_have_the_same_colour(visit, count: int) -> None:
    page, _ = visit("good")
    page.evaluate(
        """count => { colours = undefined; const days = data.days.map((_, i) => i);
        data.counts = Array.from({ length: count }, (_, i) => [0, i ? `status ${i}` : null, 'x', days, days.map(() => 100 - i)]);
        data.lives.spells = []; data.lives.tasks.status.fill('status 1'); draw(); }""",
        count,
    )
    legend = page.locator("#history .legend .swatch").evaluate_all(
        "all => all.map(e => getComputedStyle(e).backgroundColor)"
    )
    assert len(set(legend)) == len(legend) == min(count, 6)
