"""Every view says in Spark what it says in DuckDB, in rows and types; other readers take the files as they lie.

Spark 3.5 and 4 run in environments of their own (`make test-engines` makes them), as a cluster of two workers, in a
session whose zone has a summer time: nothing may go through it.
"""

from __future__ import annotations

import json
import re
import runpy
import subprocess
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pandas as pd
import pyarrow.dataset as ds
import pytest

from pulltasks.config import from_environment
from pulltasks.fleet.lakes import read_lakes
from pulltasks.fleet.statements import Statement, is_computed, left_out, statements
from pulltasks.lake.lake import Lake
from pulltasks.lake.redaction_key import KEY_BYTES
from pulltasks.warehouse.build.open_tables import write_tables
from pulltasks.warehouse.build.publish import build_and_publish
from pulltasks.warehouse.sql.models import load_models
from random_lakes import random_lake
from sql_cases import CASES, write_days
from three_lakes import three_lakes

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pulltasks.fleet.lakes import FleetLake

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).parent / "in_spark.py"
SPARKS = ("spark35", "spark4")
ZONE = "America/New_York"
CLUSTER = "local-cluster[2,1,1024]"
SEEDS = (0, 2, 3)
MODELS = load_models()
NOW = datetime(2026, 11, 23, tzinfo=UTC)
pytestmark = pytest.mark.engines


@dataclass(frozen=True)
class Asked:
    """Lakes under one name, and the selects over their views whose answers are compared."""

    name: str
    lakes: tuple[FleetLake, ...]
    in_spark: dict[str, str]
    in_duckdb: dict[str, str]


def public(engine: str, lakes: tuple[FleetLake, ...]) -> list[str]:
    return list(dict.fromkeys(each.name for each in statements(engine, lakes) if each.is_public))


def in_duckdb(connection: duckdb.DuckDBPyConnection, name: str) -> str:
    """A view's rows; of a macro those of every day, one after another."""
    if not MODELS_BY_NAME.get(name) or not MODELS_BY_NAME[name].arguments:
        return f"select * from {name}"
    days = connection.sql("select distinct snapshot_date from dim_dates order by all").fetchall()
    return " union all ".join(f"select * from {name}(date '{day}')" for (day,) in days)


MODELS_BY_NAME = {model.name: model for model in MODELS.in_order}


def opened(lakes: tuple[FleetLake, ...]) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    for statement in statements("duckdb", lakes):
        connection.execute(statement.sql)
    return connection


@pytest.fixture(scope="module")
def month(tmp_path_factory: pytest.TempPathFactory) -> Asked:
    """Three lakes of a month: gaps, a held drop, a lake that is late and of another version."""
    made = three_lakes(tmp_path_factory.mktemp("month"), date(2026, 10, 20), 30)
    lakes = read_lakes([f"{name}={lake.root}" for name, lake in made.items()], pytest.fail)
    names = public("spark", lakes)
    with opened(lakes) as connection:
        page = runpy.run_path(str(ROOT / "docs" / "spark.py"))
        numbered = {title: f"question_{title.partition('.')[0]}" for title in page["in_spark"]()}
        return Asked(
            "month",
            lakes,
            {name: f"select * from {name}" for name in names}
            | {numbered[title]: sql for title, sql in page["in_spark"]().items()},
            {name: in_duckdb(connection, name) for name in names}
            | {numbered[title]: sql for title, sql in page["questions"]().items()},
        )


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> list[Asked]:
    """The cases of tests/sql whose model is had from open tables, each as a lake."""
    found = []
    for case in CASES:
        model = MODELS_BY_NAME[case.parent.name]
        if not (is_computed(model, MODELS) and model.name not in left_out("spark")):
            continue
        name = f"{model.name}_{re.sub('[^a-z0-9]', '_', case.name)}"
        lake = Lake(tmp_path_factory.mktemp(name[:30]) / "lake")
        lake.prepare()
        lake.redaction_key.write_text("6b" * KEY_BYTES)
        with lake.lock(), duckdb.connect() as connection:
            for folder in (case, *sorted(path for path in case.iterdir() if path.is_dir())):
                write_days(connection, lake, folder)
                build_and_publish(lake, MODELS, from_environment().warehouse, NOW)
            write_tables(lake, MODELS, "UTC")
        lakes = read_lakes([f"one={lake.root}"], pytest.fail)
        with opened(lakes) as connection:
            found.append(
                Asked(
                    name,
                    lakes,
                    {model.name: f"select * from {model.name}"},
                    {model.name: in_duckdb(connection, model.name)},
                )
            )
    return found


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> list[Asked]:
    """Fleets of rows that no service would give."""
    found = []
    for seed in SEEDS:
        folder = tmp_path_factory.mktemp(f"odd{seed}")
        lakes = read_lakes([f"l{n}={random_lake(folder / str(n), seed, n)}" for n in range(2)], pytest.fail)
        names = public("spark", lakes)
        with opened(lakes) as connection:
            asked = {name: in_duckdb(connection, name) for name in names}
        found.append(Asked(f"odd_{seed}", lakes, {name: f"select * from {name}" for name in names}, asked))
    return found


def needed_for(made: list[Statement], names: Iterable[str]) -> list[Statement]:
    """The statements behind some names."""
    wanted, pending = set(), set(names)
    while pending:
        name = pending.pop()
        wanted.add(name)
        words = {word for each in made if each.name == name for word in re.findall(r"\w+", each.sql)}
        pending |= {each.name for each in made} & words - wanted
    return [each for each in made if each.name in wanted]


@pytest.fixture(scope="module", params=SPARKS)
def answered(
    request, month: Asked, cases: list[Asked], odd: list[Asked], tmp_path_factory
) -> tuple[dict, Path, list[Asked]]:
    """What one Spark says to everything."""
    python = ROOT / f".venv-{request.param}" / "bin" / "python"
    assert python.is_file(), f"{python} is not there: make test-engines makes it"
    folder = tmp_path_factory.mktemp(request.param)
    everything = [month, *cases, *odd]
    plan = {
        "master": CLUSTER,
        "time_zone": ZONE,
        "fleets": [
            {
                "name": asked.name,
                "statements": [each.sql for each in needed_for(statements("spark", asked.lakes), asked.in_spark)],
                "questions": asked.in_spark,
            }
            for asked in everything
        ],
    }
    (folder / "plan.json").write_text(json.dumps(plan))
    # what it prints comes at once, because it works for minutes
    with (folder / "errors.txt").open("w") as errors:
        subprocess.run([python, SCRIPT, folder / "plan.json", folder], stderr=errors, check=False, cwd=folder)
    assert (folder / "said.json").is_file(), (folder / "errors.txt").read_text()[-3000:]
    said = json.loads((folder / "said.json").read_text())
    return said, folder, everything


def differing(connection: duckdb.DuckDBPyConnection, expected: str, found: str) -> dict[str, object]:
    """How two relations differ: types by column, rows that one of them has alone."""
    types = [{row[0]: row[1] for row in connection.sql(f"describe {each}").fetchall()} for each in (expected, found)]
    columns = ", ".join(types[0])
    alone = [
        connection.sql(f"(select {columns} from ({one})) except all (select {columns} from ({other}))").fetchall()[:2]
        for one, other in ((expected, found), (found, expected))
    ]
    kinds = {name: (types[0].get(name), types[1].get(name)) for name in {**types[0], **types[1]}}
    return {
        key: value
        for key, value in {
            "types": {name: pair for name, pair in kinds.items() if pair[0] != pair[1]},
            "missing": alone[0],
            "surplus": alone[1],
        }.items()
        if value
    }


def test_every_view_says_in_spark_what_it_says_in_duckdb(answered) -> None:
    said, folder, everything = answered
    assert said["errors"] == {}
    wrong, table = {}, []
    for asked in everything:
        with opened(asked.lakes) as connection:
            for name, expected in asked.in_duckdb.items():
                found = f"select * from '{folder}/{asked.name}/{name}/*.parquet'"
                connection.execute(f"create or replace temp table expected as {expected}").fetchall()
                ((rows,),) = connection.sql("select count(*) from expected").fetchall()
                table.append((asked.name, name, rows))
                difference = differing(connection, "select * from expected", found)
                if name.startswith("question"):
                    difference.pop("types", None)  # what a question adds up has the engine's own type
                if difference:
                    wrong[f"{asked.name}: {name}"] = difference
    print(f"\nSpark {said['version']}: {len(table)} views, {sum(rows for *_, rows in table)} rows compared")
    for name, view, rows in table:
        print(f"  {name}: {view}: {rows} rows, {'equal' if f'{name}: {view}' not in wrong else 'NOT equal'}")
    assert wrong == {}
    empty = {view for name, view, rows in table if name == "month" and not rows}
    assert empty <= {"rpt_data_quality", "question_20"}  # what is made up has nothing odd


def test_what_a_column_means_is_said_in_spark_as_well(answered) -> None:
    said, _, everything = answered
    for name in everything[0].in_spark:
        if name.startswith("question"):
            continue
        assert all(said["comments"][name].values()), name


def test_a_view_of_a_case_says_what_its_own_lake_says(cases: list[Asked]) -> None:
    for asked in cases:
        (name,) = asked.in_duckdb
        with opened(asked.lakes) as connection:
            lake = asked.lakes[0].place("dim_dates").partition("/published/")[0]
            connection.execute(f"attach '{Lake(Path(lake)).published.resolve()}' as own (read_only)")
            assert differing(connection, f"select * from own.main.{name}", f"select * from {name}") == {}, asked.name


def test_other_readers_take_the_files_as_they_lie(month: Asked) -> None:
    polars = ROOT / ".venv-spark4" / "bin" / "python"
    for lake in month.lakes:
        for table, columns in lake.tables.items():
            file = lake.file(table)
            rows = duckdb.sql(f"select count(*) from '{file}'").fetchall()[0][0]
            assert len(pd.read_parquet(file)) == rows
            arrow = ds.dataset(lake.place(table), format="parquet").to_table()
            known = [name for name in arrow.column_names if name in columns]  # another version may have more
            assert (arrow.num_rows, known) == (rows, list(columns))
    files = [lake.file(table) for lake in month.lakes for table in lake.tables]
    script = (
        "import json, sys, polars as pl; print(json.dumps([pl.read_parquet(f).shape for f in json.load(sys.stdin)]))"
    )
    done = subprocess.run([polars, "-c", script], input=json.dumps(files), capture_output=True, text=True, check=True)
    shapes = [tuple(shape) for shape in json.loads(done.stdout)]
    assert shapes == [pd.read_parquet(file).shape for file in files]
