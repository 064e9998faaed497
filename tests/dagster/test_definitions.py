"""Dagster: the whole graph in one process, the guard, the checks, and the UI's server."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

import dagster as dg
from dagster_runs import checks, definitions, failed_checks, materialised, run_day
from desk import BEIJING, SINGAPORE, Desk
from pulltasks.sandbox.accounts import AccessKey
from pulltasks.sandbox.data import PLANTED_STREAM_KEY, PLANTED_TOKEN
from pulltasks.sandbox.server import Sandbox
from pulltasks.tables import TABLES
from pulltasks.warehouse.sql.models import load_models
from pulltasks_dagster.definitions import build_defs
from pulltasks_dagster.models import shown_models
from sampling import sampled

ROOT = Path(__file__).parent.parent.parent
BIN = Path(sys.executable).parent
DAY = date(2026, 11, 22)


@pytest.fixture
def sandbox() -> Sandbox:
    """Few tasks: what is tried here is no matter of size."""
    return Sandbox((replace(BEIJING, task_count=12), replace(SINGAPORE, task_count=5)))


# Dagster's own code warns on its own.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def test_the_view_pull_tasks_and_the_tidy_table_of_that_name_are_two_assets(desk: Desk) -> None:
    graph = definitions(desk).resolve_asset_graph()
    view, tidy = dg.AssetKey("pull_tasks"), dg.AssetKey(["tidy", "pull_tasks"])
    assert graph.get(view).parent_keys == {dg.AssetKey("dim_pull_tasks")}
    assert graph.get(tidy).parent_keys == {dg.AssetKey(["raw", "captures"])}
    assert graph.get(dg.AssetKey("rpt_tasks_without_backup")).parent_keys >= {view}
    assert dg.AssetKey("dim_pull_tasks") in graph.get(tidy).child_keys - graph.get(view).child_keys


def test_the_assets_are_what_readers_see_and_lineage_goes_through_the_rest(desk: Desk) -> None:
    desk.extra = "[dashboard]\nenabled = true\n[publish]\ntables = true\n"
    graph = definitions(desk).resolve_asset_graph()
    models = load_models()
    shown = {model.name for model in shown_models(models)}
    assert {model.name for model in models.in_order} - shown == {
        path.stem for folder in ("staging", "macros") for path in (ROOT / "sql" / folder).glob("*.sql")
    }
    tidy = {f"tidy/{table.name}" for table in TABLES}
    published = {"warehouse", "open_tables", "dashboard"}
    keys = {key.to_user_string() for key in graph.get_all_asset_keys()}
    assert keys == {"raw/captures", "tidy/closed_months"} | tidy | shown | published
    partitioned = {node.key.to_user_string() for node in graph.asset_nodes if node.is_partitioned}
    assert partitioned == {"raw/captures", "tidy/closed_months"} | tidy
    # fct_pull_task_changes reads stg_changed_tasks, which reads stg_listed_tasks, which reads stg_pull_tasks
    changes = graph.get(dg.AssetKey("fct_pull_task_changes"))
    assert {key.to_user_string() for key in changes.parent_keys} >= {"tidy/pull_tasks", "tidy/captures"}
    sources = changes.metadata["dagster/column_lineage"].deps_by_column["task_id"]
    assert dg.TableColumnDep(dg.AssetKey(["tidy", "pull_tasks"]), "task_id") in sources


def test_the_backup_is_an_asset_where_one_is_set(desk: Desk) -> None:
    desk.extra = f'[backup]\nurl = "{desk.folder / "copy"}"\n'
    node = definitions(desk).resolve_asset_graph().get(dg.AssetKey("backup"))
    assert node.parent_keys == {dg.AssetKey("warehouse")}


def test_a_partition_materialises_the_whole_graph_in_one_step(desk: Desk) -> None:
    result = run_day(desk, DAY)
    assert result.success
    found = materialised(result)
    assert set(found) == (
        {"raw/captures", "warehouse"}
        | {f"tidy/{table.name}" for table in TABLES}
        | {model.name for model in shown_models(load_models())}
    )
    specs = definitions(desk).resolve_asset_graph().asset_check_keys
    assert {check.name for check in specs} == {name for _, name in checks(result)}
    assert failed_checks(result) == set()
    assert {event.step_key for event in result.all_events if event.is_step_success} == {"snapshot"}
    verdicts = found["raw/captures"].metadata["verdicts"].value.records
    assert [record.data["verdict"] for record in verdicts] == ["complete", "complete"]
    assert found["tidy/captures"].metadata["dagster/partition_row_count"].value == 2
    assert found["dim_pull_tasks"].metadata["dagster/row_count"].value > 10
    preview = found["dim_pull_tasks"].metadata["preview"].value.records
    assert len(preview) == 5
    assert all(len(cell) <= 80 for record in preview for cell in record.data.values())


def test_no_planted_secret_is_in_events_logs_or_metadata(desk: Desk, capfd: pytest.CaptureFixture[str]) -> None:
    desk.sandbox.faults[SINGAPORE.project_id, None] = "forbidden"
    with dg.DagsterInstance.ephemeral() as instance:
        result = run_day(desk, DAY, instance=instance)
        text = repr(instance.all_logs(result.run_id)) + repr(result.all_events)
    text += "".join(capfd.readouterr())
    assert "dim_pull_tasks" in text
    for secret in (PLANTED_STREAM_KEY, PLANTED_TOKEN, AccessKey().sk):
        assert secret not in text


def test_where_the_warehouse_shows_secrets_no_event_does(desk: Desk) -> None:
    desk.extra = "[warehouse]\nexpose_secrets = true\n"
    with dg.DagsterInstance.ephemeral() as instance:
        results = [run_day(desk, DAY, instance=instance) for _ in range(2)]  # the second builds nothing
        text = "".join(repr(instance.all_logs(result.run_id)) + repr(result.all_events) for result in results)
    for result in results:
        assert materialised(result)["dim_pull_tasks"].metadata["preview"].value.records == []
    for secret in (PLANTED_STREAM_KEY, PLANTED_TOKEN):
        assert secret not in text


def test_every_asset_says_what_it_is(desk: Desk) -> None:
    graph = definitions(desk).resolve_asset_graph()
    for node in graph.asset_nodes:
        assert node.description, node.key
        assert node.group_name != "default", node.key
        assert node.kinds, node.key
        assert node.owners, node.key
        if node.key.path[0] not in {"raw", "warehouse"} and node.key.path[-1] != "closed_months":
            columns = node.metadata["dagster/column_schema"].columns
            assert all(column.description for column in columns), node.key
            assert node.metadata["dagster/table_name"].split(".")[-1] == node.key.path[-1]
        for reference in getattr(node.metadata.get("dagster/code_references"), "code_references", ()):
            assert Path(reference.file_path).read_text(encoding="utf-8").startswith("-- ")
            assert (ROOT / reference.label).samefile(reference.file_path)


def test_every_model_column_has_its_lineage(desk: Desk) -> None:
    graph = definitions(desk).resolve_asset_graph()
    for model in shown_models(load_models()):
        node = graph.get(dg.AssetKey(model.name))
        lineage = node.metadata["dagster/column_lineage"].deps_by_column
        assert set(lineage) == {column.name for column in model.columns}
        assert any(lineage.values()), model.name
        assert {dep.asset_key for deps in lineage.values() for dep in deps} <= node.parent_keys, model.name


def test_a_tick_asks_for_its_day_until_that_day_is_complete(desk: Desk) -> None:
    today = datetime.now(UTC).replace(hour=3, minute=0, second=0, microsecond=0)
    defs = definitions(desk)
    schedule = defs.resolve_schedule_def("daily_snapshot")
    assert schedule.cron_schedule == "0 1-23 * * *"
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING
    off = definitions(replace(desk, extra="[schedule]\nenabled = false\n")).resolve_schedule_def("daily_snapshot")
    assert off.default_status == dg.DefaultScheduleStatus.STOPPED

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
    defs = definitions(desk)
    schedule = defs.resolve_schedule_def("monthly_compaction")
    tick = datetime(2026, 11, 2, 1, 30, tzinfo=UTC)
    with dg.build_schedule_context(scheduled_execution_time=tick, repository_def=defs.get_repository_def()) as context:
        (request,) = schedule.evaluate_tick(context).run_requests
    assert (schedule.cron_schedule, request.partition_key) == ("30 1 2 * *", "2026-10-01")
    result = defs.resolve_job_def("monthly_compaction").execute_in_process(partition_key=request.partition_key)
    assert result.success
    event = materialised(result)["tidy/closed_months"]
    assert (event.metadata["days"].value, event.metadata["compacted"].value) == (2, True)
    assert desk.lake.compacted_months() == [date(2026, 10, 1)]
    # of a month that a daily run has closed, it shows the same
    again = defs.resolve_job_def("monthly_compaction").execute_in_process(partition_key=request.partition_key)
    assert materialised(again)["tidy/closed_months"].metadata == event.metadata


def environment(folder: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}
    return {**kept, "DAGSTER_HOME": str(folder), "PULLTASKS_LAKE__ROOT": str(folder / "lake")}


@pytest.mark.parametrize("configured", sampled([False, True], 1))
def test_the_workspace_is_valid(tmp_path: Path, desk: Desk, configured: bool) -> None:
    variables = environment(tmp_path) | ({"PULLTASKS_CONFIG": str(desk.config_file)} if configured else {})
    # Dagster advises another command, for projects of another layout
    variables["PYTHONWARNINGS"] = "ignore:Function `definitions_validate_command` is superseded"
    shutil.copy(ROOT / "deploy" / "dagster.yaml", tmp_path)
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
    assert "warning" not in (answer.stdout + answer.stderr).lower()


LOCATIONS = "{ workspaceOrError { ... on Workspace { locationEntries { name loadStatus locationOrLoadError { __typename ... on RepositoryLocation { repositories { schedules { name } assetNodes { assetKey { path } } } } ... on PythonError { message } } } } } }"


@pytest.mark.slow
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


def test_loading_the_definitions_prints_nothing(tmp_path: Path) -> None:
    answer = subprocess.run(
        [sys.executable, "-c", "import pulltasks_dagster.definitions"],
        cwd=tmp_path,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        check=False,
    )
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")


def without_numbers(text: str) -> set[str]:
    """The lines of a text, without numbers and the blanks before them: they differ from week to week."""
    return {re.sub(r" *\d+", " 0", line) for line in text.splitlines()}


@pytest.mark.slow
def test_the_demo_runs_and_leaks_nothing(tmp_path: Path) -> None:
    """The whole week, from an empty folder, as `make demo` runs it."""
    variables = environment(tmp_path)
    del variables["PULLTASKS_LAKE__ROOT"]
    answer = subprocess.run(
        [sys.executable, "-m", "pulltasks_dagster.demo"],
        cwd=tmp_path,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (answer.returncode, answer.stderr) == (0, "")
    assert "incomplete (page_contradicts_total)" in answer.stdout
    (shown,) = re.findall(
        r"^```text\n(.*?)^```", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )
    assert "failed (forbidden)" in shown
    assert without_numbers(shown) <= without_numbers(answer.stdout)
    lake = tmp_path / ".demo" / "lake"
    stored = b"".join(path.read_bytes() for path in (lake / "warehouse").glob("*.duckdb"))
    with dg.DagsterInstance.from_config(str(tmp_path / ".demo" / "dagster")) as instance:
        assert sorted(run.status.value for run in instance.get_runs()) == ["FAILURE"] * 2 + ["SUCCESS"] * 5
        assert len(instance.get_materialized_partitions(dg.AssetKey(["raw", "captures"]))) == 7
        assert instance.get_records_for_run("").records == []  # the runs told all there was
    defs = build_defs(tmp_path / ".demo" / "pulltasks.toml")
    assert defs.resolve_schedule_def("daily_snapshot").default_status == dg.DefaultScheduleStatus.STOPPED
    for secret in (PLANTED_STREAM_KEY, PLANTED_TOKEN, AccessKey().sk):
        assert secret not in answer.stdout + answer.stderr
        assert secret.encode() not in stored
    assert BEIJING.project_id.encode() not in stored  # the demo has projects of its own


def test_a_lake_with_a_name_has_it_in_front_of_every_key(desk: Desk) -> None:
    plain, named = definitions(desk), definitions(replace(desk, extra='[lake]\nname = "l1-north_00"\n'))
    graphs = [each.resolve_asset_graph() for each in (plain, named)]
    keys = [{tuple(key.path) for key in graph.get_all_asset_keys()} for graph in graphs]
    assert keys[1] == {("l1-north_00", *path) for path in keys[0]}
    assert {tag for node in graphs[1].asset_nodes for tag in node.tags.items()} >= {
        ("pulltasks/lake_name", "l1-north_00")
    }
    told = [{(tuple(each.asset_key.path), each.name) for each in graph.asset_check_keys} for graph in graphs]
    assert told[1] == {(("l1-north_00", *path), name) for path, name in told[0]}
    for graph, lake in zip(graphs, ((), ("l1-north_00",)), strict=True):
        lineage = graph.get(dg.AssetKey([*lake, "dim_pull_tasks"])).metadata["dagster/column_lineage"]
        deps = {tuple(dep.asset_key.path) for of in lineage.deps_by_column.values() for dep in of}
        assert {path[: len(lake)] for path in deps} == {lake}
    result = run_day(replace(desk, extra='[lake]\nname = "l1-north_00"\n'), DAY)
    assert result.success
    assert {key.partition("/")[0] for key in materialised(result)} == {"l1-north_00"}
    assert failed_checks(result) == set()
