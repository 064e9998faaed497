"""Every case in tests/sql: the days that are given make the rows that are expected.

A case is a folder `tests/sql/<model>/<case>/`; adding one needs no Python:

- `captures.csv`, `pull_tasks.csv`, `pull_task_source_urls.csv`, `pull_task_callback_events.csv`, `data_quality.csv`:
  the tidy tables of all its days. Every date in `captures.csv` is a day with a run. A column that is left out is null.
- a folder in it (`2-refresh`, ...) with such files: tidy tables that take the place of the same dates later on, after
  what was there has been built.
- `expected.csv`: the rows of the model in the end, all of them, in the columns that the file names.

`NULL` stands for null, `""` for empty text, `[a, b]` for a list. Cases of several models that give the same days are
built together.
"""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest

from pulltasks.config import from_environment
from pulltasks.lake.lake import Lake
from pulltasks.lake.redaction_key import KEY_BYTES
from pulltasks.warehouse import working_copy
from pulltasks.warehouse.models import Models, load_models
from pulltasks.warehouse.publish import build_and_publish
from pulltasks.warehouse.template import copy_template
from sql_cases import CASES, FOLDER, read_csv, write_days

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def given_by(case: Path) -> str:
    """A hash of all that a case gives."""
    files = sorted(path for path in case.rglob("*.csv") if path.name != "expected.csv")
    given = [f"{path.relative_to(case)}\n{path.read_text(encoding='utf-8')}" for path in files]
    return hashlib.sha256("\0".join(given).encode()).hexdigest()


def cases_by_what_is_given() -> list[list[Path]]:
    together: dict[str, list[Path]] = {}
    for case in CASES:
        together.setdefault(given_by(case), []).append(case)
    return list(together.values())


def name_of(cases: list[Path]) -> str:
    return "+".join(str(case.relative_to(FOLDER)) for case in cases)


@pytest.fixture(scope="module")
def models() -> Models:
    return load_models()


@pytest.fixture(scope="module")
def connection() -> Iterator[duckdb.DuckDBPyConnection]:
    """One for all that the cases read and write."""
    with duckdb.connect() as one:
        yield one


def needed_for(names: set[str], models: Models) -> Models:
    """The models and all that they read, of the day or from before it: the others would be built for nothing."""
    wanted: set[str] = set()
    pending = [*names]
    while pending:
        one = pending.pop()
        if one not in wanted:
            wanted.add(one)
            pending += models[one].depends_on | models[one].reads_before
    return Models(tuple(model for model in models.in_order if model.name in wanted), ())


@pytest.mark.parametrize("cases", cases_by_what_is_given(), ids=name_of)
def test_what_is_given_makes_what_is_expected(
    cases: list[Path], models, connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the file of all models is prepared; to make one for each choice of them would cost more than the day
    monkeypatch.setattr(working_copy, "copy_template", lambda _, path: copy_template(models, path))
    lake = Lake(tmp_path / "lake")
    lake.prepare()
    lake.redaction_key.write_text("6b" * KEY_BYTES)
    needed = needed_for({case.parent.name for case in cases}, models)
    given = cases[0]
    with lake.lock():
        for folder in (given, *sorted(path for path in given.iterdir() if path.is_dir())):
            write_days(connection, lake, folder)
            build_and_publish(lake, needed, from_environment().warehouse, NOW)
    connection.execute(f"attach '{lake.published.resolve()}' as published (read_only)")
    try:
        wrong = {str(case.relative_to(FOLDER)): differences(connection, case, models) for case in cases}
    finally:
        connection.execute("detach published")
    assert {case: rows for case, rows in wrong.items() if any(rows)} == {}


def differences(connection: duckdb.DuckDBPyConnection, case: Path, models: Models) -> tuple[list, list]:
    """The rows that a case expects and that are missing, and those that are there beside them."""
    model = models[case.parent.name]
    expected = read_csv(case / "expected.csv", {column.name: column.type for column in model.columns})
    columns = ", ".join(connection.sql(expected).columns)
    found = f"select {columns} from published.main.{model.name}"
    missing = connection.sql(f"({expected}) except all ({found})").fetchall()
    surplus = connection.sql(f"({found}) except all ({expected})").fetchall()
    return missing, surplus


@pytest.mark.parametrize(
    "name", [model.name for model in load_models().in_order if model.is_checked and model.is_published]
)
def test_every_published_model_has_a_case(name: str) -> None:
    assert list((FOLDER / name).glob("*/expected.csv"))
