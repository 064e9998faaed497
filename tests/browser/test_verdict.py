"""The verdict: how much is known, why not more and who acts, and how old all of it is, whenever the page is opened."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest

from pages import BEFORE, DAY, HOSTILE, OPENED, after, found_in
from pulltasks.reasons import advice_on

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::DeprecationWarning")]


LAST = f"Last known tasks, of {BEFORE}, are shown."
PARTLY = "1 of them never captured completely; not in any number."
ADMINISTRATOR = "Your account administrator has to fix this."
OPERATOR = "The pulltasks operator has to fix this."
# Each lake's pill, tone, headline, and causes: targets, ending, reason, what is known, who acts.
VERDICTS = {
    "good": ("Complete", "good", "All 3 targets are known", []),
    "empty": ("Complete", "good", "All 3 targets are known", []),
    "incomplete": (
        "Incomplete",
        "bad",
        "1 of 3 targets are known",
        [
            ([HOSTILE, "singapore"], "failed", "forbidden", f"{LAST} {PARTLY}", ADMINISTRATOR),
        ],
    ),
    "late": (
        "Incomplete",
        "late",
        "2 of 3 targets are known",
        [(["singapore"], "failed", "forbidden", LAST, ADMINISTRATOR)],
    ),
    "one of twenty": (
        "Incomplete",
        "late",
        "19 of 20 targets are known",
        [(["…0007 · cn-north-4"], "failed", "forbidden", LAST, ADMINISTRATOR)],
    ),
    "all late": (
        "Incomplete",
        "late",
        "0 of 3 targets are known",
        [([HOSTILE, "beijing", "singapore"], "failed", "forbidden", LAST, ADMINISTRATOR)],
    ),
    "held": (
        "Incomplete",
        "late",
        "2 of 3 targets are known",
        [(["beijing"], "held", "lost_many_tasks", LAST, OPERATOR)],
    ),
}


@pytest.mark.parametrize("lake", VERDICTS)
def test_the_verdict_comes_first_and_says_how_much_is_known(visit, lake: str) -> None:
    page, shown = visit(lake)
    pill, tone, headline, _ = VERDICTS[lake]
    assert page.locator("#verdict-heading").inner_text() == f"{pill} {headline} for {DAY}"
    assert page.locator(f"#verdict.{tone}").bounding_box()["y"] < 120
    complete, expected = shown.all(
        "select count(*) filter (coverage = 'complete'), count(*) from rpt_snapshot_coverage "
        f"where is_expected and snapshot_date = date '{DAY}'"
    )[0]
    tasks = shown.one("select count(*) from dim_pull_tasks where is_current")
    line = f"{DAY} · {complete} of {expected} targets complete · captured 30 min ago"
    assert page.locator("#line").inner_text() == line
    assert page.locator("#facts").inner_text().startswith(f"{tasks} tasks · captured {DAY} 20:00 UTC, 30 min ago")
    assert page.title() == f"pulltasks {DAY}: {complete} of {expected} targets complete"


@pytest.mark.parametrize("lake", VERDICTS)
def test_each_cause_has_its_targets_its_remedy_and_who_acts(visit, lake: str) -> None:
    page, _ = visit(lake)
    assert [" ".join(text.split()) for text in page.locator("#causes li").all_inner_texts()] == [
        f"{', '.join(names)} {ending} · {advice_on(reason)}. {known} {who} {len(names)} target{'s' * (len(names) > 1)}"
        for names, ending, reason, known, who in VERDICTS[lake][3]
    ]


@pytest.mark.parametrize("lake", ["incomplete", "all late", "held"])
def test_every_name_in_a_cause_leads_to_its_target_and_the_count_to_the_targets_of_that_cause(visit, lake: str) -> None:
    page, shown = visit(lake)
    for i, (names, ending, reason, *_) in enumerate(VERDICTS[lake][3]):
        cause = page.locator("#causes li").nth(i)
        for name in names:
            after(page, cause.locator(".names a", has_text=name).click)
            assert page.locator("#life h2").inner_text() == f"Target {name}"
            after(page, page.go_back)
        after(page, cause.locator("> a").click)
        found = found_in(page, "targets")
        assert {(row["coverage"], row["verdict_reason"]) for row in found} == {(ending, advice_on(reason))}
        assert len(found) == shown.one(
            f"select count(*) from fct_target_days where snapshot_date = date '{DAY}' and coverage = '{ending}' "
            f"and verdict_reason = '{reason}'"
        )
        assert page.locator("#targets .facet select").evaluate_all("all => all.map(e => e.value)") == [ending, reason]
        after(page, page.go_back)


# -- ages and clocks -----------------------------------------------------------------------------------------------------

WRONG_CLOCK = "The data is dated in the future: a clock is wrong, here or on the machine that built it. The age of the data is unknown."


@pytest.mark.parametrize(
    ("lake", "passed", "pill", "tone", "warning"),
    [
        ("good", timedelta(hours=25), "Complete", "good", ""),
        ("good", timedelta(days=3), "Old", "bad", "No capture was published for 3 days."),
        ("incomplete", timedelta(days=3), "Old", "bad", "No capture was published for 3 days."),
        ("late", timedelta(hours=20), "Incomplete", "late", ""),
        ("late", timedelta(hours=51), "Old", "bad", "3 of 3 targets without a complete capture for over 2 days."),
        ("incomplete", timedelta(0), "Incomplete", "bad", "1 of 3 targets without a complete capture for over 2 days."),
        ("incomplete", timedelta(days=-3), "Clock wrong", "bad", WRONG_CLOCK),
    ],
)
def test_a_page_says_how_old_it_is_when_it_is_opened(visit, lake, passed, pill, tone, warning) -> None:
    page, _ = visit(lake, now=OPENED + passed)
    assert page.locator("#pill").inner_text() == pill
    assert page.locator(f"#verdict.{tone}").count() == 1
    said = page.locator("#warnings").inner_text()
    assert warning in said
    assert bool(said) == bool(warning)
    if pill == "Clock wrong":
        assert not re.search(
            r"\bago\b|for over", page.locator("#verdict").inner_text() + page.locator("#line").inner_text()
        )


def test_a_target_that_is_late_beyond_its_limit_is_said_though_the_lake_is_young(visit) -> None:
    page, _ = visit("late", now=OPENED + timedelta(hours=25))
    page.evaluate("data.max_target_age_seconds = 48 * 3600; drawVerdict(Date.now() / 1000)")
    assert page.locator("#warnings").inner_text() == "1 of 3 targets without a complete capture for over 2 days."
    assert page.locator("#verdict.bad").count() == 1


def test_what_was_never_complete_counts_from_the_first_day_on_which_it_was_to_be(visit) -> None:
    page, _ = visit("incomplete")
    assert page.locator("#warnings").inner_text() == "1 of 3 targets without a complete capture for over 2 days."
    page.evaluate(
        "data.coverage = data.coverage.map((letters) => letters.slice(0, -1).replace(/./g, '.') + letters.at(-1))"
    )
    page.evaluate("data.targets.forEach((each) => { each.last_complete_at = null; }); drawVerdict(Date.now() / 1000)")
    assert page.locator("#warnings").is_hidden()


def test_a_page_that_stays_open_grows_old(visit) -> None:
    page, _ = visit("good", before="globalThis.setInterval = (step) => { globalThis.passed = step; };")
    assert page.locator("#pill").inner_text() == "Complete"
    page.clock.set_fixed_time(OPENED + timedelta(days=3))
    page.evaluate("passed()")
    assert page.locator("#pill").inner_text() == "Old"
