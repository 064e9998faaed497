"""What is printed for an engine: everything is there or named, nothing of DuckDB's own is left, nothing is masked anew."""

from __future__ import annotations

import re
import runpy
from datetime import date
from pathlib import Path

import duckdb
import pytest
from sqlglot import exp, parse

from pulltasks.fleet.dialects import DIALECTS
from pulltasks.fleet.lakes import read_lakes
from pulltasks.fleet.opened import Fleet
from pulltasks.fleet.statements import LAKE_COLUMN, is_computed, left_out, statements, tables_read
from pulltasks.warehouse.sql.models import load_models
from random_lakes import random_lake
from three_lakes import EAST, archived, days_from

ROOT = Path(__file__).parents[2]
MODELS = load_models()
# Functions of Spark that sqlglot does not know by a name of its own.
OWN_FUNCTIONS = {"make_dt_interval"}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list]:
    """The statements of each engine over two lakes."""
    folder = tmp_path_factory.mktemp("two")
    for name, place in zip(("a", "b"), EAST, strict=True):
        archived(folder / name / "lake", [place], days_from(date(2026, 11, 2), 2))
    lakes = read_lakes([f"{folder}/a/lake", f"{folder}/b/lake"], pytest.fail)
    return {engine: statements(engine, lakes) for engine in DIALECTS}


def without_texts(sql: str) -> str:
    """The statement without what stands between quotes, in either way of writing one within."""
    return re.sub(r"'(?:[^'\\]|''|\\.)*'", "''", sql)


@pytest.mark.parametrize("engine", DIALECTS)
def test_every_published_model_is_there_or_named_with_a_reason(made, engine: str) -> None:
    there = {each.name for each in made[engine] if each.is_public}
    published = {model.name for model in MODELS.in_order if model.is_published}
    assert published - there <= set(left_out(engine))
    assert not there & set(left_out(engine))
    assert all(len(reason) > 20 for reason in left_out(engine).values())


def test_the_statements_for_spark_are_spark_s(made) -> None:
    for each in made["spark"]:
        if each.sql.startswith("ALTER TABLE"):
            # sqlglot does not know partitions with a location; `make test-engines` runs them
            continue
        (tree,) = parse(each.sql, dialect="spark")
        assert not isinstance(tree, exp.Command), each.sql[:200]
        own = {f.name.lower() for f in tree.find_all(exp.Anonymous)}
        assert own <= OWN_FUNCTIONS, (each.name, own)
        assert not re.search(
            r"\bqualify\b|by name|group by all|\bexclude\b|\bunnest\(.* as [a-z]+,$", each.sql, re.IGNORECASE
        ), each.name


@pytest.mark.parametrize("engine", DIALECTS)
def test_nothing_private_is_read_and_no_mask_is_written_anew(made, engine: str) -> None:
    for each in made[engine]:
        words = set(re.findall(r"\w+", without_texts(each.sql).lower()))
        assert not {word for word in words if word.startswith(("mask_", "stg_"))}, each.name
        assert not words & {"tidy", "before", "fingerprint", "sha256", "hmac"}, each.name


@pytest.mark.parametrize("engine", DIALECTS)
def test_each_statement_needs_only_what_stands_before_it(made, engine: str) -> None:
    names = {each.name for each in made[engine]} - {LAKE_COLUMN}
    before: set[str] = set()
    for each in made[engine]:
        code = without_texts(each.sql).lower()
        needed = {name for name in names if re.search(rf"(?:from|join)\s+{name}\b", code)}
        assert needed - {each.name} <= before, each.name
        before.add(each.name)


def test_what_can_be_had_from_open_tables_is_computed_and_no_table_is_read_for_it() -> None:
    computed = {model.name for model in MODELS.in_order if model.is_published and is_computed(model, MODELS)}
    assert not computed & set(tables_read())
    reports = {model.name for model in MODELS.in_order if model.layer in ("reports", "macros")}
    # these are made of what a day brings, day by day; no lake publishes that
    assert reports - computed - set(left_out("spark")) == {
        "rpt_coverage_gaps",
        "rpt_data_quality",
        "rpt_status_vocabulary",
    }


def test_the_page_of_questions_for_spark_is_what_the_code_writes() -> None:
    page = runpy.run_path(str(ROOT / "docs" / "spark.py"))["page"]()
    assert (ROOT / "docs" / "spark.md").read_text(encoding="utf-8") == page, "run `make docs`"
    assert page.count("```spark") == 20


def united(name: str) -> str:
    """The table over all lakes; the days have no lake."""
    return f"(select '' as {LAKE_COLUMN}, * from dim_dates)" if name == "dim_dates" else name


@pytest.mark.parametrize("seed", range(6))
def test_a_view_over_one_lake_is_the_model_as_it_stands_in_its_file(tmp_path: Path, seed: int) -> None:
    lake = random_lake(tmp_path / "lake", seed, 0)
    with Fleet(read_lakes([f"one={lake}"], pytest.fail)) as fleet, duckdb.connect() as plain:
        for name in tables_read():
            plain.register(
                name, fleet.connection.sql(f"select * exclude ({LAKE_COLUMN}) from {united(name)}").to_arrow_table()
            )
        newest = fleet.connection.sql("from newest_day").to_arrow_table()
        plain.register("stg_build", newest)
        days = [day for (day,) in plain.sql("select snapshot_date from dim_dates").fetchall()]
        for model in MODELS.in_order:
            if not (model.is_published and is_computed(model, MODELS)) or model.name in left_out("duckdb"):
                continue
            head = (
                f"macro {model.name}({', '.join(model.arguments)}) as table"
                if model.arguments
                else f"view {model.name} as"
            )
            plain.execute(f"create {head} {model.sql}")
            asked = (
                [f"{model.name}(cast('{day} 12:00' as timestamp))" for day in days] if model.arguments else [model.name]
            )
            for source in asked:
                columns = ", ".join(column.name for column in model.columns)
                one, other = (
                    sorted(connection.sql(f"select {columns} from {source}").fetchall(), key=repr)
                    for connection in (plain, fleet.connection)
                )
                assert one == other, source
