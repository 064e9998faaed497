"""What was made outside Dagster is shown in it: once each, by whomever it is reported, and under its own time."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

import dagster as dg
from dagster_runs import definitions, run_assets, run_day
from desk import BEIJING, SINGAPORE, Desk, rows
from pulltasks.run.order import rebuild
from pulltasks.sandbox.accounts import AccessKey
from pulltasks.sandbox.data import PLANTED_STREAM_KEY, PLANTED_TOKEN
from pulltasks.sandbox.server import Sandbox, serving
from pulltasks.tables import TABLES
from pulltasks.warehouse.sql.models import load_models
from pulltasks_dagster.history import report_history, state_of
from pulltasks_dagster.keys import Keys
from pulltasks_dagster.models import shown_models

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Dagster's own code warns on its own.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
DAYS = [date(2026, 11, 20) + timedelta(days=n) for n in range(4)]
CAPTURES = dg.AssetKey(["raw", "captures"])
TIDY = dg.AssetKey(["tidy", "pull_tasks"])
WAREHOUSE = dg.AssetKey("warehouse")
MATERIALISED = dg.DagsterEventType.ASSET_MATERIALIZATION
# Of a day: captures with its check, and each tidy table.
PER_DAY = 2 + len(TABLES)
# Of a build: tables and views, the file, and the checks of it.
PER_BUILD = len(shown_models(load_models())) + 1 + 2 + len(load_models().checks)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    sandbox = Sandbox((replace(BEIJING, task_count=12), replace(SINGAPORE, task_count=5)))
    with serving(sandbox) as url:
        yield Desk(sandbox, url, tmp_path, sandbox.places)


@pytest.fixture
def instance():
    with dg.DagsterInstance.ephemeral() as each:
        yield each


def report(desk: Desk, instance: dg.DagsterInstance, most: int = 200) -> tuple[int, bool]:
    settings = desk.settings
    return report_history(instance, settings, Keys(settings.lake.name), most)


def of(instance: dg.DagsterInstance, key: dg.AssetKey, partition: str | None = None) -> list[dg.EventLogRecord]:
    """The materialisations of an asset or of one partition of it, newest first."""
    chosen = dg.AssetRecordsFilter(key, asset_partitions=[partition] if partition else None)
    return list(instance.fetch_materializations(chosen, limit=99).records)


def tick(desk: Desk, instance: dg.DagsterInstance, cursor: str | None = None) -> dg.SensorResult:
    """A tick as the daemon makes it."""
    defs = definitions(desk)
    sensor = defs.resolve_sensor_def("lake_history")
    with dg.build_sensor_context(
        instance=instance, cursor=cursor, definitions=defs, sensor_name="lake_history"
    ) as context:
        return sensor.evaluate_tick(context)


def test_days_and_tables_that_were_made_elsewhere_are_shown_with_their_numbers_and_times(
    desk: Desk, instance: dg.DagsterInstance
) -> None:
    desk.sandbox.faults[SINGAPORE.project_id, DAYS[1]] = "forbidden"
    for day in DAYS[:3]:
        desk.run(day)
    assert report(desk, instance) == (3 * PER_DAY + PER_BUILD, True)
    for key in (CAPTURES, *(dg.AssetKey(["tidy", table.name]) for table in TABLES)):
        assert instance.get_materialized_partitions(key) == {str(day) for day in DAYS[:3]}
    for day in DAYS[:3]:
        ((complete, tasks, finished),) = rows(
            desk,
            "select count(*) filter (coverage = 'complete'), sum(task_count)::bigint, max(finished_at) "
            f"from rpt_snapshot_coverage where snapshot_date = date '{day}'",
        )
        (record,) = of(instance, CAPTURES, str(day))
        shown = {name: value.value for name, value in record.asset_materialization.metadata.items()}
        assert (shown["targets_complete"], shown["tasks_known"]) == (complete, tasks)
        assert record.timestamp == pytest.approx(finished.replace(tzinfo=UTC).timestamp(), rel=0, abs=0.001)
        (record,) = of(instance, TIDY, str(day))
        listed = rows(desk, f"select count(*) from fct_pull_task_days where snapshot_date = date '{day}'")
        assert [(record.asset_materialization.metadata["dagster/partition_row_count"].value,)] == listed
    checks = instance.event_log_storage.get_asset_check_execution_history(
        dg.AssetCheckKey(CAPTURES, "every_target_complete"), limit=9
    )
    said = [each.event.dagster_event.event_specific_data for each in checks]
    assert [(check.metadata["day"].value, check.passed) for check in said] == [
        (str(DAYS[2]), True),
        (str(DAYS[1]), False),
        (str(DAYS[0]), True),
    ]
    for model in shown_models(load_models()):
        (record,) = of(instance, dg.AssetKey(model.name))
        assert record.partition_key is None
        if model.is_checked:
            shown = record.asset_materialization.metadata["dagster/row_count"].value
            assert [(shown,)] == rows(desk, f"select count(*) from {model.name}")
    (record,) = of(instance, WAREHOUSE)
    assert record.timestamp == pytest.approx(
        rows(desk, "select built_at from meta_build")[0][0].replace(tzinfo=UTC).timestamp(), rel=0, abs=0.001
    )


def test_page_and_open_tables_are_shown_where_the_settings_ask_for_them(
    desk: Desk, instance: dg.DagsterInstance
) -> None:
    desk.extra = "[dashboard]\nenabled = true\n[publish]\ntables = true\n"
    desk.run(DAYS[0])
    rebuild(desk.settings, DAYS[0], DAYS[0], desk.clock)
    assert report(desk, instance) == (PER_DAY + PER_BUILD + 2, True)
    (page,), (tables,) = of(instance, dg.AssetKey("dashboard")), of(instance, dg.AssetKey("open_tables"))
    assert page.asset_materialization.metadata["page"].value == desk.lake.dashboard.as_uri()
    assert desk.lake.published.resolve().stem.endswith(tables.asset_materialization.metadata["version"].value)


def test_each_is_reported_once_whoever_made_it_and_whoever_reports(desk: Desk, instance: dg.DagsterInstance) -> None:
    desk.run(DAYS[0])
    assert run_day(desk, DAYS[1], instance=instance).success
    assert report(desk, instance) == (PER_DAY, True), "the run reported its own day, and the build of both"
    assert report(desk, instance) == (0, True)
    desk.run(DAYS[2])
    assert report(desk, instance) == (PER_DAY + PER_BUILD, True)
    rebuild(desk.settings, DAYS[0], DAYS[2], desk.clock)
    assert report(desk, instance) == (0, True), "the same raw files make the same tables"
    desk.sandbox.faults[SINGAPORE.project_id, DAYS[3]] = "forbidden"
    desk.run(DAYS[3])
    report(desk, instance)
    desk.sandbox.faults.clear()
    desk.run(DAYS[3])  # an hour later cron lists what was missing
    assert report(desk, instance)[1]
    after, before = (
        record.asset_materialization.metadata["targets_complete"].value
        for record in of(instance, CAPTURES, str(DAYS[3]))
    )
    assert (before, after) == (1, 2)
    for day in DAYS[:3]:
        assert len(of(instance, TIDY, str(day))) == 1


def test_what_a_person_wiped_is_shown_again_once(desk: Desk, instance: dg.DagsterInstance) -> None:
    desk.run(DAYS[0])
    report(desk, instance)
    instance.wipe_assets([TIDY])
    assert report(desk, instance) == (1, True)
    assert report(desk, instance) == (0, True)
    assert instance.get_materialized_partitions(TIDY) == {str(DAYS[0])}


def test_a_day_without_raw_files_that_is_restored_is_reported(desk: Desk, instance: dg.DagsterInstance) -> None:
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    assert run_assets(desk, yesterday, "tidy/pull_tasks", instance=instance, simulated=False).success
    desk.run(yesterday)
    report(desk, instance)
    restored, empty = (record.asset_materialization.metadata for record in of(instance, TIDY, str(yesterday)))
    assert "no_file" in empty
    assert restored["dagster/partition_row_count"].value > 0


def test_a_tick_reports_at_most_so_many_events_and_the_next_ones_the_rest(
    desk: Desk, instance: dg.DagsterInstance
) -> None:
    for day in DAYS:
        desk.run(day)
    counts = []
    while not (answer := report(desk, instance, most=2 * PER_DAY))[1]:
        counts.append(answer[0])
    assert [*counts, answer[0]] == [2 * PER_DAY, 2 * PER_DAY, PER_BUILD]
    assert all(len(of(instance, CAPTURES, str(day))) == 1 for day in DAYS)


def test_a_tick_asks_dagster_only_if_the_lake_has_changed(
    desk: Desk, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert definitions(desk).resolve_sensor_def("lake_history").default_status == dg.DefaultSensorStatus.RUNNING
    assert tick(desk, instance).skip_message == "0 events of the lake are shown now"
    assert not desk.lake.root.exists()
    desk.run(DAYS[0])
    first = tick(desk, instance)
    assert first.skip_message == f"{PER_DAY + PER_BUILD} events of the lake are shown now"
    assert first.cursor == state_of(desk.lake)
    with monkeypatch.context() as patch:
        patch.setattr("pulltasks_dagster.history.report_history", None)
        assert tick(desk, instance, first.cursor).skip_message == "nothing in the lake has changed"
    desk.run(DAYS[1])
    second = tick(desk, instance, first.cursor)
    assert second.skip_message == f"{PER_DAY + PER_BUILD} events of the lake are shown now"
    assert second.cursor != first.cursor


def test_a_lake_that_cannot_be_read_is_a_sentence_in_the_tick(desk: Desk, instance: dg.DagsterInstance) -> None:
    desk.run(DAYS[0])
    desk.lake.published.resolve().unlink()
    answer = tick(desk, instance)
    assert "the build that it points at is gone; run `pulltasks snapshot`" in (answer.skip_message or "")
    assert answer.cursor is None
    assert len(of(instance, TIDY)) == 1, "its days are shown nevertheless"


def test_while_a_run_is_writing_its_files_are_not_reported_as_made_elsewhere(
    desk: Desk, instance: dg.DagsterInstance
) -> None:
    desk.run(DAYS[0])
    job = definitions(desk).resolve_job_def("daily_snapshot")
    run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    answer = tick(desk, instance)
    assert (answer.skip_message, answer.cursor) == ("a run is writing; it reports itself", None)
    assert of(instance, TIDY) == []
    instance.delete_run(run.run_id)
    tick(desk, instance)
    assert len(of(instance, TIDY)) == 1


def test_loading_the_definitions_reports_and_writes_nothing(desk: Desk, instance: dg.DagsterInstance) -> None:
    desk.run(DAYS[0])
    before = {path: path.stat().st_mtime_ns for path in desk.lake.root.rglob("*")}
    definitions(desk).resolve_asset_graph()
    assert {path: path.stat().st_mtime_ns for path in desk.lake.root.rglob("*")} == before
    assert of(instance, TIDY) == []


def test_no_planted_secret_is_in_what_is_reported(desk: Desk, instance: dg.DagsterInstance) -> None:
    desk.extra = "[warehouse]\nexpose_secrets = true\n"
    desk.sandbox.faults[SINGAPORE.project_id, None] = "forbidden"
    desk.run(DAYS[0])
    desk.extra = ""  # the published file shows secrets, whatever the settings say since
    report(desk, instance)
    text = repr([record.asset_materialization for key in instance.all_asset_keys() for record in of(instance, key)])
    assert "dim_pull_tasks" in text
    for secret in (PLANTED_STREAM_KEY, PLANTED_TOKEN, AccessKey().sk):
        assert secret not in text


def test_a_lake_with_a_name_reports_under_its_own_keys(desk: Desk, instance: dg.DagsterInstance) -> None:
    desk.extra = '[lake]\nname = "north"\n'
    desk.run(DAYS[0])
    assert report(desk, instance) == (PER_DAY + PER_BUILD, True)
    assert {key.path[0] for key in instance.all_asset_keys()} == {"north"}


def test_the_command_reports_all_and_says_so_once(desk: Desk, tmp_path: Path) -> None:
    for day in DAYS[:2]:
        desk.run(day)
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    variables = {**kept, "DAGSTER_HOME": str(home), "PULLTASKS_CONFIG": str(desk.config_file)}

    def call(**more: str) -> tuple[int, str, str]:
        command = [sys.executable, "-m", "pulltasks_dagster.history"]
        answer = subprocess.run(command, env={**variables, **more}, capture_output=True, text=True, check=False)
        return answer.returncode, answer.stdout, answer.stderr

    shown = f"Dagster shows {desk.lake.root} now: {2 * PER_DAY + PER_BUILD} events of runs that it did not make\n"
    assert call() == (0, shown, "")
    assert call() == (0, "", "")
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert instance.get_materialized_partitions(TIDY) == {str(day) for day in DAYS[:2]}
    code, said, error = call(PULLTASKS_CONFIG=str(tmp_path / "none.toml"))
    assert (code, said) == (2, "")
    assert "none.toml" in error
    assert "Traceback" not in error
