"""Dagster: the whole graph in one process, the guard, the checks, and the UI's server."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from conftest import BEIJING, SINGAPORE, Desk

from assets.definitions import JOB, build_defs
from pipelines.models import load_models
from pipelines.sandbox.data import PLANTED_STREAM_KEY, PLANTED_TOKEN
from pipelines.sandbox.server import AccessKey
from pipelines.tables import TABLES

ROOT = Path(__file__).parent.parent.parent
BIN = Path(sys.executable).parent
DAY = date(2026, 11, 22)

# Dagster's own code warns on its own.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def run(desk: Desk, day: date, *, simulated: bool = True, instance: dg.DagsterInstance | None = None):
    job = build_defs(desk.config_file).resolve_job_def(JOB)
    return job.execute_in_process(
        partition_key=str(day),
        run_config={"ops": {"raw__captures": {"config": {"simulated": simulated}}}},
        raise_on_error=False,
        instance=instance,
    )


def checks(result) -> dict[tuple[str, str], bool]:
    return {
        (evaluation.asset_key.to_user_string(), evaluation.check_name): evaluation.passed
        for evaluation in result.get_asset_check_evaluations()
    }


def materialisations(result) -> dict[str, dg.AssetMaterialization]:
    return {
        event.materialization.asset_key.to_user_string(): event.materialization
        for event in result.get_asset_materialization_events()
        for event in [event.step_materialization_data]
    }


def test_a_partition_materialises_the_whole_graph(desk: Desk) -> None:
    result = run(desk, DAY)
    assert result.success
    found = materialisations(result)
    assert set(found) == (
        {"raw/captures", "warehouse"}
        | {f"tidy/{table.name}" for table in TABLES}
        | {model.name for model in load_models().in_order}
    )
    assert set(checks(result).values()) == {True}
    verdicts = found["raw/captures"].metadata["verdicts"].value.records
    assert [record.data["verdict"] for record in verdicts] == ["complete", "complete"]
    assert found["tidy/captures"].metadata["dagster/partition_row_count"].value == 2
    assert found["dim_pull_tasks"].metadata["dagster/row_count"].value > 300
    preview = found["dim_pull_tasks"].metadata["preview"].value.records
    assert len(preview) == 5
    assert all(len(cell) <= 80 for record in preview for cell in record.data.values())
    assert found["pull_tasks_as_of"].metadata["preview"].value.records == []


def test_a_target_that_is_not_complete_fails_the_run_after_publishing(desk: Desk) -> None:
    desk.sandbox.faults[SINGAPORE.project_id, None] = "forbidden"
    result = run(desk, DAY)
    assert not result.success
    assert "warehouse" in materialisations(result)
    assert desk.lake.published.exists()
    failed = {check for check, passed in checks(result).items() if not passed}
    assert failed == {("raw/captures", "every_target_complete"), ("warehouse", "all_targets_complete")}
    (check,) = [e for e in result.get_asset_check_evaluations() if e.check_name == "all_targets_complete"]
    assert check.metadata["targets_complete"].value == 1
    (row,) = check.metadata["not_complete"].value.records
    assert (row.data["target"], row.data["reason"], row.data["known_from"]) == ("singapore", "forbidden", "never")
    assert "grant live:stream:listPullTask" in row.data["message"]


def test_the_page_is_an_asset_that_a_day_with_gaps_has_as_well(desk: Desk) -> None:
    desk.extra = "[dashboard]\nenabled = true\n"
    desk.sandbox.faults[SINGAPORE.project_id, None] = "forbidden"
    result = run(desk, DAY)
    assert not result.success
    page = materialisations(result)["dashboard"].metadata
    assert page["page"].value == desk.lake.dashboard.as_uri()
    assert page["bytes"].value == desk.lake.dashboard.stat().st_size
    assert (page["targets_complete"].value, page["targets_expected"].value) == (1, 2)


def test_a_past_partition_is_refused_and_nothing_is_written(desk: Desk) -> None:
    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    result = run(desk, yesterday, simulated=False)
    assert not result.success
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert failure.step_key == "raw__captures"
    assert "pulltasks rebuild --from" in str(failure.step_failure_data.user_failure_data)
    assert desk.lake.raw_dates() == []
    assert desk.sandbox.log == []


def test_below_the_capture_a_past_partition_stays_rebuildable(desk: Desk) -> None:
    desk.run(DAY)
    for path in desk.lake.tidy.rglob("*.parquet"):
        path.unlink()
    desk.lake.manifest_file(DAY).unlink()
    defs = build_defs(desk.config_file)
    everything_below = dg.AssetSelection.all() - dg.AssetSelection.assets("raw/captures", "tidy/closed_months")
    job = dg.define_asset_job("rebuild", selection=everything_below, executor_def=dg.in_process_executor)
    rebuilt = dg.Definitions.merge(defs, dg.Definitions(jobs=[job])).resolve_job_def("rebuild")
    assert rebuilt.execute_in_process(partition_key=str(DAY)).success
    assert desk.lake.tidy_dates() == [DAY]


def test_a_damaged_earlier_day_does_not_keep_a_run_from_publishing(desk: Desk) -> None:
    desk.run(DAY - timedelta(days=1))
    raw = desk.lake.raw_file(DAY - timedelta(days=1), BEIJING.project_id, BEIJING.region)
    raw.write_bytes(b"oops")
    assert run(desk, DAY).success
    assert DAY in desk.lake.tidy_dates()


def test_a_partition_without_raw_files_fails_with_one_message(desk: Desk) -> None:
    desk.run(DAY)
    tidy = dg.AssetSelection.assets("tidy/captures").required_multi_asset_neighbors()
    job = dg.define_asset_job("tidy_only", selection=tidy, executor_def=dg.in_process_executor)
    only = dg.Definitions.merge(build_defs(desk.config_file), dg.Definitions(jobs=[job])).resolve_job_def("tidy_only")
    result = only.execute_in_process(partition_key="2026-03-03", raise_on_error=False)
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "cannot be read as a manifest" in str(failure.step_failure_data.user_failure_data)


def test_no_planted_secret_is_in_events_logs_or_metadata(desk: Desk, capfd: pytest.CaptureFixture[str]) -> None:
    desk.sandbox.faults[SINGAPORE.project_id, None] = "forbidden"
    with dg.instance_for_test() as instance:
        result = run(desk, DAY, instance=instance)
        text = repr(instance.all_logs(result.run_id)) + repr(result.all_events)
    text += "".join(capfd.readouterr())
    assert "dim_pull_tasks" in text
    for secret in (PLANTED_STREAM_KEY, PLANTED_TOKEN, AccessKey().sk):
        assert secret not in text


def test_where_the_warehouse_shows_secrets_no_event_does(desk: Desk) -> None:
    desk.extra = "[warehouse]\nexpose_secrets = true\n"
    with dg.instance_for_test() as instance:
        result = run(desk, DAY, instance=instance)
        text = repr(instance.all_logs(result.run_id)) + repr(result.all_events)
    assert materialisations(result)["dim_pull_tasks"].metadata["preview"].value.records == []
    for secret in (PLANTED_STREAM_KEY, PLANTED_TOKEN):
        assert secret not in text


def test_every_asset_says_what_it_is(desk: Desk) -> None:
    graph = build_defs(desk.config_file).resolve_asset_graph()
    for node in graph.asset_nodes:
        assert node.description, node.key
        assert node.group_name != "default", node.key
        assert node.kinds, node.key
        assert node.owners, node.key
        if node.key.path[0] not in {"raw", "warehouse"} and node.key.path[-1] != "closed_months":
            columns = node.metadata["dagster/column_schema"].columns
            assert all(column.description for column in columns), node.key


def test_every_model_column_has_its_lineage(desk: Desk) -> None:
    graph = build_defs(desk.config_file).resolve_asset_graph()
    for model in load_models().in_order:
        lineage = graph.get(dg.AssetKey(model.name)).metadata["dagster/column_lineage"].deps_by_column
        if model.kind.takes_arguments:
            continue  # what a macro reads is known, which column comes from which is not
        assert set(lineage) == {column.name for column in model.columns}
        assert any(lineage.values()) or model.name == "stg_days", model.name  # which is made of the calendar


def test_a_tick_asks_for_its_day_until_that_day_is_complete(desk: Desk) -> None:
    today = datetime.now(UTC).replace(hour=3, minute=0, second=0, microsecond=0)
    defs = build_defs(desk.config_file)
    schedule = defs.resolve_schedule_def("daily_snapshot")
    assert schedule.cron_schedule == "0 1-23 * * *"
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING

    def tick():
        with dg.build_schedule_context(
            scheduled_execution_time=today, repository_def=defs.get_repository_def()
        ) as context:
            return schedule.evaluate_tick(context)

    (request,) = tick().run_requests
    assert request.partition_key == str(today.date())
    desk.run(today.date())
    assert tick().run_requests == []
    assert "every target is complete" in (tick().skip_message or "")


def test_a_closed_month_is_compacted_by_its_own_job(desk: Desk) -> None:
    for day in (date(2026, 10, 30), date(2026, 10, 31), date(2026, 11, 1)):
        desk.run(day)
    defs = build_defs(desk.config_file)
    schedule = defs.resolve_schedule_def("monthly_compaction")
    tick = datetime(2026, 11, 2, 1, 30, tzinfo=UTC)
    with dg.build_schedule_context(scheduled_execution_time=tick, repository_def=defs.get_repository_def()) as context:
        (request,) = schedule.evaluate_tick(context).run_requests
    assert (schedule.cron_schedule, request.partition_key) == ("30 1 2 * *", "2026-10-01")
    result = defs.resolve_job_def("monthly_compaction").execute_in_process(partition_key=request.partition_key)
    assert result.success
    (event,) = result.asset_materializations_for_node("tidy__closed_months")
    assert (event.metadata["days"].value, event.metadata["compacted"].value) == (2, True)
    assert desk.lake.compacted_months() == [date(2026, 10, 1)]


def environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    return {**kept, "DAGSTER_HOME": str(folder), "PULLTASKS_LAKE__ROOT": str(folder / "lake")}


@pytest.mark.parametrize("configured", [False, True])
def test_the_workspace_is_valid(tmp_path: Path, desk: Desk, configured: bool) -> None:
    variables = environment(tmp_path) | ({"PULLTASKS_CONFIG": str(desk.config_file)} if configured else {})
    answer = subprocess.run(
        [BIN / "dagster", "definitions", "validate", "-w", "workspace.yaml"],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    assert "All code locations passed validation" in answer.stdout + answer.stderr


LOCATIONS = "{ workspaceOrError { ... on Workspace { locationEntries { name loadStatus locationOrLoadError { __typename ... on RepositoryLocation { repositories { schedules { name } assetNodes { assetKey { path } } } } ... on PythonError { message } } } } } }"


def test_dagster_dev_loads_the_location(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (tmp_path / "log").open("w")
    server = subprocess.Popen(
        [BIN / "dagster", "dev", "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(port)],
        cwd=ROOT,
        env=environment(tmp_path),
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        (entry,) = _ask(f"http://127.0.0.1:{port}/graphql", LOCATIONS, server)["workspaceOrError"]["locationEntries"]
    finally:
        _end(server)
        log.close()
    assert (entry["name"], entry["loadStatus"]) == ("pulltasks", "LOADED")
    location = entry["locationOrLoadError"]
    assert location["__typename"] == "RepositoryLocation", location
    (repository,) = location["repositories"]
    assert [schedule["name"] for schedule in repository["schedules"]] == ["daily_snapshot", "monthly_compaction"]
    assert ["warehouse"] in [node["assetKey"]["path"] for node in repository["assetNodes"]]


def _end(server: subprocess.Popen) -> None:
    """Ask the server and its children to end; a busy machine may need the harder word."""
    os.killpg(server.pid, signal.SIGINT)
    try:
        server.wait(timeout=30)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _ask(url: str, query: str, server: subprocess.Popen) -> dict:
    """The answer to a GraphQL query, once the server is there and has loaded its location."""
    body = json.dumps({"query": query}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    for _ in range(600):
        assert server.poll() is None, "dagster dev ended by itself"
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                data = json.load(answer)["data"]
            if all(entry["loadStatus"] == "LOADED" for entry in data["workspaceOrError"]["locationEntries"]):
                return data
        except (urllib.error.URLError, OSError):
            pass
        time.sleep(0.1)
    raise AssertionError("dagster dev did not load its location within a minute")


@pytest.mark.slow
def test_the_demo_runs_and_leaks_nothing(tmp_path: Path) -> None:
    """The whole week, from an empty folder, as `make demo` runs it."""
    variables = environment(tmp_path)
    del variables["PULLTASKS_LAKE__ROOT"]
    answer = subprocess.run(
        [sys.executable, "-m", "assets.demo"], cwd=tmp_path, env=variables, capture_output=True, text=True, check=False
    )
    assert answer.returncode == 0, answer.stderr
    assert "incomplete (page_contradicts_total)" in answer.stdout
    assert "failed (forbidden)" in answer.stdout
    lake = tmp_path / ".demo" / "lake"
    stored = b"".join(path.read_bytes() for path in (lake / "warehouse").glob("*.duckdb"))
    for secret in (PLANTED_STREAM_KEY, PLANTED_TOKEN, AccessKey().sk):
        assert secret not in answer.stdout + answer.stderr
        assert secret.encode() not in stored
    assert BEIJING.project_id.encode() not in stored  # the demo has projects of its own
