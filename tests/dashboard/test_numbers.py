"""A number of the page, of each target and day, is that of the warehouse's models; what is not known has none."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from pathlib import Path

import duckdb
import pytest

from desk import SINGAPORE, Desk
from page_contents import DAY, DAYS, LIMITS, of
from pulltasks import config
from pulltasks.dashboard import contents
from pulltasks.dashboard.bounds import Bounds
from pulltasks.dashboard.contents import read_contents
from pulltasks.dashboard.numbers import HOURS, TALLIES, read_numbers
from pulltasks.dashboard.targets import TARGETS
from pulltasks.lake.lake import Lake
from pulltasks.run.order import snapshot
from pulltasks.settings import WarehouseSettings
from pulltasks.warehouse.build.publish import build_and_publish
from pulltasks.warehouse.read.published import open_published
from pulltasks.warehouse.sql.models import load_models
from sql_cases import CASES, write_days


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
        for (target,), hours, counts in found["load"]["targets"]
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


def test_what_a_number_was_on_a_day_is_what_its_report_said_then(desk: Desk) -> None:
    names = ("past_end", "no_backup", "conflicts", "changes")
    said: dict[tuple[str, str], int] = {}
    # a target that is not known on a day has its last known tasks on it
    desk.sandbox.faults[SINGAPORE.project_id, DAYS[1]] = "forbidden"
    for day in DAYS:
        desk.run(day)
        with open_published(desk.lake) as then:
            for name in names:
                ((count,),) = then.execute(
                    f"select coalesce(sum(rows), 0) from ({TALLIES[name]}) as t (k, rows)"
                ).fetchall()
                said[name, str(day)] = count
    found, _ = of(desk.lake)
    told = {
        (name, day): sum(
            dict(zip(days, counts, strict=True)).get(place, 0) for _, days, counts in found["history"][name]
        )
        for name in names
        for place, day in enumerate(found["days"])
    }
    assert told == said
    assert all(any(said[name, str(day)] for day in DAYS) for name in names)


def test_what_changed_is_counted_by_kind_and_by_field(lake) -> None:
    found, connection = of(lake)
    today = f"from fct_pull_task_changes where snapshot_date = date '{DAY}'"
    kinds = connection.execute(f"select change, null, count(distinct task_id) {today} group by 1").fetchall()
    fields = connection.execute(
        f"select change, field, count(distinct task_id) {today} and field is not null group by 1, 2"
    ).fetchall()
    assert sorted((row[1:] for row in found["kinds_of_change"]), key=str) == sorted(kinds + fields, key=str)
    assert fields


OF_REPORTS = [case for case in CASES if case.parent.name in {"rpt_stream_conflicts", "rpt_expiring_tasks"}]


@pytest.mark.parametrize("case", OF_REPORTS, ids=lambda case: f"{case.parent.name}/{case.name}")
def test_the_last_day_of_a_history_is_what_the_report_says_of_any_times(tmp_path: Path, case: Path) -> None:
    lake = Lake(tmp_path / "lake")
    lake.prepare()
    with duckdb.connect() as connection:
        write_days(connection, lake, case)
    with lake.lock():
        build_and_publish(lake, load_models(), WarehouseSettings(), datetime(2026, 11, 23, tzinfo=UTC))
    with open_published(lake) as connection:
        targets = contents._rows(connection, TARGETS)
        contents._number(connection, targets, Bounds())
        found = read_numbers(connection, contents._places(targets))
        ((last,),) = connection.execute("select max(position) from shown_days").fetchall()
    for name in ("conflicts", "past_end"):
        told = sum(dict(zip(days, counts, strict=True)).get(last, 0) for _, days, counts in found["history"][name])
        assert told == sum(count for _, count in found["tallies"][name]), name
