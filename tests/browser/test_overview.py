"""The overview: verdict, causes, numbers, comparison and chart say what SQL says, and no more than is known."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from pages import (
    ALL,
    BEFORE,
    BEIJING,
    DAY,
    SHANGHAI,
    SINGAPORE,
    Shown,
    after,
    bars,
    go_to,
    numbers,
    tile,
)

if TYPE_CHECKING:
    import duckdb

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

# What a tile counts: rows that have the columns of a target, or the list `target_keys`.
COUNTED = {
    "tasks": "from dim_pull_tasks where is_current",
    "changes": "from (select distinct project_id, region, task_id from fct_pull_task_changes "
    "where snapshot_date = (select through_date from meta_build))",
    "conflicts": "from rpt_stream_conflicts where timing <> 'over'",
    "past_end": "from rpt_expiring_tasks where ends = 'past_end'",
    "no_backup": "from rpt_tasks_without_backup",
}


def count(warehouse: duckdb.DuckDBPyConnection, name: str, targets: set[str] | None = None) -> int:
    """Return a tile's number over targets (project/region), or over all; a stream counts if it touches one of them."""
    keys = "target_keys" if name == "conflicts" else "[project_id || '/' || region]"
    query = f"select count(*) from (select {keys} as keys {COUNTED[name]}) where $1::varchar[] is null or list_has_any($1, keys)"
    ((found,),) = warehouse.execute(query, [None if targets is None else sorted(targets)]).fetchall()
    return found


def key(place) -> str:
    return f"{place.project_id}/{place.region}"


@pytest.mark.parametrize("lake", ["good", "late"])
def test_a_number_is_what_sql_says_for_all_targets_and_for_those_of_a_filter(visit, lake: str) -> None:
    page, shown = visit(lake)
    for chosen in ({}, {"region": BEIJING.region}, {"project": SHANGHAI.project_id}, {"name": "SINGA"}):
        go_to(page, "&".join(["view=overview", *(f"{name}={value}" for name, value in chosen.items())]))
        targets = {
            key(p)
            for p in ALL
            if all(
                v.lower() in {"region": p.region, "project": p.project_id, "name": p.name}[n] for n, v in chosen.items()
            )
        }
        for name in COUNTED:
            known = count(shown.warehouse, name, targets)
            is_known = name != "changes" or targets != {key(SINGAPORE)} or lake == "good"
            assert tile(page, name) == (f"{known:,}" if is_known else "not known"), (chosen, name)
        assert page.locator("[name=shown]").inner_text() == f"{len(targets)} of 3 targets shown"


def complete_on_both_days(shown: Shown) -> set[str]:
    query = (
        "select project_id || '/' || region from rpt_snapshot_coverage where coverage = 'complete' "
        f"and snapshot_date in (date '{DAY}', date '{BEFORE}') group by all having count(*) = 2"
    )
    return {key for (key,) in shown.all(query)}


def change(shown: Shown, name: str, both: set[str], wanted: set[str]) -> int:
    """Return how a number changed since the build of the day before, over the targets that are known on both days.

    A stream counts if every target that ever pushed to it is known on both days.
    """
    if name != "conflicts":
        return count(shown.warehouse, name, both & wanted) - count(shown.before, name, both & wanted)
    pushed = shown.all(
        "select destination_fingerprint, list(distinct project_id || '/' || region) from dim_pull_task_versions group by all"
    )
    streams = [stream for stream, targets in pushed if set(targets) <= both and set(targets) & wanted]
    query = f"select count(*) {COUNTED[name]} and destination_fingerprint in (select unnest($1::varchar[]))"
    after, before = (each.execute(query, [streams]).fetchall()[0][0] for each in (shown.warehouse, shown.before))
    return after - before


@pytest.mark.parametrize("region", ["", BEIJING.region])
@pytest.mark.parametrize(("lake", "known"), [("good", 3), ("incomplete", 1), ("late", 2), ("held", 2), ("all late", 0)])
def test_a_change_is_that_of_the_targets_known_on_both_days(visit, lake: str, known: int, region: str) -> None:
    page, shown = visit(lake, f"region={region}")
    both = complete_on_both_days(shown)
    assert len(both) == known
    wanted = {key(place) for place in ALL if region in place.region}
    said = page.locator("#comparison").inner_text()
    if not both & wanted:
        assert said.startswith(f"Not compared: no target is known both now and on {BEFORE}.")
    else:
        targets = "1 of 1 target: the one" if region else f"{known} of 3 targets: those"
        assert said.startswith(f"Compared with {BEFORE}, over {targets} known on both days.")
    for name in ("tasks", "conflicts", "past_end", "no_backup"):
        notes = page.locator(f"[data-tile={name}] .hint").inner_text().split(" · ")
        changed = [note for note in notes if re.fullmatch(r"[+\u2212±][\d,]+", note)]
        found = change(shown, name, both, wanted)
        sign = "+" if found > 0 else "\u2212" if found < 0 else "±"
        assert changed == ([f"{sign}{abs(found)}"] if both & wanted else []), name


def test_what_changed_is_compared_with_the_median_of_the_days_before(visit) -> None:
    page, shown = visit("good")
    days = shown.all(
        "select count(distinct (project_id, region, task_id)) from fct_pull_task_changes "
        f"where snapshot_date < date '{DAY}' group by snapshot_date order by 1"
    )
    assert page.locator("[data-tile=changes] .hint").inner_text() == f"median {days[len(days) // 2][0]}"


@pytest.mark.parametrize("name", ["past_end", "no_backup"])
def test_a_number_says_its_share_of_the_tasks(visit, name: str) -> None:
    page, shown = visit("good")
    share = 100 * count(shown.warehouse, name) / count(shown.warehouse, "tasks")
    said = f"{share:.1f}".removesuffix(".0") if share < 10 else f"{share:.0f}"
    assert page.locator(f"[data-tile={name}] .hint").inner_text().startswith(f"{said} % · ")


def test_a_day_that_is_not_known_breaks_the_line_of_a_number(visit) -> None:
    page, _ = visit("good")
    moves = page.evaluate("value => sparkline(value).querySelector('.line').getAttribute('d')", [1, 2, None, 3, 4])
    assert moves.count("M") == 2
    assert page.locator("[data-tile=tasks] .spark .line").get_attribute("d").count("M") == 1
    page, _ = visit("incomplete")  # of the targets known now, one day has no run and one failed
    assert page.locator("[data-tile=tasks] .spark .line").get_attribute("d").count("M") == 2


def test_a_target_that_is_never_complete_takes_nothing_from_the_others(visit) -> None:
    page, shown = visit("incomplete")
    known = {
        (day, word): n
        for day, word, n in shown.all(
            "select snapshot_date::varchar, status, sum(task_count)::int from fct_daily_task_counts "
            "where task_count > 0 group by all"
        )
    }
    assert {(day, word): int(n) for day, word, n, *_ in numbers(page) if not word.startswith("last known")} == known
    assert bars(page).count() == len(known)
    looks = (
        bars(page)
        .locator("rect")
        .evaluate_all("all => all.map(e => [getComputedStyle(e).opacity, e.className.baseVal])")
    )
    assert all(opacity == "1" and "hatched" not in css for opacity, css in looks)
    assert page.locator("[data-tile] .spark").count() == 5


def test_what_is_hatched_is_what_was_known_last(visit) -> None:
    page, shown = visit("incomplete")
    (*_, last) = [row for row in numbers(page) if row[1].startswith("last known")]
    of_singapore = shown.one(
        f"select sum(task_count)::int from fct_daily_task_counts where region = '{SINGAPORE.region}' "
        f"and snapshot_date = date '{BEFORE}'"
    )
    assert last[:1] + last[2:] == [str(DAY), str(of_singapore), "1", "3"]
    hatched = page.locator("#history .last")
    assert hatched.evaluate_all("all => all.map(e => e.dataset.day)") == [
        str(DAY - timedelta(days=n)) for n in (3, 2, 0)
    ]
    # on top of what is known
    top = page.locator(f"#history a[data-day='{DAY}'] rect").evaluate_all(
        "all => Math.min(...all.map(e => e.y.baseVal.value))"
    )
    bottom = hatched.last.locator("rect").evaluate("e => e.y.baseVal.value + e.height.baseVal.value")
    assert abs(bottom - top) < 1
    go_to(page, f"view=overview&region={SHANGHAI.region}")
    assert page.locator("#history svg").count() == 0


def test_a_day_of_which_nothing_is_known_has_a_question_mark_that_can_be_seen(visit) -> None:
    page, _ = visit("incomplete", f"region={BEIJING.region}")
    assert page.locator("#history .question").all_text_contents() == ["?", "?"]
    for place in ("", f"region={BEIJING.region}"):
        go_to(page, place or "view=overview")
        chart = page.locator("#history svg").bounding_box()
        assert all(mark.bounding_box()["y"] >= chart["y"] for mark in page.locator("#history .question").all())


@pytest.mark.parametrize("region", ["", SINGAPORE.region])
@pytest.mark.parametrize(
    ("by", "column"),
    [("status", "status"), ("source_type", "source_type"), ("region", "region"), ("target", "target_name")],
)
def test_the_chart_is_that_of_sql_under_any_filter(visit, by: str, column: str, region: str) -> None:
    page, shown = visit("good", f"by={by}&region={region}")
    where = f"region = '{region}'" if region else "true"
    counted = shown.all(
        f"select snapshot_date::varchar, {column}, sum(task_count)::int as tasks from fct_daily_task_counts "
        f"where {where} group by all having tasks > 0"
    )
    assert {(day, word): int(tasks) for day, word, tasks, *_ in numbers(page)} == {
        (day, word): n for day, word, n in counted
    }
    assert page.locator(f"[name=by][value={by}]").is_checked()
    titles = bars(page).locator("title").all_text_contents()
    said = {
        f"{word} · {n} task{'' if n == 1 else 's'} · {1 if region else 3} of {1 if region else 3} "
        f"target{'' if region else 's'} known on {day}"
        for day, word, n in counted
    }
    assert {title for title in titles if " 0 tasks" not in title} == said


def test_what_is_beyond_the_colours_is_summed_and_nothing_is_lost(visit) -> None:
    page, _ = visit("good")
    found = page.evaluate(
        """() => historyRows({
            days: ["2026-11-22"], coverage: ["c"], targets: [{region: "r", label: "t"}],
            counts: Array.from({length: 12}, (_, i) => [0, `status-${i}`, "x", [0], [100 - i]]),
        }, new Set([0]), "status")"""
    )
    assert len(found) == 6
    assert sum(row["tasks"] for row in found) == sum(100 - i for i in range(12))
    assert (found[-1]["value"], found[-1]["isOther"]) == (None, True)


# -- what there is not -----------------------------------------------------------------------------------------------------


def test_what_is_not_known_is_no_zero(visit) -> None:
    page, _ = visit("incomplete", f"region={SHANGHAI.region}")
    assert {tile(page, name) for name in COUNTED} == {"not known"}
    assert page.locator("#comparison").inner_text().endswith("1 target never captured completely, not counted.")
    for view, host in (
        ("overview", "#history"),
        ("overview", "#needs"),
        ("conflicts", "#conflicts"),
        ("schedule", "#peak"),
    ):
        go_to(page, f"view={view}&region={SHANGHAI.region}")
        assert "Not known: no target shown here was ever complete." in page.locator(host).inner_text()
    assert page.locator("nav small").all_inner_texts() == ["", "", "", "", "", "0/1"]


def test_a_first_listing_has_no_known_changes(visit) -> None:
    page, _ = visit("first")
    assert tile(page, "changes") == "not known"
    assert page.locator("#comparison").inner_text() == "The first day: nothing to compare with."
    go_to(page, "view=changes")
    assert (
        "None among what is known. Changes are not known for 3 of the 3 targets shown"
        in page.locator("#changes").inner_text()
    )


@pytest.mark.parametrize("lake", ["empty", "good"])
def test_an_empty_lake_has_true_zeros_and_nothing_empty_is_drawn(visit, lake: str) -> None:
    page, _ = visit(lake)
    if lake == "empty":
        assert {tile(page, name) for name in COUNTED} == {"0"}
    drawn = []
    for view in ("overview", "tasks", "changes", "conflicts", "schedule", "coverage"):
        go_to(page, f"view={view}")
        drawn += page.locator("#history svg, #week table, .table table").filter(visible=True).all()
        for part in page.locator("main section.empty").filter(visible=True).all():
            top, bottom = part.evaluate(
                "part => [part.getBoundingClientRect().top, "
                "Math.max(...[...part.children].map(e => e.getBoundingClientRect().bottom))]"
            )
            assert bottom - top < 30, part.inner_text()
            assert re.search(r"None|Not known", part.inner_text())
    assert len(drawn) == {"empty": 1, "good": 8}[lake]  # of the empty one, the table of targets


def test_a_filter_that_shows_nobody_says_nothing_about_anybody(visit) -> None:
    page, _ = visit("good")
    after(page, lambda: page.fill("[name=name]", "nowhere"))
    assert {tile(page, name) for name in COUNTED} == {"not known"}
    assert page.locator("[name=shown]").inner_text() == "No target matches the filter."
    assert page.locator("#comparison").inner_text() == "No target of the day is shown."
    text = page.locator("#needs-script").inner_text()
    assert not re.search(r"targets shown|never|\d tasks", text)
    after(page, lambda: page.click("[type=reset]"))
    assert page.locator("#history svg").count() == 1


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("lake", ["good", "incomplete", "one of twenty", "all late", "held", "empty", "first"])
def test_the_overview_fits_in_1600_pixels(visit, lake: str, language: str) -> None:
    page, _ = visit(lake, f"lang={language}")
    assert page.evaluate("document.documentElement.scrollHeight") <= 1600
