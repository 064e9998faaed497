"""Dagster as services on PostgreSQL, as deploy/dagster has them: a run by GraphQL, one writer a lake, a killed one retried."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from dagster_services import LAUNCH, PASSWORD, Services, free_port, serving_postgres, wait_for
from desk import BEIJING, SINGAPORE, Desk
from pulltasks import open_fleet
from pulltasks.sandbox.server import Sandbox, serving
from pulltasks.warehouse.read.published import open_published

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parent.parent.parent
BIN = Path(sys.executable).parent
pytestmark = pytest.mark.deploy
LONGEST_S = 30  # in place of two hours
RETRIES = """
query ($id: String!) { runsOrError(filter: {tags: [{key: "dagster/parent_run_id", value: $id}]}) {
  ... on Runs { results { runId status tags { key value } } }
} }
"""


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with serving_postgres(tmp_path_factory.mktemp("postgres")) as port:
        yield port


@pytest.fixture
def services(tmp_path: Path, postgres: int) -> Iterator[Services]:
    """Code server, daemon and a web server that may write, over a lake of two slow targets."""
    sandbox = Sandbox((replace(BEIJING, task_count=300), replace(SINGAPORE, task_count=40)), latency_seconds=0.5)
    with serving(sandbox) as url, started(tmp_path, postgres, Desk(sandbox, url, tmp_path, sandbox.places)) as services:
        yield services


@contextmanager
def started(folder: Path, postgres: int, *desks: Desk) -> Iterator[Services]:
    """The services over some lakes, a code location each; that of the first is called as deploy/dagster calls it."""
    home = folder / "home"
    home.mkdir()
    deploy = ROOT / "deploy" / "dagster"
    instance = (deploy / "dagster.yaml").read_text().replace("port: 5432", f"port: {postgres}")
    instance = instance.replace("poll_interval_seconds: 60", "poll_interval_seconds: 5")
    (home / "dagster.yaml").write_text(
        instance.replace("max_runtime_seconds: 7200", f"max_runtime_seconds: {LONGEST_S}")
    )
    web = free_port()
    sockets = [home / f"{number}.sock" for number, _ in enumerate(desks)]
    one = (deploy / "workspace.yaml").read_text()
    head, _, location = one.partition("load_from:\n")
    locations = [
        location.replace("/run/pulltasks/code.sock", str(place)).replace(
            "location_name: pulltasks", f"location_name: {desk.settings.lake.name or 'pulltasks'}"
        )
        for place, desk in zip(sockets, desks, strict=True)
    ]
    workspace = folder / "workspace.yaml"
    workspace.write_text(f"{head}load_from:\n{''.join(locations)}")
    environment = os.environ | {
        "DAGSTER_HOME": str(home),
        "DAGSTER_PG_HOST": "127.0.0.1",
        "DAGSTER_PG_USER": "dagster",
        "DAGSTER_PG_PASSWORD": PASSWORD,
        "DAGSTER_PG_DB": "dagster",
    }
    server = ["code-server", "start", "-m", "pulltasks_dagster.definitions"]
    commands: list[tuple[list[object], int | Path | None, Desk | None]] = [
        ([BIN / "dagster", *server, "--socket", place, "-d", desk.folder], place, desk)
        for place, desk in zip(sockets, desks, strict=True)
    ]
    commands += [
        ([BIN / "dagster-daemon", "run", "-w", workspace], None, None),
        ([BIN / "dagster-webserver", "-w", workspace, "-h", "127.0.0.1", "-p", web], web, None),
    ]
    with ExitStack() as stack:

        def start(number: int) -> subprocess.Popen:
            command, place, desk = commands[number]
            log = stack.enter_context((folder / f"service-{number}.log").open("a"))
            service = subprocess.Popen(
                [str(part) for part in command],
                env=environment | ({"PULLTASKS_CONFIG": str(desk.config_file)} if desk else {}),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            stack.callback(end, service)
            if place:
                wait_for(place)
            return service

        started = [start(number) for number in range(len(commands))]

        def lose_code_server() -> None:
            os.killpg(started[0].pid, signal.SIGKILL)
            started[0].wait()
            start(0)

        yield Services(f"http://127.0.0.1:{web}", desks[0], lose_code_server)


def end(service: subprocess.Popen) -> None:
    """End a service with all that it started: the code server does not end by itself in time."""
    service.terminate()
    with suppress(subprocess.TimeoutExpired):
        service.wait(5)
    with suppress(ProcessLookupError):
        os.killpg(service.pid, signal.SIGKILL)
    service.wait()


def test_two_runs_of_a_lake_go_one_after_the_other(services: Services) -> None:
    first, second = services.launch(), services.launch()
    ended = [services.ended(each) for each in (first, second)]
    assert [each["status"] for each in ended] == ["SUCCESS", "SUCCESS"]
    earlier, later = sorted(ended, key=lambda each: each["startTime"])
    assert later["startTime"] >= earlier["endTime"]
    tags = {tag["key"]: tag["value"] for tag in earlier["tags"]}
    assert tags["pulltasks/lake"].endswith("lake")
    with open_published(services.desk.lake) as warehouse:
        ((complete,),) = warehouse.execute(
            "select count(*) from dim_targets where last_coverage = 'complete'"
        ).fetchall()
    assert complete == 2


def test_a_run_whose_process_is_killed_is_noted_and_tried_again(services: Services) -> None:
    run_id = services.launch()
    pid = services.pid_of(run_id)
    time.sleep(1.5)
    os.kill(pid, signal.SIGKILL)
    assert services.ended(run_id)["status"] == "FAILURE"
    assert services.ended(retry_of(services, run_id))["status"] == "SUCCESS"


def test_a_run_that_is_lost_with_its_code_server_does_not_block_the_lake(services: Services) -> None:
    """As after a power cut, a full node or a restart of the unit: nobody is left who could report the end of the run."""
    run_id = services.launch()
    services.once(run_id, {"STARTED"})
    services.lose_code_server()
    waiting = services.launch()
    assert services.ended(run_id)["status"] == "FAILURE"
    ended = [services.ended(each)["status"] for each in (waiting, retry_of(services, run_id))]
    assert ended == ["SUCCESS", "SUCCESS"]


def retry_of(services: Services, run_id: str) -> str:
    for _ in range(120):
        if retries := services.ask(RETRIES, id=run_id)["runsOrError"]["results"]:
            (found,) = retries
            return found["runId"]
        time.sleep(1)
    events = services.run(run_id)["eventConnection"]["events"]
    pytest.fail(f"{run_id} was not tried again: {[each.get('message') for each in events][-12:]}")


def test_the_read_only_web_server_starts_no_run(services: Services, tmp_path: Path) -> None:
    port = free_port()
    environment = os.environ | {
        "DAGSTER_HOME": str(tmp_path / "home"),
        "DAGSTER_PG_HOST": "127.0.0.1",
        "DAGSTER_PG_USER": "dagster",
        "DAGSTER_PG_PASSWORD": PASSWORD,
        "DAGSTER_PG_DB": "dagster",
    }
    command = [BIN / "dagster-webserver", "-w", tmp_path / "workspace.yaml", "-h", "127.0.0.1", "-p", str(port)]
    service = subprocess.Popen(
        [*map(str, command), "--read-only"],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        wait_for(port)
        found = Services(f"http://127.0.0.1:{port}", services.desk).ask(
            LAUNCH, day=str(datetime.now(UTC).date()), location="pulltasks"
        )
        assert found["launchRun"]["__typename"] == "UnauthorizedError"
    finally:
        end(service)


LOCATIONS = """
query { workspaceOrError { ... on Workspace { locationEntries {
  name loadStatus locationOrLoadError { ... on PythonError { message } }
} } } }
"""
ASSETS = """
query { assetsOrError { ... on AssetConnection { nodes {
  key { path } assetMaterializations(limit: 5) { runId partition metadataEntries { label ... on PathMetadataEntry { path } } }
} } } }
"""


def test_three_lakes_are_three_code_locations_whose_assets_are_their_own(tmp_path: Path, postgres: int) -> None:
    names = ("north", "south", "east")
    places = [replace(BEIJING, project_id=f"{n}" * 32, task_count=20 + n) for n in range(1, 4)]
    sandbox = Sandbox(tuple(places))
    sandbox.faults[places[1].project_id, None] = "forbidden"
    with serving(sandbox) as url, ExitStack() as stack:
        desks = []
        for name, place in zip(names, places, strict=True):
            folder = tmp_path / name
            folder.mkdir()
            desks.append(
                Desk(sandbox, url, folder, (place,), extra=f'[lake]\nname = "{name}"\n[publish]\ntables = true\n')
            )
            desks[-1].lake.prepare()
            desks[-1].lake.redaction_key.write_text("4c" * 32)
        services = stack.enter_context(started(tmp_path, postgres, *desks))
        entries = services.ask(LOCATIONS)["workspaceOrError"]["locationEntries"]
        assert {each["name"]: each["loadStatus"] for each in entries} == dict.fromkeys(names, "LOADED")
        runs = {name: services.launch(name) for name in names}
        ended = {name: services.ended(run) for name, run in runs.items()}
        assert {name: each["status"] for name, each in ended.items()} == {
            "north": "SUCCESS",
            "south": "FAILURE",
            "east": "SUCCESS",
        }
        # a missing permission is not tried again: the retry of a run is for one whose process was lost
        tags = {tag["key"]: tag["value"] for tag in ended["south"]["tags"]}
        assert tags["dagster/will_retry"] == "false"
        made = {
            "/".join(node["key"]["path"]): {each["runId"] for each in node["assetMaterializations"]}
            for node in services.ask(ASSETS)["assetsOrError"]["nodes"]
        }
        for name, run in runs.items():
            assert made[f"{name}/dim_pull_tasks"] == {run}
            assert made[f"{name}/raw/captures"] == {run}
        mine = {key for key, of in made.items() if of & set(runs.values())}  # other tests' runs are there as well
        assert {key.partition("/")[0] for key in mine} == set(names)
        with open_fleet([desk.lake.root for desk in desks]) as fleet:
            found = fleet.df("select lake, count(*) as tasks from dim_pull_tasks group by all order by all")
            assert dict(zip(found["lake"], found["tasks"], strict=True)) == {"north": 21, "east": 23}
            newest = fleet.df("select targets_complete, targets_expected from dim_dates order by snapshot_date desc")
            assert newest.values.tolist()[0] == [2, 3]
