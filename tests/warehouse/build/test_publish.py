"""The warehouse: what a day adds, what a failure leaves standing, what a reader sees."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import msgspec
import pyarrow.parquet as pq
import pytest

from desk import BEIJING, DAYS, SINGAPORE, Desk
from plain_service import PlainService, listing, serving_plainly
from pulltasks import open_warehouse
from pulltasks.errors import LakeError, ModelError, NoWarehouse
from pulltasks.lake.files import sha256_of
from pulltasks.lake.manifests import read_manifest
from pulltasks.lake.normalise import normalise_day
from pulltasks.lake.tidy import open_tidy
from pulltasks.sandbox.data import PLANTED_STREAM_KEY, PLANTED_TOKEN, Place, tasks_on
from pulltasks.sandbox.server import Sandbox, serving
from pulltasks.tables import TABLES
from pulltasks.warehouse.build import day_builder
from pulltasks.warehouse.build.builds import KEPT_BUILDS
from pulltasks.warehouse.build.day_builder import DayBuilder
from pulltasks.warehouse.build.plan import plan_build
from pulltasks.warehouse.build.publish import build_and_publish
from pulltasks.warehouse.build.working_copy import working_copy
from pulltasks.warehouse.read.published import open_published
from pulltasks.warehouse.sql.models import SQL_FOLDER, load_models


def rows(desk: Desk, query: str) -> list[tuple]:
    with open_published(desk.lake) as connection:
        return connection.sql(query).fetchall()


def contents(path: Path) -> dict[str, list[tuple]]:
    """Everything in a warehouse but when it was made."""
    with duckdb.connect(str(path), read_only=True) as connection:
        names = [name for (name,) in connection.sql("select table_name from duckdb_tables()").fetchall()]
        return {
            name: sorted(connection.sql(f"from {name}").fetchall(), key=str)
            for name in names
            if name not in {"meta_build", "meta_runs"}
        }


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


def test_day_by_day_gives_what_one_build_over_all_days_gives(desk: Desk, begin_with_gaps) -> None:
    begin_with_gaps(desk)
    step_by_step = contents(desk.lake.published.resolve())
    for path in desk.lake.warehouse.iterdir():
        path.unlink()
    assert contents(desk.build()) == step_by_step


def test_an_older_day_built_again_gives_what_a_full_build_gives(desk: Desk, begin, once) -> None:
    begin_with_a_short_page(desk, begin, once, days=3)
    desk.capture(DAYS[1])  # the sandbox can go back in time
    rolled_forward = contents(desk.build())
    for path in desk.lake.warehouse.iterdir():
        path.unlink()
    assert contents(desk.build()) == rolled_forward
    assert rows(desk, "select count(*) from rpt_snapshot_coverage where coverage <> 'complete'") == [(0,)]


def test_a_day_adds_to_the_build_before_it(desk: Desk, begin) -> None:
    begin(desk, *DAYS[:3])
    desk.capture(DAYS[3])
    normalise_day(desk.lake, DAYS[3])
    plan = plan_build(desk.lake, load_models(), desk.settings.warehouse)
    assert plan.base == desk.lake.published.resolve()
    assert plan.days == (DAYS[3],)


def test_a_second_build_of_a_day_begins_before_that_day_every_time(desk: Desk, begin) -> None:
    begin(desk, DAYS[0])
    for _ in range(KEPT_BUILDS + 1):
        desk.capture(DAYS[1], refresh=True)
        with desk.lake.lock():
            normalise_day(desk.lake, DAYS[1])
            plan = plan_build(desk.lake, load_models(), desk.settings.warehouse)
            assert plan.days == (DAYS[1],)
            build_and_publish(desk.lake, load_models(), desk.settings.warehouse, datetime.now(UTC))
    assert len(list(desk.lake.warehouse.glob("pulltasks-*.duckdb"))) <= KEPT_BUILDS + 1


def test_a_day_built_in_parts_is_what_it_is_as_a_whole(tmp_path: Path, monkeypatch) -> None:
    places = tuple(Place(f"{n:032x}", "cn-north-4", 60, name=f"p{n}") for n in range(5))
    with serving(Sandbox(places)) as url:
        desk = Desk(Sandbox(places), url, tmp_path, places)
        desk.capture(DAYS[0])
        whole = contents(desk.build())
        shutil.rmtree(desk.lake.warehouse)
        monkeypatch.setattr(day_builder, "TASKS_PER_PART", 100)
        shown = []
        show = DayBuilder._show
        monkeypatch.setattr(
            DayBuilder, "_show", lambda self, projects="true": (shown.append(projects), show(self, projects))
        )
        assert contents(desk.build()) == whole
    assert len([projects for projects in shown if projects != "true"]) == 3


def test_a_day_built_in_parts_of_little_text_is_what_it_is_as_a_whole(desk: Desk, monkeypatch) -> None:
    for day in DAYS[:3]:
        desk.capture(day)
    whole = contents(desk.build())
    shutil.rmtree(desk.lake.warehouse)
    monkeypatch.setattr(day_builder, "TEXT_PER_PART", 20_000)
    shown = []
    monkeypatch.setattr(
        DayBuilder,
        "_show_part",
        lambda self, number, show=DayBuilder._show_part: (shown.append(number), show(self, number)),
    )
    assert contents(desk.build()) == whole
    assert max(shown) >= 2


def test_of_an_incomplete_capture_the_build_reads_only_tasks_known_before(desk: Desk, begin, once) -> None:
    begin(desk, DAYS[0])
    desk.sandbox.faults[BEIJING.project_id, DAYS[1]] = "short_page"
    desk.capture(DAYS[1])
    with desk.lake.lock():
        normalise_day(desk.lake, DAYS[1])
        plan = plan_build(desk.lake, load_models(), desk.settings.warehouse)
        known = {task["task_id"] for task in tasks_on(1, BEIJING, DAYS[0])}
        with working_copy(desk.lake, load_models(), desk.settings.warehouse, plan) as work:
            work.run("stg_listed_tasks")
            query = f"from {{}} where project_id = '{BEIJING.project_id}'"
            read, shown = (
                {task_id for (task_id,) in work._connection.execute(f"select task_id {query.format(name)}").fetchall()}
                for name in ("stg_listed_tasks", "tidy.pull_tasks")
            )
    assert shown - known
    assert read == shown & known


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


def test_nothing_new_publishes_nothing(desk: Desk, begin) -> None:
    begin(desk, DAYS[0])
    before = desk.lake.published.resolve()
    assert desk.build() == before


def test_other_masking_builds_everything_anew(desk: Desk, begin) -> None:
    begin(desk, *DAYS[:2])
    names = "select count(*) from dim_pull_tasks where stream_name not in ('', '***')"
    assert rows(desk, names) != [(0,)]
    desk.extra = "[warehouse]\nmask_stream_names = true\n"
    desk.build()
    assert rows(desk, names) == [(0,)]


def test_a_check_that_fails_stops_the_publish(desk: Desk, begin, tmp_path: Path) -> None:
    begin(desk, DAYS[0])
    before = desk.lake.published.resolve()
    folder = tmp_path / "sql"
    shutil.copytree(SQL_FOLDER, folder)
    file = folder / "marts" / "fct_daily_task_counts.sql"
    file.write_text(file.read_text().replace("-- check: targets", "-- check: task_count < 3\n-- check: targets"))
    desk.capture(DAYS[1])
    with desk.lake.lock():
        normalise_day(desk.lake, DAYS[1])
        with pytest.raises(
            ModelError, match=r"nothing was published.*\n.*fct_daily_task_counts: task_count < 3 \(\d+ rows"
        ):
            build_and_publish(desk.lake, load_models(folder), desk.settings.warehouse, datetime.now(UTC))
    assert desk.lake.published.resolve() == before


def test_a_day_that_would_write_an_earlier_row_again_is_refused(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "sql"
    shutil.copytree(SQL_FOLDER, folder)
    file = folder / "marts" / "dim_dates.sql"
    file.write_text(
        file.read_text().replace(
            "from stg_days as days",
            f"from (select date '{DAYS[0]}' as snapshot_date, null::timestamp as starts_at, true as has_run) as days",
        )
    )
    models = load_models(folder)
    for day in DAYS[:2]:
        desk.capture(day)
        with desk.lake.lock():
            normalise_day(desk.lake, day)
            if day == DAYS[0]:
                build_and_publish(desk.lake, models, desk.settings.warehouse, datetime.now(UTC))
    with desk.lake.lock(), pytest.raises(ModelError, match="dim_dates: key_is_unique"):
        build_and_publish(desk.lake, models, desk.settings.warehouse, datetime.now(UTC))


def test_a_header_that_differs_from_the_select_is_refused(desk: Desk, begin, tmp_path: Path) -> None:
    folder = tmp_path / "sql"
    shutil.copytree(SQL_FOLDER, folder)
    file = folder / "reports" / "rpt_effective_callbacks.sql"
    file.write_text(file.read_text().replace("column: is_named BOOLEAN", "column: is_told BOOLEAN"))
    begin(desk, DAYS[0])
    with (
        desk.lake.lock(),
        pytest.raises(
            ModelError,
            match="rpt_effective_callbacks: the select and the header's columns differ in is_named BOOLEAN, is_told BOOLEAN",
        ),
    ):
        build_and_publish(desk.lake, load_models(folder), desk.settings.warehouse, datetime.now(UTC))


def test_tidy_files_that_are_not_what_the_manifest_names_are_refused(desk: Desk, begin) -> None:
    begin(desk, DAYS[0])
    path = desk.lake.tidy_file("captures", DAYS[0])
    path.write_bytes(path.read_bytes() + b"x")
    for build_file in desk.lake.warehouse.iterdir():
        build_file.unlink()
    with pytest.raises(LakeError, match="pulltasks rebuild --from 2026-11-16 --to 2026-11-16"):
        desk.build()


def test_every_table_and_column_has_a_comment(desk: Desk, begin) -> None:
    begin(desk, DAYS[0])
    assert rows(desk, "select table_name from duckdb_tables() where coalesce(comment, '') = ''") == []
    assert (
        rows(
            desk,
            "select table_name, column_name from duckdb_columns() where not internal and coalesce(comment, '') = ''",
        )
        == []
    )
    described = {
        name
        for (name,) in rows(
            desk,
            "select table_name from duckdb_tables() where comment <> '' union all "
            "select view_name from duckdb_views() where comment <> '' union all "
            "select function_name from duckdb_functions() where comment <> '' and not internal",
        )
    }
    assert described == {m.name for m in load_models().in_order if m.is_published} | {
        "meta_build",
        "meta_inputs",
        "meta_runs",
    }


def test_the_planted_secrets_are_in_the_tidy_tables_and_nowhere_in_the_warehouse(desk: Desk, begin) -> None:
    begin(desk, *DAYS[:2])
    planted = (PLANTED_STREAM_KEY, PLANTED_TOKEN)
    with open_tidy(desk.lake) as connection:
        text = str(
            connection.sql("from pull_tasks").fetchall() + connection.sql("from pull_task_source_urls").fetchall()
        )
    assert all(secret in text for secret in planted)
    published = str(contents(desk.lake.published.resolve()))
    stored = b"".join(path.read_bytes() for path in desk.lake.warehouse.glob("*.duckdb"))
    for secret in planted:
        assert secret not in published
        assert secret.encode() not in stored
    key = desk.lake.redaction_key.read_text().strip()
    assert key not in published
    assert bytes.fromhex(key) not in stored


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


def test_modes_keep_the_private_private(desk: Desk, begin) -> None:
    begin(desk, DAYS[0])
    modes = {path: path.stat().st_mode & 0o777 for path in desk.lake.root.rglob("*") if not path.is_symlink()}
    for path, mode in modes.items():
        is_public = path.is_relative_to(desk.lake.warehouse)
        assert mode == ((0o755 if is_public else 0o700) if path.is_dir() else (0o644 if is_public else 0o600)), path


READER = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1], read_only=True)
print(connection.sql("select through_date from meta_build").fetchall()[0][0], flush=True)
sys.stdin.readline()
print(connection.sql("select max(snapshot_date) from fct_daily_task_counts").fetchall()[0][0], flush=True)
"""


def test_a_reader_keeps_its_build_while_others_are_published(desk: Desk, begin) -> None:
    """In a process of its own; a second connection of this process sees the newest each time."""
    begin(desk, DAYS[0])
    held = [duckdb.connect(str(desk.lake.published.resolve()), read_only=True), open_published(desk.lake)]
    with subprocess.Popen(
        [sys.executable, "-c", READER, str(desk.lake.published)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as reader:
        assert reader.stdout
        assert reader.stdout.readline().strip() == str(DAYS[0])
        first = desk.lake.published.resolve()
        for day in DAYS[1:5]:
            desk.run(day)
            held.append(open_published(desk.lake))
            assert held[-1].sql("select through_date from meta_build").fetchall() == [(day,)]
        assert first not in desk.lake.builds()
        out, _ = reader.communicate("\n")
    assert (out.strip(), reader.returncode) == (str(DAYS[0]), 0)
    seen = [connection.sql("select max(snapshot_date) from dim_dates").fetchall()[0][0] for connection in held]
    assert seen == [DAYS[0], *DAYS[:5]]
    for connection in held:
        connection.close()


def test_analysts_get_a_data_frame(desk: Desk, begin) -> None:
    begin(desk, DAYS[0])
    with open_warehouse(desk.lake.published) as warehouse:
        frame = warehouse.df("select coverage, count(*) as days from rpt_snapshot_coverage group by all")
    assert frame.to_dict("records") == [{"coverage": "complete", "days": 2}]


def test_analysts_ask_for_tables_days_and_changes(desk: Desk, begin) -> None:
    begin(desk, *DAYS[:2])
    with open_warehouse(desk.lake.published) as warehouse:
        tables = warehouse.tables()
        assert {"dim_pull_tasks", "rpt_expiring_tasks", "meta_build"} <= set(tables["name"])
        assert tables["description"].notna().all()
        yesterday = warehouse.as_of(DAYS[0])
        assert set(yesterday["task_id"]) == {
            task["task_id"] for place in desk.places for task in tasks_on(1, place, DAYS[0])
        }
        assert len(warehouse.as_of(str(DAYS[0]))) == len(yesterday)
        changes = warehouse.changes(DAYS[1])
        assert set(changes["snapshot_date"].dt.date) == {DAYS[1]}
        assert len(warehouse.changes(DAYS[1] + timedelta(days=1))) == 0
        assert warehouse.arrow("select * from dim_targets").num_rows == len(desk.places)


def test_a_lake_without_a_warehouse_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(NoWarehouse, match="run `pulltasks snapshot` first"):
        open_warehouse(tmp_path / "none.duckdb")


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


def test_a_working_copy_that_is_not_published_leaves_nothing(desk: Desk, begin) -> None:
    begin(desk, DAYS[0])
    desk.capture(DAYS[1])
    normalise_day(desk.lake, DAYS[1])
    plan = plan_build(desk.lake, load_models(), desk.settings.warehouse)
    with desk.lake.lock(), working_copy(desk.lake, load_models(), desk.settings.warehouse, plan) as work:
        assert work.run("dim_targets").rows == 2
    assert list((desk.lake.root / ".unfinished").iterdir()) == []


class Surprising(Sandbox):
    """A service that sends a field nobody knows, and one of the wrong type with a secret in it."""

    def _rendered_rows(self, place, day):
        odd = {"new_field": "s3cr3t-new", "status": {"s3cr3t": "s3cr3t-type"}, "end_time": "s3cr3t-time"}
        rows = [*tasks_on(self.seed, place, day)]
        if day >= DAYS[1]:
            rows = [{**task, **odd} for task in rows]
        return [(task["task_id"], msgspec.json.encode(task)) for task in rows]


def test_surprises_are_reported_with_their_dates_and_without_their_texts(tmp_path: Path) -> None:
    sandbox = Surprising((BEIJING,))
    with serving(sandbox) as url:
        desk = Desk(sandbox, url, tmp_path, sandbox.places)
        for day in DAYS[:3]:
            desk.capture(day)
        desk.build()
    count = len(tasks_on(1, BEIJING, DAYS[2]))
    assert rows(
        desk, "select field, rule, first_date, last_date, last_occurrences from rpt_data_quality order by all"
    ) == [
        ("end_time", "unreadable_time", DAYS[1], DAYS[2], count),
        ("new_field", "unknown_field", DAYS[1], DAYS[2], count),
        ("status", "wrong_type", DAYS[1], DAYS[2], count),
    ]
    assert rows(desk, "select distinct extra, end_time_raw, status from dim_pull_tasks where is_current") == [
        ('{"new_field":"***"}', "***", None)
    ]
    assert "s3cr3t" not in str(contents(desk.lake.published.resolve()))


def test_the_checks_over_several_models_hold_on_every_day_that_a_build_adds(desk: Desk, tmp_path: Path) -> None:
    """A day that would break them is not taken in by the build of the next one."""
    folder = tmp_path / "sql"
    shutil.copytree(SQL_FOLDER, folder)
    file = folder / "marts" / "dim_targets.sql"
    wrong = f"when today.coverage = 'complete' then today.task_count + (today.snapshot_date = date '{DAYS[1]}')::int"
    file.write_text(file.read_text().replace("when today.coverage = 'complete' then today.task_count", wrong))
    for day in DAYS[:3]:
        desk.capture(day)
        with desk.lake.lock():
            normalise_day(desk.lake, day)
    with desk.lake.lock(), pytest.raises(ModelError, match=rf"{DAYS[1]}: assert_counts_agree \(2 rows"):
        build_and_publish(desk.lake, load_models(folder), desk.settings.warehouse, datetime.now(UTC))


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
