"""One view at a time: its address leads to it, it fits the screen and paper, and everybody can use it and find answers.

Pictures of each view, wide and narrow, go to .browser/ for anyone who wants to look.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pages import (
    BEIJING,
    HOSTILE,
    OPENED,
    VIEWS,
    after,
    bars,
    count_of,
    go_to,
    place_of,
    places,
    rows,
    tile,
)

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

PICTURES = Path(__file__).parent.parent.parent / ".browser"
LAKES = ("good", "incomplete", "one of twenty", "all late", "held", "empty", "first")


def shown_text(page: Page) -> str:
    return page.locator("body").inner_text()


def test_each_view_is_drawn_alone_and_an_address_opened_anew_shows_the_same(visit) -> None:
    page, shown = visit("incomplete")
    for name, place in places(shown).items():
        go_to(page, place)
        view = place.partition("view=")[2].partition("&")[0]
        assert [each.get_attribute("data-view") for each in page.locator(".view").filter(visible=True).all()] == [view]
        assert page.locator("#verdict").is_visible() == (view == "overview")
        assert page.locator("nav a[aria-current=page]").evaluate_all("all => all.map(e => e.dataset.view)") == (
            [view] if view in VIEWS else []
        )
        again, _ = visit("incomplete", place)
        assert shown_text(again) == shown_text(page), name


def test_back_and_forward_lead_through_the_views_and_restore_them(visit) -> None:
    page, _ = visit("good")
    steps = [
        lambda: page.select_option("[name=region]", BEIJING.region),  # no step of its own
        lambda: page.click("[data-tile=no_backup] a"),
        page.locator("#tasks td.id a").first.click,
        lambda: page.click("nav a[data-view=schedule]"),
        page.locator("#week td a").nth(30).click,
        lambda: page.click("nav a[data-view=overview]"),
        lambda: bars(page).nth(1).click(),
    ]
    seen = []
    for step in steps:
        after(page, step)
        seen.append((page.url, page.locator("main").inner_text()))
    for way, expected in ((page.go_back, seen[-2::-1]), (page.go_forward, seen[1:])):
        for url, text in expected:
            after(page, way)
            assert (page.url, page.locator("main").inner_text()) == (url, text)
    assert all(f"region={BEIJING.region}" in url for url, _ in seen)


def test_filters_language_and_look_go_with_the_reader_and_what_is_chosen_in_a_place_does_not(visit) -> None:
    page, _ = visit(
        "good", f"view=tasks&region={BEIJING.region}&lang=zh&theme=dark&find=tasks%3Fstatus%3Dwait&by=target"
    )
    for link in page.locator("nav a").all():
        place = link.get_attribute("href")
        assert {f"region={BEIJING.region}", "lang=zh", "theme=dark", "by=target"} <= set(re.split("[#&]", place))
        assert "find" not in place
    after(page, lambda: page.click("[type=reset]"))
    assert "region=" not in place_of(page)


def test_the_way_back_of_a_life_leads_to_where_the_reader_came_from(visit) -> None:
    page, shown = visit("good", "view=conflicts")
    after(page, page.locator("#conflicts td.id a").first.click)
    assert page.evaluate("document.activeElement.id") == "view-life"
    after(page, lambda: page.click("#back"))
    assert place_of(page) == "view=conflicts"
    again, _ = visit("good", places(shown)["task"])  # from outside, to the overview
    after(again, lambda: again.click("#back"))
    assert again.locator("#verdict").is_visible()


def test_an_address_that_asks_for_what_there_is_not_is_drawn_all_the_same(visit) -> None:
    page, shown = visit(
        "good", "view=bogus&by=bogus&lang=fr&theme=pink&constructor=x&day=2001-01-01&hour=x&find=nothing"
    )
    assert page.locator("#broken").is_hidden()
    assert tile(page, "tasks") == str(shown.one("select count(*) from dim_pull_tasks where is_current"))


def test_a_browser_that_is_too_old_says_so_and_shows_the_verdict(visit) -> None:
    page, _ = visit("incomplete", before="delete globalThis.DecompressionStream")
    page.wait_for_selector("#broken:not([hidden])")
    assert "It needs a browser of 2023 or later." in page.locator("#broken").inner_text()
    assert "1 of 3 targets are known for 2026-11-22" in page.locator("#verdict").inner_text()


# -- screens, keyboards, ears and paper --------------------------------------------------------------------------------------


@pytest.mark.parametrize("width", [390, 768, 1280, 1600])
@pytest.mark.parametrize("lake", LAKES)
def test_nothing_is_wider_than_the_screen_and_nothing_scrolls_inside_it(visit, lake: str, width: int) -> None:
    page, shown = visit(lake, width=width)
    for name, place in places(shown).items():
        for language in ("en", "zh") if lake == "incomplete" else ("en",):
            go_to(page, f"{place}&lang={language}")
            assert page.evaluate("document.documentElement.scrollWidth") <= width, (name, language)
            inside = page.evaluate(
                "[...document.querySelectorAll('main *:not(select, input)')].filter(e => e.checkVisibility())"
                ".filter(e => /auto|scroll/.test(getComputedStyle(e).overflow)).map(e => e.outerHTML.slice(0, 100))"
            )
            assert inside == [], name
            beyond = page.evaluate(
                "[...document.querySelectorAll('main :is(td, th, a, p, li, label, button)')].filter(e => e.checkVisibility() "
                "&& !e.closest('.unseen, svg') && e.getBoundingClientRect().right > innerWidth + 1).map(e => e.outerHTML.slice(0, 100))"
            )
            assert beyond == [], name


@pytest.mark.parametrize("lake", ["good", "incomplete"])
def test_a_keyboard_reaches_every_control_of_every_view(visit, lake: str) -> None:
    page, shown = visit(lake)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.evaluate("globalThis.reached = new Set(); document.addEventListener('focusin', e => reached.add(e.target))")
    for name, place in places(shown).items():
        go_to(page, place)
        page.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true; }); reached.clear()")
        page.evaluate(
            "document.activeElement.blur(); getSelection().removeAllRanges(); document.querySelector('.skip').focus()"
        )
        # marks are reached by arrows, or by the table of numbers
        controls = (
            "[...document.querySelectorAll('a[href], button, input, select, summary')].filter(e => !e.disabled "
            "&& e.checkVisibility() && e.tabIndex >= 0 && !(e.type === 'radio' && !e.checked))"
        )
        for _ in range(page.evaluate(f"{controls}.length") + 3):
            page.keyboard.press("Tab")
        assert page.evaluate(f"{controls}.filter(e => !reached.has(e)).map(e => e.outerHTML.slice(0, 200))") == [], name
        only = page.locator("main [tabindex='-1']:is(a, button)").filter(visible=True)
        assert only.count() == only.and_(page.locator("#week a, svg a")).count(), name


def test_a_view_is_reached_by_keyboard_and_the_focus_and_the_head_are_where_they_are_expected(visit) -> None:
    page, _ = visit("good")
    page.locator("nav a[data-view=coverage]").focus()
    after(page, lambda: page.keyboard.press("Enter"))
    assert page.evaluate("document.activeElement.id") == "view-coverage"
    assert page.evaluate("scrollY") == 0
    page.mouse.wheel(0, 400)
    assert page.locator("header").bounding_box()["y"] == 0  # it stays


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_rules_of_accessibility_hold_in_every_view(visit, language: str, scheme: str) -> None:
    assert violations(visit, "incomplete", language, scheme) == []


@pytest.mark.parametrize("lake", ["empty", "first"])
def test_the_rules_of_accessibility_hold_whatever_is_known(visit, lake: str) -> None:
    assert violations(visit, lake, "en", "light") == []


def violations(visit, lake: str, language: str, scheme: str) -> list:
    from axe_playwright_python.sync_playwright import Axe

    page, shown = visit(lake, f"lang={language}", color_scheme=scheme)
    found = []
    for name, place in places(shown).items():
        go_to(page, f"{place}&lang={language}")
        page.evaluate("document.querySelectorAll('details').forEach(e => { e.open = true; })")
        if name == "overview":
            page.fill("#search", "a")
        found += [(name, each["id"], each["nodes"][0]["html"]) for each in Axe().run(page).response["violations"]]
        page.fill("#search", "")
        assert page.locator("html").get_attribute("lang") == {"en": "en", "zh": "zh-Hans"}[language]
    return found


def test_the_rules_of_accessibility_would_notice(visit) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page, _ = visit("good")
    page.evaluate(
        "document.querySelector('[name=region]').parentElement.replaceWith(document.querySelector('[name=region]'))"
    )
    assert Axe().run(page).violations_count > 0


def test_the_page_draws_nothing_that_was_not_in_the_file_and_a_hostile_name_is_only_text(visit) -> None:
    page, shown = visit("incomplete")
    for place in places(shown).values():
        go_to(page, place)
        assert page.locator("img, iframe, canvas, link").count() == 0
    go_to(page, "view=coverage")
    assert HOSTILE in page.locator("#targets").inner_text()


def sheets(page: Page) -> int:
    return len(re.findall(rb"/Type\s*/Page\b", page.pdf(prefer_css_page_size=True)))


@pytest.mark.parametrize("lake", ["good", "incomplete", "one of twenty", "all late", "empty", "first"])
def test_printed_the_overview_is_a_brief_of_two_pages(visit, lake: str) -> None:
    for language in ("en", "zh"):
        page, _ = visit(lake, f"lang={language}")
        assert sheets(page) == 2
    page.emulate_media(media="print")
    for part in ("#verdict", "#tiles", "#brief"):
        assert page.locator(part).is_visible()
    assert page.locator("#filter, nav, .controls, button, input, select").filter(visible=True).count() == 0


def test_the_second_page_has_the_first_rows_of_each_list_and_says_how_many_more(visit) -> None:
    page, shown = visit("good")
    page.emulate_media(media="print")
    lists = page.locator("#brief-lists > div")
    models = (
        "fct_pull_task_changes where snapshot_date = (select through_date from meta_build)",
        "rpt_stream_conflicts",
        "rpt_expiring_tasks where ends = 'past_end'",
        "rpt_tasks_without_backup",
    )
    for part, model in zip(lists.all(), models, strict=True):
        total = shown.one(f"select count(*) from {model}")
        printed = part.locator("li").count()
        assert printed == min(10, total)
        assert part.locator("ul + .hint").all_inner_texts() == ([f"+{total - printed}"] if total > printed else [])


@pytest.mark.parametrize("view", ["tasks", "changes", "conflicts"])
def test_printed_another_view_gives_its_list_and_the_screen_is_as_before(visit, view: str) -> None:
    page, _ = visit("good", f"view={view}")
    before = rows(page, view)
    page.evaluate("window.dispatchEvent(new Event('beforeprint'))")
    assert len(rows(page, view)) == count_of(page, view) >= len(before)
    page.evaluate("name => tables[name].show(Array.from({length: 600}, () => tables[name].rows[0]), '')", view)
    assert len(rows(page, view)) == 500
    assert "1 to 500 of 600" in page.locator(f"#{view} .pager").inner_text()
    page.evaluate("draw(); window.dispatchEvent(new Event('afterprint'))")
    assert rows(page, view) == before
    if view == "tasks":
        assert sheets(page) > 3  # of which the browser tells the page itself


def test_chinese_labels_and_the_dark_look_come_by_a_button(visit) -> None:
    page, _ = visit("good")
    after(page, lambda: page.click("#language"))
    assert page.locator("#verdict-heading").inner_text() == "完整 2026-11-22 全部 3 个目标已知"
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    after(page, lambda: page.click("#theme"))
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    assert {"lang=zh", "theme=dark"} <= set(place_of(page).split("&"))


def test_hours_are_those_of_the_lakes_time_zone(visit) -> None:
    page, _ = visit("good")
    assert page.evaluate("time(1795305600)") == "2026-11-22 00:00"
    assert page.evaluate("speech.timezone = 'Asia/Shanghai', time(1795305600)") == "2026-11-22 08:00"
    assert page.locator("#facts").inner_text().endswith(f"captured {OPENED:%Y-%m-%d} 20:00 UTC, 30 min ago")


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("lake", ["good", "incomplete", "empty"])
def test_a_picture_of_it(visit, lake: str, width: int) -> None:
    """Not empty, and for people to look at."""
    from PIL import Image

    page, shown = visit(lake, width=width)
    PICTURES.mkdir(exist_ok=True)
    for name, place in places(shown).items():
        go_to(page, place)
        file = PICTURES / f"{lake}-{name}-{width}.png"
        page.screenshot(path=file, full_page=True)
        with Image.open(file) as picture:
            assert picture.width == width
            assert len(picture.convert("RGB").getcolors(1 << 24)) > 50
