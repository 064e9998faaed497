"""Every case in tests/sql: the days that are given make the rows that are expected.

A case is a folder `tests/sql/<model>/<case>/`; adding one needs no Python:

- `captures.csv`, `pull_tasks.csv`, `pull_task_source_urls.csv`, `pull_task_callback_events.csv`, `data_quality.csv`:
  the tidy tables of all its days. Every date in `captures.csv` is a day with a run. A column that is left out is null.
- a folder in it (`2-refresh`, ...) with such files: tidy tables that take the place of the same dates later on, after
  what was there has been built.
- `expected.csv`: the rows of the model in the end, all of them, in the columns that the file names.

`NULL` stands for null, `""` for empty text, `[a, b]` for a list. Cases of several models that give the same days are
built together. Cases that give rows of the same dates are also built as one lake, in which each has projects of its own:
then only what a model says of a target is compared. `make test-all` builds each of these alone as well.
"""

from __future__ import annotations

import csv
import hashlib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pytest

from pulltasks.config import from_environment
from pulltasks.lake.lake import Lake
from pulltasks.lake.redaction_key import KEY_BYTES
from pulltasks.warehouse.build import working_copy
from pulltasks.warehouse.build.publish import build_and_publish
from pulltasks.warehouse.build.template import copy_template
from pulltasks.warehouse.sql.models import Models, load_models
from sql_cases import CASES, FOLDER, of_place, read_csv, write_days

if TYPE_CHECKING:
    from collections.abc import Iterator

NOW = datetime(2026, 11, 23, tzinfo=UTC)


# What a row says of all targets of a day: it differs where targets of other cases are beside it.
OF_ALL_TARGETS = {"targets_complete", "targets_expected", "observed_at"}
MODELS = load_models()


def given_by(case: Path) -> str:
    """A hash of all that a case gives."""
    files = sorted(path for path in case.rglob("*.csv") if path.name != "expected.csv")
    given = [f"{path.relative_to(case)}\n{path.read_text(encoding='utf-8')}" for path in files]
    return hashlib.sha256("\0".join(given).encode()).hexdigest()


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def cases_by_what_is_given() -> list[list[Path]]:
    together: dict[str, list[Path]] = {}
    for case in CASES:
        together.setdefault(given_by(case), []).append(case)
    return list(together.values())


def is_of_its_targets(case: Path) -> bool:
    """Whether other targets on the same days change nothing of what a case expects, but for the counts of targets."""
    columns = {column.name for column in MODELS[case.parent.name].columns}
    return (
        {"project_id", "observed_at"} & columns == {"project_id"}
        and not any(path.is_dir() for path in case.iterdir())
        and all(row.get("targets_complete") == row.get("targets_expected") for row in rows_of(case / "expected.csv"))
    )


def counting(cases: list[Path]) -> set[str]:
    """The models of which the cases expect a count of targets."""
    return {case.parent.name for case in cases if OF_ALL_TARGETS & set().union(*rows_of(case / "expected.csv"))}


def builds() -> list:
    """What is built as one lake: cases that give rows of the same dates, and others alone.

    Alone is what is not of its targets, and of each model one case that counts them.
    """
    given = sorted(cases_by_what_is_given(), key=lambda cases: all(map(is_of_its_targets, cases)))
    alone, counted, by_dates = [], set(), {}
    for cases in given:
        if all(map(is_of_its_targets, cases)) and counting(cases) <= counted:
            dates = sorted({row["snapshot_date"] for row in rows_of(cases[0] / "captures.csv")})
            by_dates.setdefault(tuple(dates), []).append(cases)
        else:
            counted |= counting(cases)
            alone.append([cases])
    together = {dates: groups for dates, groups in by_dates.items() if groups[1:]}
    alone += [groups for dates, groups in by_dates.items() if dates not in together]
    return [
        *(pytest.param(groups, id=name_of(groups[0])) for groups in alone),
        *(pytest.param(groups, id=f"{len(groups)} of {' '.join(dates)}") for dates, groups in together.items()),
        *(
            pytest.param([cases], id=name_of(cases), marks=pytest.mark.slow)
            for groups in together.values()
            for cases in groups
        ),
    ]


def name_of(cases: list[Path]) -> str:
    return "+".join(str(case.relative_to(FOLDER)) for case in cases)


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


@pytest.mark.parametrize("groups", builds())
def test_what_is_given_makes_what_is_expected(
    groups: list[list[Path]], connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the file of all models is prepared; to make one for each choice of them would cost more than the day
    monkeypatch.setattr(working_copy, "copy_template", lambda _, path: copy_template(MODELS, path))
    lake = Lake(tmp_path / "lake")
    lake.prepare()
    lake.redaction_key.write_text("6b" * KEY_BYTES)
    needed = needed_for({case.parent.name for cases in groups for case in cases}, MODELS)
    given = [cases[0] for cases in groups]
    later = sorted(path for path in given[0].iterdir() if path.is_dir())
    with lake.lock():
        for folders in (given, *([folder] for folder in later)):
            write_days(connection, lake, *folders)
            build_and_publish(lake, needed, from_environment().warehouse, NOW)
    connection.execute(f"attach '{lake.published.resolve()}' as published (read_only)")
    try:
        wrong = {
            str(case.relative_to(FOLDER)): differences(connection, case, place if groups[1:] else None)
            for place, cases in enumerate(groups)
            for case in cases
        }
    finally:
        connection.execute("detach published")
    assert {case: rows for case, rows in wrong.items() if any(rows)} == {}


def differences(connection: duckdb.DuckDBPyConnection, case: Path, place: int | None) -> tuple[list, list]:
    """The rows that a case expects and that are missing, and those that are there beside them.

    `place` is the number that its projects begin with where other cases are in the same lake.
    """
    model = MODELS[case.parent.name]
    expected = read_csv(case / "expected.csv", {column.name: column.type for column in model.columns})
    found = f"from published.main.{model.name}"
    names = connection.sql(expected).columns
    if place is not None:
        names = [name for name in names if name not in OF_ALL_TARGETS]
        expected = of_place(expected, place) if "project_id" in names else expected
        found += f" where project_id like '{place:04x}%'"
    columns = ", ".join(names)
    missing = connection.sql(f"(select {columns} from ({expected})) except all (select {columns} {found})").fetchall()
    surplus = connection.sql(f"(select {columns} {found}) except all (select {columns} from ({expected}))").fetchall()
    return missing, surplus


@pytest.mark.parametrize("name", [model.name for model in MODELS.in_order if model.is_checked and model.is_published])
def test_every_published_model_has_a_case(name: str) -> None:
    assert list((FOLDER / name).glob("*/expected.csv"))
