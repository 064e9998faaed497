"""Tables hold what their models hold, sort and search as they say, are copied whole, and say what they leave out."""

from __future__ import annotations

import pytest

from pages import ALL, BEFORE, BEIJING, HOSTILE, after, count_of, found_in, go_to, place_of, rows, sql_of

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore::DeprecationWarning")]

TODAY = "(select through_date from meta_build)"
# The view of a table, and what its rows are.
TABLES = {
    "tasks": ("tasks", "dim_pull_tasks where is_current"),
    "sources": ("tasks", "rpt_source_reuse"),
    "receivers": ("tasks", "rpt_callback_receivers"),
    "changes": ("changes", f"fct_pull_task_changes where snapshot_date = {TODAY}"),
    "conflicts": ("conflicts", "rpt_stream_conflicts"),
    "targets": ("coverage", f"fct_target_days where snapshot_date = {TODAY}"),
    "gaps": ("coverage", "rpt_coverage_gaps"),
}
# Columns whose words the page translates, or whose values it shows in another form.
FORMS = {
    "start_time": "coalesce(strftime({}, '%Y-%m-%dT%H:%M:%S.000Z'), '')",
    "end_time": "coalesce(strftime({}, '%Y-%m-%dT%H:%M:%S.000Z'), '')",
    "overlap_start_time": "coalesce(strftime({}, '%Y-%m-%dT%H:%M:%S.000Z'), '')",
    "overlap_end_time": "coalesce(strftime({}, '%Y-%m-%dT%H:%M:%S.000Z'), '')",
    "task_ids": "array_to_string({}, chr(10))",
    "events": "array_to_string({}, chr(10))",
    "is_open": "if({}, 'yes', 'no')",
}
NOT_COMPARED = {
    "target",
    "target_keys",
    "notes",
    "ends",
    "change",
    "reason",
    "reasons",
    "verdict_reason",
    "coverages",
    "timing",
}
OF_ANOTHER_MODEL = {
    "tasks": {"host", "in_conflict", "no_backup", "shares_source"},
    "targets": {
        "error_message",
        "last_complete_date",
        "oldest_state_date",
        "task_count",
        "days_complete_30",
        "days_expected_30",
        "longest_gap_days",
        "days_complete_90",
        "days_expected_90",
    },
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_holds_what_its_model_holds_and_its_sql_gives_its_rows(visit, name: str) -> None:
    view, model = TABLES[name]
    page, shown = visit("incomplete", f"view={view}")
    found = found_in(page, name)
    assert count_of(page, name) == len(found) == shown.one(f"select count(*) from {model}") > 0
    assert shown.one(f"select count(*) from ({sql_of(page, name)})") == len(found)
    compared = [column for column in found[0] if column not in NOT_COMPARED | OF_ANOTHER_MODEL.get(name, set())]
    values = ", ".join(FORMS.get(column, "coalesce({}::varchar, '')").format(column) for column in compared)
    assert len(compared) >= 3
    assert sorted(tuple(row[column] for column in compared) for row in found) == sorted(
        shown.all(f"select {values} from {model}")
    )


def test_the_table_of_targets_is_that_of_reliability_and_starts_with_those_that_are_not_complete(visit) -> None:
    page, shown = visit("incomplete", "view=coverage")
    columns = (
        "coverage",
        "days_complete_30",
        "days_expected_30",
        "days_complete_90",
        "longest_gap_days",
        "error_message",
    )
    expected = {
        name: tuple("" if value is None else str(value) for value in values)
        for name, *values in shown.all(
            f"select days.target_name, {', '.join(columns)} from rpt_target_reliability join fct_target_days as days "
            f"using (project_id, region) where days.snapshot_date = {TODAY}"
        )
    }
    found = found_in(page, "targets")
    assert {row["target"]: tuple(row[column] for column in columns) for row in found} == expected
    assert [row["coverage"] for row in found] == ["failed", "failed", "complete"]
    assert "403" in next(row["error_message"] for row in found if row["target"] == HOSTILE)


def test_a_table_sorts_both_ways_with_what_is_not_known_last_and_searches(visit) -> None:
    page, shown = visit("good", "view=tasks&find=tasks%3Fno_backup%3Dtrue")
    head = page.locator("#tasks th", has_text="end (UTC)").locator("button")
    ends = [
        end
        for (end,) in shown.all(
            "select strftime(end_time, '%Y-%m-%dT%H:%M:%S.000Z') from rpt_tasks_without_backup order by end_time nulls last"
        )
    ]
    assert None in ends
    head.click()
    assert [row["end_time"] for row in found_in(page, "tasks")] == [end or "" for end in ends]
    assert page.locator("#tasks th[aria-sort=ascending]").count() == 1
    shown_ends = [f"{end[:10]} {end[11:16]}" if end else "" for end in ends[:20]]
    assert [row[4].replace("\n", " ") for row in rows(page, "tasks")] == shown_ends
    head.click()
    known = [end for end in ends if end]
    assert [row["end_time"] for row in found_in(page, "tasks")] == [*reversed(known), *[""] * (len(ends) - len(known))]
    task_id = shown.one("select min(task_id) from rpt_tasks_without_backup")
    page.fill("#tasks .tools input", str(task_id)[:13].upper())
    assert page.locator("#tasks td.id [title]").first.get_attribute("title") == task_id
    assert len(rows(page, "tasks")) == 1
    assert {"search%3D", "no_backup%3D"} <= {part for part in ("search%3D", "no_backup%3D") if part in place_of(page)}
    page.fill("#tasks .tools input", "no such thing")
    assert "no rows" in page.locator("#tasks .pager").inner_text()


def test_numbers_sort_as_numbers(visit) -> None:
    page, shown = visit("good", "view=tasks")
    head = page.locator("#receivers th", has_text="tasks").locator("button")
    for order in ("asc", "desc"):
        head.click()
        counts = shown.all(f"select task_count::varchar from rpt_callback_receivers order by task_count {order}")
        assert [(row["task_count"],) for row in found_in(page, "receivers")] == counts


def test_a_table_turns_its_pages_by_keyboard_alone(visit) -> None:
    page, _ = visit("good", "view=tasks")
    first = rows(page, "tasks")
    page.locator("#tasks").get_by_label("Next rows").focus()
    page.keyboard.press("Enter")
    second = rows(page, "tasks")
    assert [row["task_id"][:8] for row in found_in(page, "tasks")[20:40]] == [row[7][:8] for row in second]
    page.locator("#tasks").get_by_label("Previous rows").focus()
    page.keyboard.press("Space")
    assert rows(page, "tasks") == first
    assert len(first) == len(second) == 20


@pytest.mark.parametrize(("button", "said"), [("Copy as CSV", "rows copied"), ("Copy its SQL", "SQL copied")])
def test_what_was_found_is_copied_and_so_is_its_sql(visit, button: str, said: str) -> None:
    page, shown = visit(
        "incomplete", "view=tasks&find=tasks%3Fno_backup%3Dtrue", permissions=["clipboard-read", "clipboard-write"]
    )
    page.locator("#tasks").get_by_text(button).click()
    page.wait_for_function(
        "said => document.querySelector('#tasks .tools output').textContent.includes(said)", arg=said
    )
    copied = page.evaluate("navigator.clipboard.readText()")
    count = shown.one("select count(*) from rpt_tasks_without_backup")
    if button == "Copy its SQL":
        assert shown.one(f"select count(*) from ({copied})") == count
    else:
        assert len(copied.strip().split("\r\n")) - 1 == count
        assert copied.startswith("destination,target,status,start_time,end_time,notes,source_type,task_id")


@pytest.mark.parametrize("text", ["=cmd()", "+1", "-1", "@x", "\tx", "\rx", "\n=x"])
def test_a_text_that_a_spreadsheet_would_run_is_copied_as_a_text(visit, text: str) -> None:
    page, _ = visit("good")
    cell = page.evaluate("text => csvCell({kind: 'text'}, text)", text)
    assert cell.strip('"').startswith("'")
    assert page.evaluate("csvCell({kind: 'number'}, -1)") == "-1"
    assert page.evaluate("""csvCell({kind: 'text'}, 'a "b", c')""") == '"a ""b"", c"'


def test_the_changes_are_summed_by_kind_and_field_and_can_be_chosen(visit) -> None:
    page, shown = visit("good", "view=changes")
    text = page.locator("#kinds").inner_text()
    model = f"from fct_pull_task_changes where snapshot_date = {TODAY}"
    for kind, count in shown.all(f"select change, count(distinct (project_id, region, task_id)) {model} group by all"):
        assert f"{count} {kind}" in text
    by_field = shown.all(
        f"select field, count(distinct (project_id, region, task_id)) {model} and change = 'changed' group by all"
    )
    assert all(f"{field} {count}" in text for field, count in by_field)
    select = page.locator("#changes .facet", has_text="field").locator("select")
    select.select_option("status")
    assert count_of(page, "changes") == dict(by_field)["status"]
    go_to(page, f"view=changes&region={BEIJING.region}")
    assert count_of(page, "changes") == shown.one(f"select count(*) {model} and region = '{BEIJING.region}'")


def test_a_column_that_says_nothing_is_left_out(visit) -> None:
    page, _ = visit("incomplete", "view=tasks")
    heads = page.locator("#tasks th").filter(visible=True).all_inner_texts()
    assert "as of" in heads  # of singapore the state of the day before is shown
    go_to(page, f"view=tasks&region={BEIJING.region}")
    assert "as of" not in page.locator("#tasks th").filter(visible=True).all_inner_texts()


# -- what the page does not hold -----------------------------------------------------------------------------------------


def test_a_table_that_is_cut_says_so_and_is_never_called_empty(visit) -> None:
    page, shown = visit("first", "view=conflicts")
    total = shown.one("select count(*) from rpt_stream_conflicts")
    assert total > 2
    cover = page.locator("#conflicts .cover")
    assert f"Rows on this page: the first 2 of {total};" in cover.inner_text()
    assert cover.inner_text().endswith("from rpt_stream_conflicts")
    page.evaluate("data.tables.conflicts.values = data.tables.conflicts.values.map(() => [])")
    after(page, lambda: page.select_option("[name=region]", BEIJING.region))
    assert cover.inner_text().startswith("None among the rows that the page holds.")
    assert page.locator("nav a[data-view=conflicts] small").inner_text() == str(total)


@pytest.mark.parametrize("asked", ["", "day", "region"])
def test_tasks_of_which_the_page_holds_a_part_say_so_and_their_sql_gives_all(visit, asked: str) -> None:
    page, shown = visit("first")
    (held,) = (page.evaluate("data.lives.tasks.target.map(i => data.targets[i].region)"),)
    absent = next(place for place in ALL if place.region not in held)
    place, model = {
        "": ("", "dim_pull_tasks where is_current"),
        "day": (f"&day={page.evaluate('data.days[0]')}", "fct_pull_task_days"),
        "region": (f"&region={absent.region}", f"dim_pull_tasks where is_current and region = '{absent.region}'"),
    }[asked]
    go_to(page, f"view=tasks{place}")
    total = shown.one(f"select count(*) from {model}")
    said = page.locator("#tasks .cover").inner_text()
    count = 0 if asked == "region" else 2
    assert len(rows(page, "tasks")) == count
    assert (
        f"{count} of {total} tasks are on this page, and what is chosen below applies to this part; for all, copy the SQL."
        in said
    )
    assert shown.one(f"select count(*) from ({sql_of(page, 'tasks')})") == total
    assert not said.startswith("None.")
    if asked == "region":
        assert said.startswith("None among the rows that the page holds.")


def test_what_needs_somebody_is_on_the_page_before_what_does_not(visit) -> None:
    page, shown = visit("first", "view=tasks")
    urgent = {
        task
        for (task,) in shown.all(
            "select task_id from rpt_expiring_tasks where ends = 'within_24_hours' "
            "union select unnest(task_ids) from rpt_stream_conflicts where timing <> 'over'"
        )
    }
    assert {row["task_id"] for row in found_in(page, "tasks")} <= urgent


def test_a_search_over_a_part_of_the_tasks_says_so_and_how_to_ask_for_the_others(visit) -> None:
    page, shown = visit("first")
    total = shown.one("select count(*) from dim_pull_tasks")
    held = page.evaluate("data.lives.tasks.task_id")
    absent = shown.one(f"select min(task_id) from dim_pull_tasks where task_id not in ('{held[0]}', '{held[1]}')")
    for text, on_page, found in (("It's nowhere", 0, 0), (f" {held[0].upper()} ", 1, 1), (absent, 0, 1)):
        page.fill("#search", text)
        assert page.locator("#results a").count() == on_page
        *others, rest = page.locator("#results li").all_inner_texts()
        said, query = rest.split("`pulltasks query`: ")
        assert said == f"Not searched: {total - 2} more, which are not among the tasks of this page; ask "
        assert shown.one(f"select count(*) from ({query})") == found
        none = "No match among the targets and the 2 tasks on this page."
        assert (none in others) == (on_page == 0)


def test_a_search_finds_tasks_by_id_and_address_and_targets_by_name_or_id(visit) -> None:
    page, shown = visit("good")
    task, address = shown.all(
        "select task_id, source_urls[1] from dim_pull_tasks where is_current and source_urls[1] <> '' limit 1"
    )[0]
    for text in (task, address, HOSTILE, BEIJING.project_id, "singapore"):
        page.fill("#search", text)
        assert page.locator("#results a").count() >= 1, text
    page.fill("#search", task)
    assert page.locator("#results a").count() == 1
    after(page, lambda: page.press("#search", "Enter"))
    assert task in page.locator("#life").inner_text()
    assert page.locator("#results").is_hidden()
    page.fill("#search", "no such thing at all")
    tasks = shown.one("select count(*) from dim_pull_tasks")
    assert page.locator("#results").inner_text() == f"No match among the targets and the {tasks} tasks on this page."
    page.keyboard.press("Escape")
    assert page.locator("#results").is_hidden()


def test_an_address_that_asks_a_table_for_what_there_is_not_shows_what_there_is(visit) -> None:
    page, shown = visit("good", f"view=tasks&find=tasks%3Fbogus%3D1&day={BEFORE.replace(year=1999)}&hour=soon")
    assert count_of(page, "tasks") == shown.one("select count(*) from dim_pull_tasks where is_current")
    go_to(page, "view=tasks&find=tasks%3Fstatus%3Dbogus")
    assert count_of(page, "tasks") == 0
    assert page.locator("#tasks .facet select").first.input_value() == "bogus"
