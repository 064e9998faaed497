"""The empty file that every first build starts from: all tables, views and macros, with their descriptions.

Lives here: creating it, which proves that every select gives the columns of its header; the prepared one beside sql/.
Does not live here: rows (working_copy), the catalogs of a build (attach), which build to build upon (plan).

Creating it costs as much as building a small day. So `python -m pulltasks.warehouse.build.template` prepares one with
the package, beside the SQL, where only the package's owner may write. Its name contains the hash of everything it was
made from. If there is none with the right name, a build creates its own and is only slower.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from pulltasks import masking
from pulltasks.errors import ModelError
from pulltasks.masking import scrub
from pulltasks.sql_files import sql_folder
from pulltasks.sql_literals import escaped, quoted
from pulltasks.tables import TABLES
from pulltasks.warehouse.build.attach import attach_memory, make_empty_past
from pulltasks.warehouse.build.finish import NOT_WRITTEN, not_written
from pulltasks.warehouse.sql.kinds import columns_of, hash_of
from pulltasks.warehouse.sql.meta import META
from pulltasks.warehouse.sql.models import BUILD_COLUMNS, load_models

if TYPE_CHECKING:
    from pulltasks.warehouse.sql.kinds import Model, ModelColumn
    from pulltasks.warehouse.sql.models import Models

STORAGE_VERSION = "v1.2.0"  # DuckDB 1.2 and later can open it
BLOCK_BYTES = 1 << 16  # a quarter of DuckDB's default: with many narrow columns the file is a fifth smaller


def rules_of(models: Models) -> str:
    """Return a hash that changes with the content of the empty file and with anything that decides the rows."""
    return hash_of(models.digest(), repr(META))


def copy_template(models: Models, path: Path) -> None:
    """Create an empty file at `path`: a copy of the prepared one, if that fits these models.

    Raises:
        ModelError: when a select does not give the columns of its header.
    """
    prepared = prepared_file(models)
    if prepared.is_file():
        shutil.copyfile(prepared, path)
    else:
        make_template(models, path)


def prepared_file(models: Models) -> Path:
    """Return the path of the prepared file for these models and this version of DuckDB; it may not exist."""
    this_code = Path(__file__).read_text(encoding="utf-8")
    name = hash_of(rules_of(models), masking.masks_sql(), this_code, duckdb.__version__)
    return sql_folder() / f"template-{name[:16]}.duckdb"


def make_template(models: Models, path: Path) -> None:
    """Create an empty file, and prove that each select gives the columns of its header.

    Args:
        models: the models.
        path: the path of the new file; it must not exist.

    Raises:
        ModelError: with the model and the columns that differ, or the database's message.
        LakeError: when the disk is full or fails.
    """
    try:
        _make_all(models, path)
    except duckdb.Error as error:
        raise (not_written(error) if NOT_WRITTEN.search(str(error)) else error) from None


def _make_all(models: Models, path: Path) -> None:
    with duckdb.connect(config={"threads": 1}) as connection:
        masking.install(connection)
        masking.set_key(connection, b"")  # no row is masked here, so any key will do
        options = f"storage_version '{STORAGE_VERSION}', block_size {BLOCK_BYTES}"
        connection.execute(f"attach '{escaped(path)}' as warehouse ({options})")
        attach_memory(connection)
        make_empty_past(connection, models)
        for table in TABLES:
            columns = ", ".join(f"null::{column.sql_type} as {column.name}" for column in table.columns)
            connection.execute(f"create view tidy.main.{table.name} as select {columns} limit 0")
        columns = ", ".join(f"{name} {kind}" for name, kind in BUILD_COLUMNS.items())
        connection.execute(f"create table tidy.main.build ({columns})")
        for model in models.in_order:
            _make(connection, model)
        for name, (description, of_table) in META.items():
            connection.execute(f"create table warehouse.main.{name} ({columns_of(of_table)})")
            _comment(connection, "table", f"warehouse.main.{name}", description, of_table)
        for statement in ("use memory", "checkpoint warehouse", "detach warehouse"):
            connection.execute(statement)


def _make(connection: duckdb.DuckDBPyConnection, model: Model) -> None:
    try:
        connection.execute(model.kind.create(model))
        found = {row[0]: row[1] for row in connection.execute(f"describe {model.kind.select(model)}").fetchall()}
    except duckdb.Error as error:
        if NOT_WRITTEN.search(str(error)):
            raise
        raise ModelError(f"{model.name}: {scrub(str(error))}") from None
    declared = {column.name: column.type for column in model.columns}
    if found != declared:
        differing = sorted({*found.items()} ^ {*declared.items()})
        raise ModelError(
            f"{model.name}: the select and the header's columns differ in "
            + ", ".join(f"{name} {kind}" for name, kind in differing)
        )
    if model.is_published:
        # DuckDB has no comments on the columns of a macro
        columns = () if model.kind.takes_arguments else model.columns
        text = f"{model.description} Grain: {model.grain}."
        _comment(connection, model.kind.noun, model.place, text, columns)


def _comment(
    connection: duckdb.DuckDBPyConnection, noun: str, place: str, text: str, columns: tuple[ModelColumn, ...]
) -> None:
    statements = [f"comment on {noun} {place} is {quoted(text)}"]
    statements += [f'comment on column {place}."{each.name}" is {quoted(each.description)}' for each in columns]
    connection.execute(";\n".join(statements))


def _prepare() -> None:
    """Write the empty file of the installed models beside the SQL, and remove those of other versions."""
    models = load_models()
    path = prepared_file(models)
    if path.is_file():
        return
    for old in sql_folder().glob("template-*"):
        old.unlink()
    # renamed when it is complete: another process may look for it at the same time
    unfinished = path.with_suffix(".unfinished")
    make_template(models, unfinished)
    unfinished.replace(path)


if __name__ == "__main__":
    _prepare()
