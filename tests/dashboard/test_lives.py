"""The page follows every task of a small lake, and of a large one those that changed lately or need somebody."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from desk import BEIJING, SINGAPORE, Desk
from pulltasks.dashboard import lives
from pulltasks.dashboard.contents import read_contents
from pulltasks.sandbox.accounts import AccessKey
from pulltasks.sandbox.server import Sandbox, serving
from pulltasks.settings import Limits
from pulltasks.warehouse.read.published import open_published

DAYS = [date(2026, 11, 20) + timedelta(days=n) for n in range(3)]
LIMITS = Limits(lake=timedelta(hours=26), target=timedelta(hours=50))


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory):
    """Three days, only to be read; Singapore is refused on the second."""
    sandbox = Sandbox((BEIJING, SINGAPORE), faults={(SINGAPORE.project_id, DAYS[1]): "forbidden"})
    with serving(sandbox) as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HUAWEICLOUD_SDK_AK", AccessKey().ak)
        patch.setenv("HUAWEICLOUD_SDK_SK", AccessKey().sk)
        desk = Desk(sandbox, url, tmp_path_factory.mktemp("lake"), sandbox.places)
        for day in DAYS:
            desk.run(day)
        with open_published(desk.lake) as connection:
            yield connection


def followed(warehouse) -> dict:
    return read_contents(warehouse, "UTC", LIMITS)["lives"]


def test_a_small_lake_is_followed_whole(warehouse) -> None:
    found = followed(warehouse)
    ((count,),) = warehouse.execute("select count(*) from dim_pull_tasks").fetchall()
    assert (len(found["tasks"]["task_id"]), found["total"], found["is_cut"]) == (count, count, False)
    ((spells,),) = warehouse.execute("select count(*) from fct_status_spells").fetchall()
    ((changes,),) = warehouse.execute("select count(*) from fct_pull_task_changes").fetchall()
    assert (len(found["spells"]), len(found["changes"])) == (spells, changes)


@pytest.mark.parametrize("most", [1, 20, 300])
def test_of_a_large_lake_those_are_followed_that_changed_or_need_somebody(warehouse, monkeypatch, most: int) -> None:
    monkeypatch.setattr(lives, "MOST_TASKS", most)
    found = followed(warehouse)
    ((total,),) = warehouse.execute("select count(*) from dim_pull_tasks").fetchall()
    urgent = {
        row[0]
        for row in warehouse.execute(
            "select task_id from rpt_expiring_tasks union "
            "select unnest(task_ids) from rpt_stream_conflicts where timing <> 'over'"
        ).fetchall()
    }
    changed = {row[0] for row in warehouse.execute("select task_id from fct_pull_task_changes").fetchall()}
    ids = found["tasks"]["task_id"]
    assert (len(ids), found["is_cut"]) == (min(most, len(urgent | changed)), True)
    assert total > most
    assert set(ids) <= urgent | changed
    assert set(ids[: len(urgent)]) <= urgent  # what needs somebody stands first


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
