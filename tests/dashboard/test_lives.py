"""The page follows every task of a small lake, and of a large one those that changed lately or need somebody."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from desk import BEIJING, SINGAPORE
from page_contents import lake_of
from pulltasks.dashboard.bounds import Bounds
from pulltasks.dashboard.contents import read_contents
from pulltasks.sandbox.server import Sandbox
from pulltasks.settings import Limits
from pulltasks.warehouse.read.published import open_published

DAYS = [date(2026, 11, 20) + timedelta(days=n) for n in range(3)]
LIMITS = Limits(lake=timedelta(hours=26), target=timedelta(hours=50))


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory):
    """Three days, only to be read; Singapore is refused on the second."""
    sandbox = Sandbox((BEIJING, SINGAPORE), faults={(SINGAPORE.project_id, DAYS[1]): "forbidden"})
    with lake_of(sandbox, tmp_path_factory.mktemp("lake"), DAYS) as lake, open_published(lake) as connection:
        yield connection


def followed(warehouse, bounds: Bounds | None = None) -> dict:
    return read_contents(warehouse, "UTC", LIMITS, bounds=bounds)["lives"]


def test_a_small_lake_is_followed_whole(warehouse) -> None:
    found = followed(warehouse)
    ((count,),) = warehouse.execute("select count(*) from dim_pull_tasks").fetchall()
    assert (len(found["tasks"]["task_id"]), found["total"], found["is_cut"]) == (count, count, False)
    ((spells,),) = warehouse.execute("select count(*) from fct_status_spells").fetchall()
    ((changes,),) = warehouse.execute("select count(*) from fct_pull_task_changes").fetchall()
    assert (len(found["spells"]), len(found["changes"])) == (spells, changes)


# How soon somebody is needed: a task is left out of the page only with all that are less urgent.
URGENCY = """
select task_id, case
    when task_id in (select unnest(task_ids) from rpt_stream_conflicts where timing <> 'over')
        or task_id in (select task_id from rpt_expiring_tasks where ends = 'within_24_hours') then 0
    when task_id in (select task_id from rpt_expiring_tasks) then 1
    when task_id in (select task_id from rpt_tasks_without_backup) then 2
    when is_current then 3
    else 4
end from dim_pull_tasks
"""


@pytest.mark.parametrize(
    "bounds", [Bounds(rows=1), Bounds(rows=20), Bounds(rows=300), Bounds(text_bytes=2000)], ids=str
)
def test_what_needs_somebody_is_never_cut_before_what_does_not(warehouse, bounds: Bounds) -> None:
    found = followed(warehouse, bounds)
    urgency = dict(warehouse.execute(URGENCY).fetchall())
    ids = found["tasks"]["task_id"]
    assert 0 < len(ids) <= bounds.rows
    assert (found["is_cut"], found["total"]) == (True, len(urgency))
    shown = [urgency[task_id] for task_id in ids]
    assert shown == sorted(shown)
    assert shown == sorted(urgency.values())[: len(ids)]


def test_what_a_task_was_on_a_day_is_what_the_warehouse_says_of_that_day(warehouse) -> None:
    lives = followed(warehouse)
    tasks, complete = lives["tasks"], {day: [True, day != str(DAYS[1])] for day in map(str, DAYS)}
    columns = ("destination", "status", "start_time", "end_time", "source_type", "app_name", "host", "no_backup")
    told = set()
    for day in map(str, DAYS):
        for place, task_id in enumerate(tasks["task_id"]):
            if (
                tasks["is_current"][place]
                and tasks["valid_from_date"][place] <= day
                and complete[day][tasks["target"][place]]
            ):
                told.add((day, task_id, *(tasks[name][place] for name in columns)))
        for place, *values, since, until in lives["past"]:
            if since <= day < until and complete[day][tasks["target"][place]]:
                told.add((day, tasks["task_id"][place], *values))
    said = warehouse.execute(
        "select snapshot_date::varchar, task_id, destination, status, epoch(start_time)::bigint, "
        "epoch(end_time)::bigint, source_type, app_name, destination_host, "
        "len(list_filter(backup_source_fingerprints, lambda a: a is not null)) = 0 from fct_pull_task_days"
    ).fetchall()
    assert told == set(said)
    assert lives["past"]


def test_related_tasks_are_listed_ones_that_share_a_fingerprint(warehouse) -> None:
    found = followed(warehouse)
    ids = found["tasks"]["task_id"]
    shared = warehouse.execute(
        "select list(distinct task_id) from (select task_id, unnest(source_fingerprints || backup_source_fingerprints)"
        " as f from dim_pull_tasks where is_current) group by f having count(distinct task_id) > 1"
    ).fetchall()
    told = [sorted(ids[place] for place in places) for kind, places in found["related"] if kind == "source"]
    assert sorted(told) == sorted(sorted(group) for (group,) in shared)


def test_a_targets_days_are_those_on_which_it_was_expected(warehouse) -> None:
    for position, days, tasks, requests, seconds in followed(warehouse)["target_days"]:
        assert days == [0, 1, 2]
        assert len(tasks) == len(requests) == len(seconds) == 3
        assert (tasks[1] is None) == (position == 1)  # what is not known is no number
