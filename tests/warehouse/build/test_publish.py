"""The warehouse: what a day adds, what a failure leaves standing, what a reader sees."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import duckdb
import msgspec
import pyarrow.parquet as pq

from desk import BEIJING, DAYS, SINGAPORE, Desk, rows
from history import contents
from plain_service import PlainService, listing, serving_plainly
from pulltasks.lake.files import sha256_of
from pulltasks.lake.manifests import read_manifest
from pulltasks.lake.normalise import normalise_day
from pulltasks.lake.tidy import open_tidy
from pulltasks.sandbox.data import Place, tasks_on
from pulltasks.sandbox.server import Sandbox, serving
from pulltasks.tables import TABLES


def test_a_day_is_published_with_what_the_api_listed(desk: Desk, begin) -> None:
    begin(desk, DAYS[0])
    expected = {task["task_id"] for place in desk.places for task in tasks_on(1, place, DAYS[0])}
    assert {task_id for (task_id,) in rows(desk, "select task_id from dim_pull_tasks where is_current")} == expected
    assert rows(desk, "select distinct coverage, targets_complete, targets_expected from fct_daily_task_counts") == [
        ("complete", 2, 2)
    ]


def test_a_refused_target_keeps_yesterdays_rows_with_their_date(desk: Desk, begin) -> None:
    begin(desk, DAYS[0])
    desk.sandbox.faults[SINGAPORE.project_id, DAYS[1]] = "forbidden"
    desk.run(DAYS[1])
    yesterday = {task["task_id"] for task in tasks_on(1, SINGAPORE, DAYS[0])}
    found = rows(
        desk,
        f"select task_id, state_date, last_seen_date from dim_pull_tasks "
        f"where project_id = '{SINGAPORE.project_id}' and is_current",
    )
    assert {task_id for task_id, *_ in found} == yesterday
    assert {tuple(dates) for _, *dates in found} == {(DAYS[0], DAYS[0])}
    assert rows(
        desk,
        f"select coverage, verdict_reason, error_code, task_count, last_complete_date from rpt_snapshot_coverage "
        f"where snapshot_date = date '{DAYS[1]}' and project_id = '{SINGAPORE.project_id}'",
    ) == [("failed", "forbidden", "APIGW.0302", None, DAYS[0])]
    assert rows(
        desk,
        f"select task_count, targets_complete, targets_expected from fct_daily_task_counts "
        f"where snapshot_date = date '{DAYS[1]}' and project_id = '{SINGAPORE.project_id}'",
    ) == [(None, 1, 2)]


def begin_with_a_short_page(desk: Desk, begin, once, *, days: int) -> None:
    """Runs of so many days; on the second one Beijing's listing was incomplete."""

    def run_the_last() -> None:
        if days == 2:
            begin(desk, DAYS[0])
        else:
            begin_with_a_short_page(desk, begin, once, days=days - 1)
        desk.sandbox.faults[BEIJING.project_id, DAYS[1]] = "short_page"
        desk.run(DAYS[days - 1])
        desk.sandbox.faults.clear()

    once(("short page", days), desk, run_the_last)


def test_absence_is_noticed_by_a_complete_capture_only(desk: Desk, begin, once) -> None:
    begin_with_a_short_page(desk, begin, once, days=3)
    assert rows(
        desk,
        "select distinct snapshot_date from fct_pull_task_changes where change = 'removed' and "
        f"project_id = '{BEIJING.project_id}'",
    ) == [(DAYS[2],)]
    gone = {t["task_id"] for t in tasks_on(1, BEIJING, DAYS[0])} - {t["task_id"] for t in tasks_on(1, BEIJING, DAYS[2])}
    assert gone
    found = rows(
        desk,
        "select task_id, state_date, absence_noticed_date, is_current from dim_pull_tasks "
        f"where absence_noticed_date is not null and project_id = '{BEIJING.project_id}'",
    )
    assert {task_id for task_id, *_ in found} == gone
    assert {tuple(rest) for _, *rest in found} == {(DAYS[0], DAYS[2], False)}


def test_an_incomplete_capture_moves_only_last_seen(desk: Desk, begin, once) -> None:
    begin_with_a_short_page(desk, begin, once, days=2)
    assert rows(
        desk,
        "select count(*) from dim_pull_tasks where absence_noticed_date is not null and "
        f"project_id = '{BEIJING.project_id}'",
    ) == [(0,)]
    still = {t["task_id"] for t in tasks_on(1, BEIJING, DAYS[0])} & {
        t["task_id"] for t in tasks_on(1, BEIJING, DAYS[1])[:100]
    }
    found = dict(rows(desk, "select task_id, (state_date, last_seen_date)::varchar from dim_pull_tasks"))
    assert still
    assert {found[task_id] for task_id in still} == {f"({DAYS[0]}, {DAYS[1]})"}


def test_days_without_a_run_are_missing(desk: Desk, begin) -> None:
    begin(desk, DAYS[0])
    desk.run(DAYS[3])
    assert rows(
        desk,
        "select snapshot_date, coverage, verdict_reason, last_complete_date, count(*) "
        "from rpt_snapshot_coverage group by all order by all",
    ) == [
        (DAYS[0], "complete", None, DAYS[0], 2),
        (DAYS[1], "missing", "no_run", DAYS[0], 2),
        (DAYS[2], "missing", "no_run", DAYS[0], 2),
        (DAYS[3], "complete", None, DAYS[3], 2),
    ]
    assert rows(desk, f"select distinct task_count from fct_daily_task_counts where snapshot_date = '{DAYS[1]}'") == [
        (None,)
    ]


def test_a_target_that_is_dropped_ends_with_the_list_that_names_it(desk: Desk, begin) -> None:
    begin(desk, DAYS[0])
    desk.places = (BEIJING,)
    desk.run(DAYS[1])
    assert rows(
        desk, f"select is_expected, last_expected_date from dim_targets where project_id = '{SINGAPORE.project_id}'"
    ) == [(False, DAYS[0])]
    assert rows(
        desk,
        f"select distinct is_current, absence_noticed_date from dim_pull_tasks where project_id = '{SINGAPORE.project_id}'",
    ) == [(False, DAYS[1])]
    assert rows(desk, f"select count(*) from rpt_snapshot_coverage where snapshot_date = '{DAYS[1]}'") == [(1,)]


def test_an_empty_project_is_complete_with_a_count_of_zero(tmp_path) -> None:
    sandbox = Sandbox((BEIJING.__class__(BEIJING.project_id, BEIJING.region, 0),))
    with serving(sandbox) as url:
        desk = Desk(sandbox, url, tmp_path, sandbox.places)
        desk.run(DAYS[0])
    assert rows(desk, "select coverage, task_count from fct_daily_task_counts") == [("complete", 0)]
    for table in TABLES[:3]:
        path = desk.lake.tidy_file(table.name, DAYS[0])
        assert duckdb.sql(f"select count(*) from read_parquet('{path}')").fetchall() == [(0,)]


def test_an_older_day_built_again_gives_what_a_full_build_gives(desk: Desk, begin, once) -> None:
    begin_with_a_short_page(desk, begin, once, days=3)
    desk.capture(DAYS[1])  # the sandbox can go back in time
    rolled_forward = contents(desk.build())
    for path in desk.lake.warehouse.iterdir():
        path.unlink()
    assert contents(desk.build()) == rolled_forward
    assert rows(desk, "select count(*) from rpt_snapshot_coverage where coverage <> 'complete'") == [(0,)]


def test_a_target_whose_day_cannot_be_built_is_set_aside_by_name(tmp_path: Path) -> None:
    """With the real memory of the real database: 6 MB in one task are too much for a build that may take 40 MB."""
    service = PlainService()
    heavy, light = (Place(f"{n}" * 32, "cn-north-4", 3, name=name) for n, name in ((1, "heavy"), (2, "light")))
    text = "&".join(f"{n}=1" for n in range(800_000))
    task = {"task_id": "a", "push_args": text}
    whole = json.dumps({"request_id": "r", "total": 1, "task_infos": [task]}).encode()
    service.answers[heavy.project_id] = lambda _: (200, {}, whole)
    service.answers[light.project_id] = lambda _: (200, {}, listing(light.project_id))
    with serving_plainly(service) as url:
        extra = '\n[warehouse]\nmemory = "40MB"\nthreads = 1\n'
        desk = Desk(None, url, tmp_path, (heavy, light), extra=extra)
        desk.run(DAYS[0])
        service.answers[heavy.project_id] = lambda _: (200, {}, listing(heavy.project_id))
        desk.run(DAYS[1])
    query = "select snapshot_date, project_id, coverage, verdict_reason from fct_target_days order by all"
    assert rows(desk, query) == [
        (DAYS[0], heavy.project_id, "failed", "too_large_to_build"),
        (DAYS[0], light.project_id, "complete", None),
        (DAYS[1], heavy.project_id, "complete", None),
        (DAYS[1], light.project_id, "complete", None),
    ]


def test_equal_sources_have_equal_fingerprints(desk: Desk, begin) -> None:
    begin(desk, DAYS[0])
    with open_tidy(desk.lake) as connection:
        (expected,) = connection.sql("select count(distinct url) from pull_task_source_urls").fetchall()
    (found,) = rows(
        desk,
        "select count(distinct fingerprint) from "
        "(select unnest(source_fingerprints || backup_source_fingerprints) as fingerprint from dim_pull_tasks)",
    )
    assert found == expected


def test_effective_callbacks_are_what_the_task_names_or_else_all(desk: Desk, begin) -> None:
    begin(desk, DAYS[0])
    tasks = [task for place in desk.places for task in tasks_on(1, place, DAYS[0])]
    live, vod = {"TaskStart", "TaskExit", "TaskAlarm"}, {"VodSourceFileStart", "VodSourceFileFinish", "ResetTaskConfig"}
    expected = {
        (task["task_id"], event)
        for task in tasks
        for event in task.get("callback_events") or (live | vod if task["source_type"] == "PullVodPushLive" else live)
    }
    assert set(rows(desk, "select task_id, event from rpt_effective_callbacks")) == expected


def test_rows_that_are_not_the_tasks_of_a_verdict_make_no_complete_day(desk: Desk) -> None:
    """Whoever wrote the tables: the models hold them against the verdicts once more."""
    for day in DAYS[:3]:
        desk.capture(day)
        with desk.lake.lock():
            normalise_day(desk.lake, day)
    lose_a_task(desk, DAYS[1])
    desk.build()
    assert rows(
        desk,
        "select snapshot_date, target_name, verdict_reason, error_message like '%pulltasks rebuild --from%' "
        "from rpt_snapshot_coverage where coverage = 'incomplete'",
    ) == [(DAYS[1], "beijing", "rows_differ_from_verdict", True)]
    changes = (
        f"select count(*) from fct_pull_task_changes where target_name = 'beijing' and snapshot_date = '{DAYS[1]}'"
    )
    assert rows(desk, changes) == [(0,)]


def lose_a_task(desk: Desk, day: date) -> None:
    """Write a day's table without its first row, and the manifest that names it."""
    path = desk.lake.tidy_file("pull_tasks", day)
    table = pq.ParquetFile(path).read()
    pq.write_table(table.slice(1), path)
    manifest = read_manifest(desk.lake.manifest_file(day))
    entry = msgspec.structs.replace(manifest.tables["pull_tasks"], sha256=sha256_of(path), rows=table.num_rows - 1)
    manifest = msgspec.structs.replace(manifest, tables=manifest.tables | {"pull_tasks": entry})
    desk.lake.manifest_file(day).write_bytes(msgspec.json.encode(manifest))
