"""The Superset bundle is well formed, says what the headers say, and its queries run on a real warehouse."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from datetime import date
from pathlib import Path

import duckdb
import pytest
import yaml
from bi.superset.bundle import CACHE_SECONDS, OPTIONS, bundle, write

from desk import BEIJING, SINGAPORE, Desk
from pulltasks.warehouse.read.published import open_published
from pulltasks.warehouse.sql.models import load_models

ROOT = Path(__file__).parent.parent
WAREHOUSE = Path("/data/warehouse/pulltasks.duckdb")
FILES = bundle(WAREHOUSE)
CHARTS = {name.removeprefix("charts/").removesuffix(".yaml"): its for name, its in FILES.items() if "charts/" in name}
DATASETS = {its["uuid"]: its for name, its in FILES.items() if name.startswith("datasets/")}
MACHINE = str(Path.home()), str(ROOT)


def queries(chart: dict) -> list[dict]:
    return json.loads(chart["query_context"])["queries"]


def sql_of(query: dict, dataset: dict) -> str:
    """What Superset makes of a query, as far as the charts go."""
    expressions = {metric["metric_name"]: metric["expression"] for metric in dataset["metrics"]}
    columns = [
        f'"{column}"' if isinstance(column, str) else f'{column["sqlExpression"]} as "{column["label"]}"'
        for column in query["columns"]
    ]
    metrics = [f'{expressions[name]} as "{name}"' for name in query["metrics"]]
    source = f"({dataset['sql']})" if dataset["sql"] else dataset["table_name"]
    where = f"where {query['extras']['where']}" if query["extras"]["where"] else ""
    group = f"group by {', '.join(str(n + 1) for n in range(len(columns)))}" if metrics and columns else ""
    order = ", ".join(f'"{name}" {"asc" if ascending else "desc"}' for name, ascending in query["orderby"])
    return (
        f"select {', '.join(columns + metrics)} from {source} as t {where} {group} "
        f"{f'order by {order}' if order else ''} limit {query['row_limit']}"
    )


def ask(connection: duckdb.DuckDBPyConnection, chart: str, number: int = 0) -> list[dict]:
    its = CHARTS[chart]
    found = connection.sql(sql_of(queries(its)[number], DATASETS[its["dataset_uuid"]]))
    return [dict(zip(found.columns, row, strict=True)) for row in found.fetchall()]


def test_the_zip_holds_what_superset_looks_for(tmp_path: Path) -> None:
    write(FILES, tmp_path / "b.zip")
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        assert archive.testzip() is None
        assert {name.split("/")[0] for name in archive.namelist()} == {"pulltasks"}
        read = {name.split("/", 1)[1]: yaml.safe_load(archive.read(name)) for name in archive.namelist()}
    assert read == FILES
    assert read["metadata.yaml"]["version"] == "1.0.0"
    assert {name.split("/")[0] for name in read} == {"metadata.yaml", "databases", "datasets", "charts", "dashboards"}


def test_the_same_tree_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in ("one.zip", "two.zip"):
        write(bundle(WAREHOUSE), tmp_path / name)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()


def test_identifiers_are_those_of_the_first_bundle_so_that_an_import_updates() -> None:
    assert FILES["dashboards/pulltasks.yaml"]["uuid"] == "bc9493e6-f446-5be8-abfd-6396f4144ffe"
    assert FILES["databases/pulltasks.yaml"]["uuid"] == "fe27ca1e-8ec1-5f9b-85fc-8b31621bbc3b"
    found = [its["uuid"] for its in FILES.values() if "uuid" in its]
    assert len(set(found)) == len(found)


def test_only_the_address_of_the_database_knows_a_path() -> None:
    (database,) = (its for name, its in FILES.items() if name.startswith("databases/"))
    address = "duckdb:////data/warehouse/pulltasks.duckdb?access_mode=read_only&enable_external_access=false"
    assert database["sqlalchemy_uri"] == address
    rest = {name: its for name, its in FILES.items() if its is not database}
    text = yaml.safe_dump(rest)
    assert not [path for path in (*MACHINE, "/data") if path in text]


def test_every_table_and_view_has_a_dataset_with_the_columns_of_its_header() -> None:
    by_name = {its["table_name"]: its for its in DATASETS.values()}
    models = {
        model.name: model for model in load_models().in_order if model.is_published and not model.kind.takes_arguments
    }
    assert set(by_name) == {*models, "changes_of_the_last_day"}
    models["changes_of_the_last_day"] = models["fct_pull_task_changes"]
    for name, model in models.items():
        expected = [(column.name, column.type, column.description) for column in model.columns]
        assert [(its["column_name"], its["type"], its["description"]) for its in by_name[name]["columns"]] == expected


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_names_columns_and_metrics_that_its_dataset_has(name: str) -> None:
    dataset = DATASETS[CHARTS[name]["dataset_uuid"]]
    columns = {column["column_name"] for column in dataset["columns"]}
    metrics = {metric["metric_name"] for metric in dataset["metrics"]}
    for query in queries(CHARTS[name]):
        assert {column for column in query["columns"] if isinstance(column, str)} <= columns
        assert set(query["metrics"]) <= metrics
        assert {column for column, _ in query["orderby"]} <= columns | metrics


def beside(name: str) -> list[str]:
    """The charts whose coverage counts: of a big number all numbers of its row, else the chart alone."""
    if CHARTS[name]["viz_type"] != "big_number_total":
        return [name]
    return [other for other, chart in CHARTS.items() if chart["viz_type"] == "big_number_total"]


@pytest.mark.parametrize("name", CHARTS)
def test_a_chart_shows_the_coverage_of_what_it_shows(name: str) -> None:
    asked = [query for chart in beside(name) for query in queries(CHARTS[chart])]
    shown = {column for query in asked for column in query["columns"] if isinstance(column, str)}
    shown |= {metric for query in asked for metric in query["metrics"]}
    ways = ({"targets_complete", "targets_expected"}, {"complete", "expected"}, {"coverage"}, {"last_coverage"})
    assert any(way <= shown for way in ways)


def test_the_dashboard_shows_every_chart_once_and_no_row_is_too_wide() -> None:
    position = FILES["dashboards/pulltasks.yaml"]["position"]
    parts = [part for part in position.values() if isinstance(part, dict)]
    shown = [part["meta"]["uuid"] for part in parts if part["type"] == "CHART"]
    assert sorted(shown) == sorted(its["uuid"] for its in CHARTS.values())
    for row in (part for part in parts if part["type"] == "ROW"):
        assert sum(position[child]["meta"]["width"] for child in row["children"]) <= 12


def test_every_query_runs_on_a_warehouse_and_its_columns_are_those_of_the_dataset(desk: Desk) -> None:
    for day in (20, 21):
        desk.run(date(2026, 11, day))
    with open_published(desk.lake) as connection:
        for name, chart in CHARTS.items():
            for number in range(len(queries(chart))):
                assert ask(connection, name, number), name
        for dataset in DATASETS.values():
            source = dataset["sql"] or f"from {dataset['table_name']}"
            described = {name: kind for name, kind, *_ in connection.sql(f"describe {source}").fetchall()}
            assert described == {its["column_name"]: its["type"] for its in dataset["columns"]}


def test_a_day_that_is_not_known_has_no_bar_and_its_coverage_says_so(desk: Desk) -> None:
    desk.run(date(2026, 11, 20))
    for place in (BEIJING, SINGAPORE):
        desk.sandbox.faults[place.project_id, date(2026, 11, 21)] = "forbidden"
    desk.run(date(2026, 11, 21))
    with open_published(desk.lake) as connection:
        tasks = {row["snapshot_date"] for row in ask(connection, "tasks_by_status")}
        covered = {
            row["snapshot_date"]: (row["complete"], row["expected"]) for row in ask(connection, "tasks_by_status", 1)
        }
        regions = {
            row["region"]: (row["tasks"] > 0, row["complete"], row["expected"])
            for row in ask(connection, "tasks_by_region")
        }
    assert tasks == {date(2026, 11, 20)}
    assert covered == {date(2026, 11, 20): (2, 2), date(2026, 11, 21): (0, 2)}
    assert regions == {BEIJING.region: (True, 0, 1), SINGAPORE.region: (True, 0, 1)}


def test_the_last_known_tasks_of_a_target_stand_on_those_of_the_others(desk: Desk) -> None:
    desk.run(date(2026, 11, 20))
    desk.sandbox.faults[SINGAPORE.project_id, date(2026, 11, 21)] = "forbidden"
    desk.run(date(2026, 11, 21))
    with open_published(desk.lake) as connection:
        before, after = sorted(ask(connection, "tasks_per_day"), key=lambda row: row["snapshot_date"])
        changes = {row["snapshot_date"]: row["added"] for row in ask(connection, "changes_per_day")}
        ((listed,),) = connection.sql(f"select count(*) from pull_tasks where region = '{SINGAPORE.region}'").fetchall()
        came = connection.sql("select count(*) from fct_pull_task_changes where change = 'added'").fetchall()
    assert (before["last_known"], after["last_known"]) == (None, listed)
    assert before["known"] > after["known"] > 0
    assert changes == {date(2026, 11, 20): None, date(2026, 11, 21): came[0][0]}


def test_the_tasks_of_a_day_that_is_not_known_are_null_in_charts_of_ones_own(desk: Desk) -> None:
    desk.sandbox.faults[BEIJING.project_id, None] = desk.sandbox.faults[SINGAPORE.project_id, None] = "forbidden"
    desk.run(date(2026, 11, 20))
    dataset = FILES["datasets/pulltasks/fct_daily_task_counts.yaml"]
    query = {
        "columns": ["snapshot_date"],
        "metrics": ["tasks", "complete", "expected"],
        "extras": {"where": ""},
        "orderby": [],
        "row_limit": 10,
    }
    with open_published(desk.lake) as connection:
        assert connection.execute(sql_of(query, dataset)).fetchall() == [(date(2026, 11, 20), None, 0, 2)]


def test_a_target_that_was_never_complete_has_no_count(desk: Desk) -> None:
    desk.sandbox.faults[SINGAPORE.project_id, None] = "forbidden"
    desk.run(date(2026, 11, 20))
    with open_published(desk.lake) as connection:
        regions = {row["region"]: row["tasks"] for row in ask(connection, "tasks_by_region")}
        ages = {row["region"]: row["age_days"] for row in ask(connection, "targets")}
        (tasks,) = connection.execute("select count(*) from dim_pull_tasks where is_current").fetchone()
    assert regions == {BEIJING.region: tasks, SINGAPORE.region: None}
    assert ages == {BEIJING.region: 0, SINGAPORE.region: None}


def test_a_day_without_changes_still_says_what_it_covers(desk: Desk) -> None:
    desk.run(date(2026, 11, 20))
    with open_published(desk.lake) as connection:
        (row,) = ask(connection, "changes_of_the_last_day")
    expected = {"snapshot_date": date(2026, 11, 20), "task_id": None, "targets_complete": 2, "targets_expected": 2}
    assert {name: row[name] for name in expected} == expected


def test_the_program_writes_the_zip_and_says_which_file_it_reads(tmp_path: Path) -> None:
    command = [
        sys.executable,
        ROOT / "bi/superset/bundle.py",
        "--warehouse",
        "there/pulltasks.duckdb",
        "--output",
        "b.zip",
    ]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert told == f"b.zip: reads {tmp_path}/there/pulltasks.duckdb\n"
    with zipfile.ZipFile(tmp_path / "b.zip") as archive:
        database = yaml.safe_load(archive.read("pulltasks/databases/pulltasks.yaml"))
    assert f"duckdb:///{tmp_path}/there/pulltasks.duckdb?" in database["sqlalchemy_uri"]


def test_the_page_says_what_the_bundle_does() -> None:
    page = (ROOT / "docs" / "bi.md").read_text(encoding="utf-8")
    requirements = (ROOT / "bi" / "superset" / "requirements.txt").read_text(encoding="utf-8")
    for package, named in (("apache-superset", "Superset"), ("duckdb-engine", "duckdb-engine")):
        (version,) = re.findall(rf"^{package}==(\S+)", requirements, re.MULTILINE)
        assert f"{named} {version}" in page
    assert f"?{OPTIONS}" in page
    assert f"{CACHE_SECONDS} seconds" in page
    assert len(CHARTS) == 18
    assert "eighteen charts" in page
