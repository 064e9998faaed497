"""A real Superset takes the bundle in, its charts say what DuckDB says, and it shows a newly published build."""

from __future__ import annotations

import os
import socket
import subprocess
import venv
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import httpx
import pytest
from bi.superset.bundle import bundle, write

from desk import BEIJING, SINGAPORE, Desk
from pulltasks.warehouse.read.published import open_published
from pulltasks.warehouse.sql.models import load_models

ROOT = Path(__file__).parent.parent
BIN = ROOT / ".venv-superset" / "bin"
REQUIREMENTS = ROOT / "bi" / "superset" / "requirements.txt"
CONFIG = """
SECRET_KEY = "known to everybody, for a test alone"
SQLALCHEMY_DATABASE_URI = "sqlite:///{folder}/superset.db"
TALISMAN_ENABLED = False  # it lets the cookie of the CSRF token travel over https alone
"""
# One number of each chart, and the same from other tables where they have it: (column to sum, or None for the rows; SQL).
NUMBERS = {
    "Tasks listed": ("tasks", "select sum(last_complete_task_count) from dim_targets where is_expected"),
    "Targets complete": (
        "complete",
        "select count(*) from dim_targets where is_expected and last_coverage = 'complete'",
    ),
    "Targets expected": ("expected", "select count(*) from dim_targets where is_expected"),
    "Streams in conflict now": ("streams", "select count(*) from rpt_stream_conflicts where timing <> 'over'"),
    "Tasks that end soon": ("tasks", "select count(*) from rpt_expiring_tasks where ends = 'within_24_hours'"),
    "Coverage, newest day first": (
        "targets_complete",
        "select count(*) from rpt_snapshot_coverage where coverage = 'complete'",
    ),
    "What is known of each target": (
        "age_days",
        "select sum(last_expected_date - last_complete_date) from dim_targets",
    ),
    "Coverage of targets per day": ("targets", "select sum(targets_expected) from dim_dates"),
    "Tasks by status, with coverage": ("tasks", "select count(*) from fct_pull_task_days"),
    "Tasks per day, known and last known": ("known", "select count(*) from fct_pull_task_days"),
    "Tasks added and removed per day": (
        "added",
        "select count(*) from fct_pull_task_changes where change = 'added'",
    ),
    "Tasks by region": ("tasks", "select count(*) from dim_pull_tasks where is_current"),
    "Changes of the last day": (
        None,
        "select count(*) from fct_pull_task_changes where snapshot_date = (select max(snapshot_date) from dim_dates)",
    ),
    "Scheduled load per hour": ("tasks", "select sum(tasks_scheduled) from rpt_schedule_load"),
    "Streams in conflict": (None, "select count(*) from rpt_stream_conflicts"),
    "Tasks that end within a week": (None, "select count(*) from rpt_expiring_tasks where hours_to_end > 0"),
    "Tasks without backup": ("tasks", "select count(*) from rpt_tasks_without_backup"),
    "Most used sources": ("task_count", "select sum(task_count) from rpt_source_reuse"),
}
pytestmark = pytest.mark.superset


class Superset:
    """What a user of its REST API does."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client
        login = {"username": "admin", "password": "admin", "provider": "db"}
        token = self.ask("post", "security/login", json=login)["access_token"]
        self.client.headers["Authorization"] = f"Bearer {token}"
        self.client.headers["X-CSRFToken"] = self.ask("get", "security/csrf_token/")["result"]

    def ask(self, method: str, path: str, **options) -> dict:
        answer = self.client.request(method, f"/api/v1/{path}", **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def take_in(self, desk: Desk, *, as_dashboard: bool = False) -> None:
        """Import the bundle for this lake: as assets, which updates all, or as the UI does, which adds what is not there."""
        path = desk.folder / "bundle.zip"
        write(bundle(desk.lake.published), path)
        if as_dashboard:
            self.ask("post", "dashboard/import/", files={"formData": path.read_bytes()}, data={"overwrite": "true"})
        else:
            self.ask("post", "assets/import/", files={"bundle": path.read_bytes()})

    def all(self, kind: str) -> dict[str, int]:
        """The numbers of things by their names."""
        title = {
            "database": "database_name",
            "dataset": "table_name",
            "chart": "slice_name",
            "dashboard": "dashboard_title",
        }
        found = self.ask("get", f"{kind}/?q=(page_size:100)")
        assert found["count"] == len(found["result"])
        return {its[title[kind]]: its["id"] for its in found["result"]}

    def rows(self, chart: str) -> list[dict]:
        """What the first query of a chart finds."""
        first, *_ = self.ask("get", f"chart/{self.all('chart')[chart]}/data/")["result"]
        assert first["error"] is None
        return first["data"]


def installed() -> None:
    """Superset, in an environment of its own that is kept until its requirements change."""
    marker = BIN / "installed"
    if not marker.is_file() or marker.read_bytes() != REQUIREMENTS.read_bytes():
        venv.create(BIN.parent, with_pip=True, clear=True)
        pip = [BIN / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, "--requirement", REQUIREMENTS], check=True)
        marker.write_bytes(REQUIREMENTS.read_bytes())


@pytest.fixture(scope="module")
def superset(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Superset]:
    installed()
    folder = tmp_path_factory.mktemp("superset")
    (folder / "superset_config.py").write_text(CONFIG.format(folder=folder))
    settings = {
        "SUPERSET_CONFIG_PATH": f"{folder}/superset_config.py",
        "SUPERSET_HOME": str(folder),
        "FLASK_APP": "superset",
    }
    environment = {**os.environ, **settings}
    admin = [
        "--username",
        "admin",
        "--password",
        "admin",
        "--firstname",
        "A",
        "--lastname",
        "B",
        "--email",
        "a@example.org",
    ]
    for command in (["db", "upgrade"], ["fab", "create-admin", *admin], ["init"]):
        done = subprocess.run(
            [BIN / "superset", *command], env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
    with socket.create_server(("127.0.0.1", 0)) as door:
        number = door.fileno()
        url = f"http://127.0.0.1:{door.getsockname()[1]}"
        command = [
            BIN / "gunicorn",
            "--bind",
            f"fd://{number}",
            "--worker-class",
            "gthread",
            "superset.app:create_app()",
        ]
        log = (folder / "server.log").open("w")
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log, pass_fds=[number])
    with log, server, httpx.Client(base_url=url, timeout=60, trust_env=False) as client:
        try:
            yield Superset(client)  # the first request waits until the application is loaded
        finally:
            server.terminate()


def three_days(desk: Desk) -> None:
    """All known; nothing known; one of two known."""
    for place, day in ((BEIJING, 21), (SINGAPORE, 21), (SINGAPORE, 22)):
        desk.sandbox.faults[place.project_id, date(2026, 11, day)] = "forbidden"
    for day in (20, 21, 22):
        desk.run(date(2026, 11, day))


def expected(desk: Desk, sql: str) -> int:
    with open_published(desk.lake) as connection:
        return int(connection.execute(sql).fetchone()[0])


def test_an_import_doubles_nothing_whichever_way_it_comes_in(superset: Superset, desk: Desk) -> None:
    desk.run(date(2026, 11, 20))
    superset.take_in(desk, as_dashboard=True)
    kinds = ("database", "dataset", "chart", "dashboard")
    before = {kind: superset.all(kind) for kind in kinds}
    assert [len(before[kind]) for kind in kinds] == [1, 26, len(NUMBERS), 1]
    for as_dashboard in (False, False, True):
        superset.take_in(desk, as_dashboard=as_dashboard)
        assert {kind: superset.all(kind) for kind in kinds} == before
    (dashboard,) = before["dashboard"].values()
    charts = superset.ask("get", f"dashboard/{dashboard}/charts")["result"]
    assert sorted(chart["slice_name"] for chart in charts) == sorted(NUMBERS)


def test_the_descriptions_of_tables_and_columns_arrive(superset: Superset, desk: Desk) -> None:
    desk.run(date(2026, 11, 20))
    superset.take_in(desk)
    numbers = superset.all("dataset")
    for model in load_models().in_order:
        if model.is_published and not model.kind.takes_arguments:
            found = superset.ask("get", f"dataset/{numbers[model.name]}")["result"]
            assert found["description"].startswith(model.description)
            described = {its["column_name"]: (its["type"], its["description"]) for its in found["columns"]}
            assert described == {its.name: (its.type, its.description) for its in model.columns}


def test_every_chart_says_what_duckdb_says(superset: Superset, desk: Desk) -> None:
    three_days(desk)
    superset.take_in(desk)
    assert set(superset.all("chart")) == set(NUMBERS)
    for chart, (column, sql) in NUMBERS.items():
        rows = superset.rows(chart)
        said = sum(row[column] or 0 for row in rows) if column else len(rows)
        assert (chart, said) == (chart, expected(desk, sql))
        assert said > 0


def test_a_day_on_which_nothing_is_known_has_no_tasks_rather_than_none(superset: Superset, desk: Desk) -> None:
    three_days(desk)
    superset.take_in(desk)
    number = superset.all("chart")["Tasks by status, with coverage"]
    tasks, coverage = superset.ask("get", f"chart/{number}/data/")["result"]
    days = sorted(row["snapshot_date"] for row in coverage["data"])
    assert {row["snapshot_date"] for row in tasks["data"]} == {days[0], days[2]}
    assert [row["complete"] for row in sorted(coverage["data"], key=lambda row: row["snapshot_date"])] == [2, 0, 1]


def test_a_chart_shows_the_next_build_as_soon_as_it_is_published(superset: Superset, desk: Desk) -> None:
    desk.run(date(2026, 11, 20))
    superset.take_in(desk)
    column, sql = NUMBERS["Tasks by status, with coverage"]
    seen = []
    for day in (21, 22):
        desk.run(date(2026, 11, day))
        seen.append(sum(row[column] for row in superset.rows("Tasks by status, with coverage")))
        assert seen[-1] == expected(desk, sql)
    assert seen[0] < seen[1]


def test_whoever_writes_sql_in_superset_reads_this_file_alone_and_writes_none(superset: Superset, desk: Desk) -> None:
    desk.run(date(2026, 11, 20))
    superset.take_in(desk)
    (database,) = superset.all("database").values()
    no_files = "file system operations are disabled by configuration"
    refused = {
        "select * from read_csv('/etc/hostname')": no_files,
        f"copy dim_dates to '{desk.folder}/copy.csv'": no_files,
        "create table t as select 1": "DML_NOT_ALLOWED_ERROR",
    }
    for sql, why in refused.items():
        answer = superset.client.post("/api/v1/sqllab/execute/", json={"database_id": database, "sql": sql})
        assert answer.status_code >= 400, sql
        assert why in answer.text
    assert not (desk.folder / "copy.csv").exists()
