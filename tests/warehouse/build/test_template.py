"""The empty file that a build from nothing begins as: what stands in it, and when the prepared one is used."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from desk import DAYS, Desk
from history import contents
from pulltasks.warehouse.build import template
from pulltasks.warehouse.build.template import copy_template, make_template, prepared_file
from pulltasks.warehouse.sql import meta
from pulltasks.warehouse.sql.models import load_models


def described(path: Path) -> list[tuple]:
    """All that a file says of its tables, views and macros; `exclude` lists its columns in no order of theirs."""
    with duckdb.connect(str(path), read_only=True) as connection:
        return connection.execute(
            "select table_name, column_name, data_type, comment, column_index from duckdb_columns() where not internal "
            "union all select view_name, len(sql)::varchar, '', comment, 0 from duckdb_views() where not internal "
            "union all select function_name, parameters::varchar, len(macro_definition)::varchar, comment, 0 "
            "from duckdb_functions() where not internal order by all"
        ).fetchall()


@pytest.fixture
def no_prepared_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    folder = tmp_path / "nothing_prepared"
    folder.mkdir()
    monkeypatch.setattr(template, "sql_folder", lambda: folder)
    return folder


def test_make_setup_has_prepared_it() -> None:
    assert prepared_file(load_models()).is_file(), "run `make setup`"


def test_the_prepared_file_is_what_a_build_would_make_and_holds_no_row(tmp_path: Path) -> None:
    make_template(load_models(), tmp_path / "made.duckdb")
    prepared = prepared_file(load_models())
    assert described(prepared) == described(tmp_path / "made.duckdb")
    assert {name for name, rows in contents(prepared).items() if rows} == set()


@pytest.mark.parametrize("name", [model.name for model in load_models().in_order if model.is_published])
def test_columns_come_in_the_order_of_the_header(name: str) -> None:
    """A table has it by itself; a view or a macro has the order of its select."""
    model = load_models()[name]
    source = f"{name}({', '.join(['null'] * len(model.arguments))})" if model.arguments else name
    with duckdb.connect(str(prepared_file(load_models())), read_only=True) as connection:
        assert connection.sql(f"from {source}").columns == [column.name for column in model.columns]


def test_a_build_without_it_gives_the_same_file(desk: Desk, monkeypatch, tmp_path: Path) -> None:
    made: list[Path] = []
    monkeypatch.setattr(
        template, "make_template", lambda models, path: (made.append(path), make_template(models, path))
    )
    desk.run(DAYS[0])
    with_it = desk.lake.published.resolve()
    assert made == []
    monkeypatch.setattr(template, "sql_folder", lambda: tmp_path)
    shutil.copyfile(with_it, tmp_path / "with.duckdb")
    with_it.unlink()
    desk.build()
    assert len(made) == 1
    assert described(desk.lake.published.resolve()) == described(tmp_path / "with.duckdb")
    assert contents(desk.lake.published.resolve()) == contents(tmp_path / "with.duckdb")


def test_only_a_file_of_just_these_models_is_used(no_prepared_file: Path, tmp_path: Path, monkeypatch) -> None:
    models = load_models()
    prepared = prepared_file(models)
    prepared.write_bytes(b"prepared")
    copy_template(models, tmp_path / "copied")
    assert (tmp_path / "copied").read_bytes() == b"prepared"
    first = models.in_order[0]
    others = [
        replace(models, in_order=(replace(first, description="Another one."), *models.in_order[1:])),
        replace(models, in_order=(replace(first, sql=f"{first.sql} where true"), *models.in_order[1:])),
    ]
    names = {prepared, *(prepared_file(other) for other in others)}
    with monkeypatch.context() as patch:
        patch.setattr(duckdb, "__version__", "0.0.0")
        names.add(prepared_file(models))
    with monkeypatch.context() as patch:
        patch.setattr(template, "META", {**meta.META, "meta_more": meta.META[meta.META_INPUTS]})
        names.add(prepared_file(models))
    assert len(names) == 5


def test_preparing_replaces_the_file_of_other_models(no_prepared_file: Path) -> None:
    (no_prepared_file / "template-0123456789abcdef.duckdb").write_bytes(b"of an earlier version")
    template._prepare()
    prepared = prepared_file(load_models())
    assert [*no_prepared_file.iterdir()] == [prepared]
    before = prepared.stat().st_mtime_ns
    template._prepare()
    assert prepared.stat().st_mtime_ns == before
