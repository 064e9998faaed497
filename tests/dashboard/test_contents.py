"""The page holds what the warehouse's models say: no number of its own, and nothing for what is not known."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from desk import BEIJING, SINGAPORE, Desk
from page_contents import DAY, DAYS, of
from pulltasks.dashboard.bounds import Bounds
from pulltasks.dashboard.contents import read_contents
from pulltasks.settings import Limits
from pulltasks.warehouse.read.published import open_published


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


def test_a_first_complete_listing_has_no_known_changes(desk: Desk) -> None:
    desk.sandbox.faults[SINGAPORE.project_id, DAYS[0]] = "forbidden"
    desk.run(DAYS[0])
    assert [target["has_known_changes"] for target in of(desk.lake)[0]["targets"]] == [False, False]
    desk.run(DAYS[1])
    assert [target["has_known_changes"] for target in of(desk.lake)[0]["targets"]] == [True, False]
    desk.run(DAYS[2])
    assert [target["has_known_changes"] for target in of(desk.lake)[0]["targets"]] == [True, True]


def test_a_target_that_left_is_there_and_not_expected_and_its_later_days_are_no_gaps(desk: Desk) -> None:
    desk.run(DAYS[0])
    desk.places = desk.places[:1]
    desk.run(DAYS[1])
    found, _ = of(desk.lake)
    assert [target["is_expected"] for target in found["targets"]] == [True, False]
    assert found["coverage"] == ["cc", "c."]
    assert found["targets"][1]["task_count"] == 0


def test_no_more_days_are_shown_than_the_bounds_say(lake) -> None:
    found, _ = of(lake, Bounds(days=2))
    assert found["days"] == [str(day) for day in DAYS[1:]]
    assert found["coverage"] == ["cc", "if"]


def test_the_age_that_is_allowed_and_the_time_zone_are_those_of_the_settings(lake) -> None:
    with open_published(lake) as connection:
        found = read_contents(connection, "Asia/Shanghai", Limits(timedelta(hours=7), timedelta(hours=9)))
    assert (found["max_age_seconds"], found["zones"]) == (7 * 3600, ["Asia/Shanghai", "UTC"])


def test_a_day_without_a_task_is_a_table_without_rows_and_a_count_of_zero(desk: Desk) -> None:
    from pulltasks.sandbox.data import Place

    desk.sandbox.places = desk.places = tuple(Place(p.project_id, p.region, 0, name=p.name) for p in desk.places)
    desk.run(DAY)
    found, _ = of(desk.lake)
    assert [target["task_count"] for target in found["targets"]] == [0, 0]
    assert found["coverage"] == ["c", "c"]
    assert {table["total"] for table in found["tables"].values()} == {0}
    assert all(values == [] for table in found["tables"].values() for values in table["values"])


def test_the_newest_complete_day_is_told_with_when_it_ended(lake) -> None:
    found, _ = of(lake)
    assert found["newest_complete"]["day"] == DAYS[0]
    assert abs(found["newest_complete"]["finished_at"] - datetime.now(UTC).timestamp()) < 600
    assert re.fullmatch(r"\d{6}-\d{8}T\d{6}Z-[0-9a-f]{6}", found["build"]["build_id"])
