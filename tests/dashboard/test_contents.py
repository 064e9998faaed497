"""The page holds what the warehouse's models say: no number of its own, and nothing for what is not known."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time, timedelta

import duckdb
import pytest

from desk import BEIJING, SINGAPORE, Desk
from pulltasks import config
from pulltasks.dashboard import contents
from pulltasks.dashboard.contents import HOURS, read_contents
from pulltasks.dashboard.tables import TABLES
from pulltasks.run.order import snapshot
from pulltasks.sandbox.accounts import AccessKey
from pulltasks.sandbox.server import Sandbox, serving
from pulltasks.settings import Limits
from pulltasks.warehouse.read.published import open_published

DAY = date(2026, 11, 22)
LIMITS = Limits(lake=timedelta(hours=26), target=timedelta(hours=50))
DAYS = [DAY - timedelta(days=n) for n in (2, 1, 0)]


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory):
    """Three days, only to be read; Singapore is refused on the last, and not read to the end on the one before."""
    sandbox = Sandbox((BEIJING, SINGAPORE))
    sandbox.faults |= {(SINGAPORE.project_id, DAYS[1]): "short_page", (SINGAPORE.project_id, DAY): "forbidden"}
    with serving(sandbox) as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HUAWEICLOUD_SDK_AK", AccessKey().ak)
        patch.setenv("HUAWEICLOUD_SDK_SK", AccessKey().sk)
        desk = Desk(sandbox, url, tmp_path_factory.mktemp("lake"), sandbox.places)
        for day in DAYS:
            desk.run(day)
        yield desk.lake


def of(lake) -> tuple[dict, duckdb.DuckDBPyConnection]:
    connection = open_published(lake)
    return read_contents(connection, "UTC", LIMITS), connection


def test_targets_stand_as_the_models_say_with_the_day_that_they_are_known_from(lake) -> None:
    found, connection = of(lake)
    beijing, singapore = found["targets"]
    count = dict(
        connection.execute("select region, count(*) from dim_pull_tasks where is_current group by 1").fetchall()
    )
    assert (beijing["coverage"], beijing["task_count"]) == ("complete", count[BEIJING.region])
    assert (singapore["coverage"], singapore["verdict_reason"]) == ("failed", "forbidden")
    assert (singapore["who"], beijing["who"]) == ("administrator", "nobody")
    assert (singapore["last_complete_date"], singapore["oldest_state_date"]) == (DAYS[0], DAYS[0])
    assert singapore["task_count"] == count[SINGAPORE.region]
    assert "grant live:stream:listPullTask" in singapore["error_message"]


def test_a_target_that_was_never_complete_has_no_number_of_tasks(desk: Desk) -> None:
    desk.sandbox.faults[SINGAPORE.project_id, None] = "forbidden"
    desk.run(DAY)
    _, singapore = of(desk.lake)[0]["targets"]
    assert (singapore["task_count"], singapore["last_complete_date"]) == (None, None)


def test_each_day_and_target_has_a_letter_for_how_it_ended(lake) -> None:
    found, _ = of(lake)
    assert found["days"] == [str(day) for day in DAYS]
    assert found["coverage"] == ["ccc", "cif"]


def test_a_day_without_a_run_is_missing_and_a_target_that_is_new_was_not_expected_before(desk: Desk) -> None:
    both = desk.places
    desk.places = both[:1]
    desk.run(DAYS[0])
    desk.places = both
    desk.run(DAY)
    assert of(desk.lake)[0]["coverage"] == ["cmc", "..c"]


def test_tasks_are_counted_on_complete_days_only_and_as_the_model_counts_them(lake) -> None:
    found, connection = of(lake)
    counted = {
        (found["targets"][target]["region"], found["days"][day], status, kind): count
        for target, status, kind, days, counts in found["counts"]
        for day, count in zip(days, counts, strict=True)
    }
    assert counted == {
        (region, str(day), status, kind): count
        for region, day, status, kind, count in connection.execute(
            "select region, snapshot_date, status, source_type, task_count from fct_daily_task_counts where task_count > 0"
        ).fetchall()
    }
    assert {day for region, day, *_ in counted if region == SINGAPORE.region} == {str(DAYS[0])}


def test_the_load_of_each_hour_is_that_of_the_report(lake) -> None:
    found, connection = of(lake)
    starts = datetime.fromtimestamp(found["load"]["begins_at"], UTC).replace(tzinfo=None)
    hours = {
        (found["targets"][target]["region"], starts + timedelta(hours=hour)): count
        for target, hours, counts in found["load"]["targets"]
        for hour, count in zip(hours, counts, strict=True)
    }
    expected = connection.execute(
        "select region, hour_start, tasks_scheduled from rpt_schedule_load where hour_start >= $1", [starts]
    ).fetchall()
    assert hours == {(region, hour): count for region, hour, count in expected}
    assert starts == datetime.combine(DAY, datetime.min.time())


def test_in_a_zone_with_half_hours_the_load_begins_with_the_first_whole_hour_of_the_day(desk: Desk) -> None:
    desk.extra = ""
    file = desk.config_file
    file.write_text('timezone = "Asia/Kolkata"\n' + file.read_text(), encoding="utf-8")
    settings = config.load(file)
    snapshot(settings, DAY, desk.clock, simulated=True)
    with open_published(desk.lake) as connection:
        load = read_contents(connection, "Asia/Kolkata", LIMITS)["load"]
        begins = datetime.fromtimestamp(load["begins_at"], UTC).replace(tzinfo=None)
        assert begins == datetime.combine(DAY - timedelta(days=1), time(19))
        expected = connection.execute(
            "select sum(tasks_scheduled) from rpt_schedule_load where hour_start = $1", [begins]
        ).fetchall()
    first = sum(
        count for _, hours, counts in load["targets"] for hour, count in zip(hours, counts, strict=True) if not hour
    )
    assert [(first,)] == expected
    assert first > 0
    assert {hour for _, hours, _ in load["targets"] for hour in hours} <= set(range(HOURS))


def test_a_first_complete_listing_has_no_known_changes(desk: Desk) -> None:
    desk.sandbox.faults[SINGAPORE.project_id, DAYS[0]] = "forbidden"
    desk.run(DAYS[0])
    assert [target["has_known_changes"] for target in of(desk.lake)[0]["targets"]] == [False, False]
    desk.run(DAYS[1])
    assert [target["has_known_changes"] for target in of(desk.lake)[0]["targets"]] == [True, False]
    desk.run(DAYS[2])
    assert [target["has_known_changes"] for target in of(desk.lake)[0]["targets"]] == [True, True]


def test_targets_of_one_name_are_told_apart_by_their_place(desk: Desk) -> None:
    file = desk.config_file
    file.write_text(file.read_text().replace('"singapore"', '"beijing"'), encoding="utf-8")
    settings = config.load(file)
    snapshot(settings, DAY, desk.clock, simulated=True)
    labels = {target["label"] for target in of(desk.lake)[0]["targets"]}
    assert labels == {f"beijing ({p.project_id}/{p.region})" for p in desk.places}


def test_a_target_that_left_is_there_and_not_expected_and_its_later_days_are_no_gaps(desk: Desk) -> None:
    desk.run(DAYS[0])
    desk.places = desk.places[:1]
    desk.run(DAYS[1])
    found, _ = of(desk.lake)
    assert [target["is_expected"] for target in found["targets"]] == [True, False]
    assert found["coverage"] == ["cc", "c."]
    assert found["targets"][1]["task_count"] == 0


def test_no_more_days_are_shown_than_the_charts_go_back(lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(contents, "DAYS", 2)
    found, _ = of(lake)
    assert found["days"] == [str(day) for day in DAYS[1:]]
    assert found["coverage"] == ["cc", "if"]


def test_the_age_that_is_allowed_and_the_time_zone_are_those_of_the_settings(lake) -> None:
    with open_published(lake) as connection:
        found = read_contents(connection, "Asia/Shanghai", Limits(timedelta(hours=7), timedelta(hours=9)))
    assert (found["max_age_seconds"], found["zones"]) == (7 * 3600, ["Asia/Shanghai", "UTC"])


def test_what_begins_last_stands_first_among_tasks_without_a_backup(lake) -> None:
    shown = of(lake)[0]["tables"]["no_backup"]
    at = [column["name"] for column in shown["columns"]].index("start_time")
    starts = shown["values"][at]
    assert starts == sorted(starts, reverse=True)
    assert len(set(starts)) > 10


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_table_has_all_rows_of_its_model_and_its_descriptions(lake, table) -> None:
    found, connection = of(lake)
    shown = found["tables"][table.name]
    ((rows,),) = connection.execute(f"select count(*) from ({table.query})").fetchall()
    assert shown["total"] == rows
    assert {len(values) for values in shown["values"]} == {rows}
    own = {"target", "other_target", "first_source", "source_count", "no_backup", "shares_source", "in_conflict"}
    for column in shown["columns"]:
        assert column["description"] or column["name"] in own, column["name"]


def test_the_changes_are_those_of_the_last_day(lake) -> None:
    shown = of(lake)[0]["tables"]["changes"]
    at = {column["name"]: i for i, column in enumerate(shown["columns"])}
    assert set(shown["values"][at["target"]]) == {0}
    assert set(shown["values"][at["previous_complete_date"]]) == {str(DAYS[1])}


def test_a_table_that_is_too_long_is_cut_and_says_how_long_it_is(lake, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = of(lake)[0]["tables"]["no_backup"]
    monkeypatch.setattr(contents, "ROWS", 5)
    found, _ = of(lake)
    cut = found["tables"]["no_backup"]
    assert sum(count for *_, count in found["tallies"]["no_backup"]) == whole["total"]
    assert cut["total"] == whole["total"] > 5
    assert cut["values"] == [values[:5] for values in whole["values"]]


def test_a_day_without_a_task_is_a_table_without_rows_and_a_count_of_zero(desk: Desk) -> None:
    from pulltasks.sandbox.data import Place

    desk.sandbox.places = desk.places = tuple(Place(p.project_id, p.region, 0, name=p.name) for p in desk.places)
    desk.run(DAY)
    found, _ = of(desk.lake)
    assert [target["task_count"] for target in found["targets"]] == [0, 0]
    assert found["coverage"] == ["c", "c"]
    of_tasks = [
        table for name, table in found["tables"].items() if name != "reliability"
    ]  # it has a row for each target
    assert {table["total"] for table in of_tasks} == {0}
    assert all(values == [] for table in of_tasks for values in table["values"])


def test_what_a_number_was_the_day_before_is_what_its_report_said_then(desk: Desk) -> None:
    desk.run(DAYS[1])
    said = dict.fromkeys(("past_end", "ends_soon", "no_backup"))
    with open_published(desk.lake) as then:
        for name, query in contents._COUNTS_BY_TARGETS.items():
            if name in said:
                said[name] = dict(then.execute(f"select keys[1], rows from ({query}) as found (keys, rows)").fetchall())
    desk.run(DAY)
    found, _ = of(desk.lake)
    keys = [f"{target['project_id']}/{target['region']}" for target in found["targets"]]
    assert {day for day, *_ in found["before"]} == {0}
    for i, name in enumerate(said):
        told = {keys[target]: counts[i] for _, target, *counts in found["before"] if counts[i]}
        assert told == said[name]


def test_the_newest_complete_day_is_told_with_when_it_ended(lake) -> None:
    found, _ = of(lake)
    assert found["newest_complete"]["day"] == DAYS[0]
    assert abs(found["newest_complete"]["finished_at"] - datetime.now(UTC).timestamp()) < 600
    assert re.fullmatch(r"\d{6}-\d{8}T\d{6}Z-[0-9a-f]{6}", found["build"]["build_id"])


@pytest.mark.slow
def test_a_page_of_20_000_tasks_is_below_3_mb(tmp_path) -> None:
    from pulltasks.dashboard import write_dashboard
    from pulltasks.sandbox.cli import places_of
    from pulltasks.sandbox.server import Sandbox, serving

    sandbox = Sandbox(places_of(20, 1000))
    with serving(sandbox) as url:
        desk = Desk(sandbox, url, tmp_path, sandbox.places)
        for day in DAYS[1:]:
            desk.run(day)
    page = write_dashboard(desk.lake, desk.settings)
    assert page.stat().st_size < 3_000_000
    assert sum(target["task_count"] for target in of(desk.lake)[0]["targets"]) > 19_000
