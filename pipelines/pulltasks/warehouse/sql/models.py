"""Read the SQL models in sql/: one select per file, with a header that describes its table.

Lives here: finding dependencies in the SQL, the order of building; storing the dependencies of each text.
Does not live here: headers (headers), models and kinds (kinds), running models (working_copy), lineage (lineage).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING

import msgspec

from pulltasks.errors import ModelError
from pulltasks.sql_files import sql_folder
from pulltasks.sql_literals import without_comments
from pulltasks.tables import SCHEMA_VERSION, TABLES
from pulltasks.warehouse.sql.headers import FIELD, Header, columns_in, leading_comment, moves_in
from pulltasks.warehouse.sql.kinds import KINDS, Model, hash_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

SQL_FOLDER = sql_folder()
LAYERS: dict[str, str | tuple[str, ...]] = {
    "staging": "stg_",
    "marts": ("dim_", "fct_", "pull_tasks"),
    "reports": "rpt_",
    "macros": "",
}
# The dependencies and lineage of all texts, written by `make docs` after a change, so that no run has to parse them.
KEPT_FILE = "reads.json"
# A subquery of such a name would hide the model of that name. `pull_tasks` is a view; the tidy table is always written
# `tidy.pull_tasks`.
_PREFIXES = ("stg_", "dim_", "fct_", "rpt_", "pull_tasks")
# What a model may read beside other models: the tidy tables of the day, the day itself, and `before.<model>`, the rows
# of a model with a past from before the day.
SOURCES = frozenset({f"tidy.{table.name}" for table in TABLES} | {"tidy.build"})
BEFORE = "before."
# The columns of `tidy.build`, one row about the day being built; `part` is the current part, for models with parts.
BUILD_COLUMNS = {
    "snapshot_date": "DATE",
    "timezone": "VARCHAR",
    "display_timezone": "VARCHAR",
    "same_schema_since": "DATE",
    "part": "BIGINT",
    "text_per_part": "BIGINT",
}


class KeptText(msgspec.Struct, frozen=True):
    """The stored dependencies of one text of a model; they are used for exactly this text.

    Attributes:
        text: the hash of the text.
        reads: the tables that it reads, separated by spaces.
        lineage: for each column the `table.column`s that it is computed from, separated by spaces.
    """

    text: str
    reads: str
    lineage: dict[str, str]

    def is_of(self, text: str) -> bool:
        """Tell whether it belongs to this text."""
        return self.text == hash_of(text)


class Kept(msgspec.Struct, frozen=True):
    """The stored dependencies of all models; `columns` is the hash of the columns that they may read."""

    columns: str = ""
    models: dict[str, KeptText] = {}


NOTHING_KEPT = Kept()


@dataclass(frozen=True)
class CrossCheck:
    """A select over several models that must find no row; `name` is the name of its file."""

    name: str
    description: str
    sql: str


@dataclass(frozen=True)
class Models:
    """All models in an order in which they can be built, and the checks over them."""

    in_order: tuple[Model, ...]
    checks: tuple[CrossCheck, ...]

    def __getitem__(self, name: str) -> Model:
        """Return the model of that name."""
        return next(model for model in self.in_order if model.name == name)

    def digest(self) -> str:
        """Return a hash that changes with the SQL, its descriptions, or the schema of the tidy tables.

        A build never starts from one with another digest.
        """
        checks = (without_comments(check.sql) for check in self.checks)
        return hash_of(str(SCHEMA_VERSION), *(model.digest for model in self.in_order), *checks)


def load_models(folder: Path = SQL_FOLDER) -> Models:
    """Return all models of a folder, checked; those of the installation are read once per process.

    Raises:
        ModelError: with the file and its mistake.
    """
    return _installed_models() if folder == SQL_FOLDER else read_models(folder, kept_of(folder))


@cache
def _installed_models() -> Models:
    return read_models(SQL_FOLDER, kept_of(SQL_FOLDER))


def kept_of(folder: Path) -> Kept:
    """Read the stored dependencies of the texts in a folder; empty if there is no `reads.json`."""
    file = folder / KEPT_FILE
    return msgspec.json.decode(file.read_bytes(), type=Kept) if file.is_file() else NOTHING_KEPT


def read_models(folder: Path, kept: Kept) -> Models:
    """Read all models of a folder; parse each text whose dependencies are not stored.

    Raises:
        ModelError: with the file and its mistake.
    """
    texts = {
        path: path.read_text(encoding="utf-8") for layer in LAYERS for path in sorted((folder / layer).glob("*.sql"))
    }
    if not texts:
        raise ModelError(f"{folder}: no models there; is the installation whole?")
    tables = _tables_of(texts, kept)
    headers = {path.stem: Header(path, text) for path, text in texts.items()}
    models = [_checked(_read(path, text, tables[path], headers)) for path, text in texts.items()]
    known = {model.name for model in models}
    with_past = {model.name for model in models if model.has_past}
    late = {model.name for model in models if not model.kind.is_by_day}
    for model in models:
        if unknown := model.depends_on - known:
            raise ModelError(f"{model.name}: reads {', '.join(sorted(unknown))}, which no file in sql/ defines")
        if model.kind.is_by_day and (strange := model.depends_on & late):
            raise ModelError(
                f"{model.name}: is built day by day and reads {', '.join(sorted(strange))}, built at the end"
            )
        if strange := model.reads_before - with_past:
            raise ModelError(f"{model.name}: reads {', '.join(sorted(strange))} before the day, where nothing is held")
    return Models(_ordered(models), tuple(_read_check(path) for path in sorted((folder / "checks").glob("*.sql"))))


def _ordered(models: list[Model]) -> tuple[Model, ...]:
    """Return the models in an order in which they can be built.

    Each comes after the models that it reads, and after those that read its rows from before the day: building it may
    replace these rows.
    """
    by_name = {model.name: model for model in models}
    # sets have no order: sorted below, the models have the same order in every process
    first = {model.name: set(model.depends_on) for model in models}
    for model in models:
        for name in model.reads_before - {model.name}:
            first[name].add(model.name)
    try:
        order = TopologicalSorter({name: sorted(names) for name, names in first.items()}).static_order()
        return tuple(by_name[name] for name in order)
    except CycleError as error:
        raise ModelError(f"models read each other in a circle: {' -> '.join(error.args[1])}") from None


def _checked(model: Model) -> Model:
    names = {column.name for column in model.columns}
    if strange := [name for name in model.key if name not in names]:
        raise ModelError(f"{model.name}: key names {', '.join(strange)}, which is not a column")
    if strange := [name for name in model.replace if name not in model.key]:
        raise ModelError(f"{model.name}: replace names {', '.join(strange)}, which is not a part of the key")
    return model


def _read(path: Path, text: str, tables: frozenset[str], headers: Mapping[str, Header]) -> Model:
    layer = path.parent.name
    if not path.stem.startswith(LAYERS[layer]):
        raise ModelError(f"{path}: a model in {layer}/ has a name that begins with {LAYERS[layer]}")
    fields = headers[path.stem]
    strange = sorted(name for name in tables if "." in name and name not in SOURCES and not name.startswith(BEFORE))
    if strange:
        raise ModelError(f"{path}: reads {', '.join(strange)}; a model reads tidy.*, before.* and models only")
    if path.stem in tables:
        raise ModelError(f"{path}: reads itself; what it held before is before.{path.stem}")
    kind = KINDS.get(fields.one("kind"))
    if kind is None:
        raise ModelError(f"{path}: kind is {fields.one('kind')!r}; it must be one of {', '.join(KINDS)}")
    parts = fields.all("parts")
    if parts and parts != ["tasks"] and parts[0] not in tables:
        raise ModelError(f"{path}: parts is {parts[0]!r}; it can be tasks, or a model that it reads")
    if parts and parts != ["tasks"] and not kind.has_past:
        raise ModelError(f"{path}: a {kind.name} cannot be built in the parts of another model, as it holds no past")
    key = fields.names("key")
    moves = next((moves_in(path, value) for value in fields.all("moves")), None)
    return Model(
        name=path.stem,
        layer=layer,
        kind=kind,
        description=fields.description,
        grain=fields.one("grain"),
        key=key,
        replace=fields.names("replace") or key,
        arguments=tuple(fields.all("argument")),
        columns=tuple(columns_in(path.stem, headers).values()),
        checks=tuple(fields.all("check")),
        example=fields.one("example") if kind.is_published else None,
        parts=parts[0] if parts else None,
        moves=moves,
        sql=text,
        depends_on=frozenset([*(name for name in tables if "." not in name), *([moves.source] if moves else [])]),
        reads_before=frozenset(name.removeprefix(BEFORE) for name in tables if name.startswith(BEFORE)),
        sources=tables & SOURCES,
        coverage=next(iter(fields.all("coverage")), None),
    )


def _read_check(path: Path) -> CrossCheck:
    text = path.read_text(encoding="utf-8")
    header = leading_comment(text)
    if not header:
        raise ModelError(f"{path}: the header must say what the check means")
    for number, line in enumerate(header, 1):
        if match := FIELD.fullmatch(line):
            raise ModelError(f"{path}:{number}: '{match[1]}' is not allowed here: the header of a check has no keys")
    return CrossCheck(path.stem, " ".join(header), text)


def _tables_of(texts: Mapping[Path, str], kept: Kept) -> dict[Path, frozenset[str]]:
    """Return the tables that each text reads: as stored, else by parsing it."""
    tables = {
        path: frozenset(known.reads.split())
        for path, text in texts.items()
        if (known := kept.models.get(path.stem)) and known.is_of(text)
    }
    if unknown := [path for path in texts if path not in tables]:
        trees = _parsed([texts[path] for path in unknown])
        tables |= {path: _tables_read(path, tree) for path, tree in zip(unknown, trees, strict=True)}
    return tables


def _parsed(texts: list[str]) -> list[str]:
    """Return the syntax tree of each text as JSON, by DuckDB's own parser.

    One query for all texts takes half the time of one query per text.
    """
    import duckdb

    tree = "json_serialize_sql(unnest($1::varchar[]))"
    with duckdb.connect() as parser:
        return [row[0] for row in parser.execute(f"select {tree}", [texts]).fetchall()]


def _tables_read(path: Path, tree: str) -> frozenset[str]:
    """Return every table and table macro that the select names, without its own common table expressions."""
    parsed = msgspec.json.decode(tree)
    if parsed["error"] or len(parsed["statements"]) != 1:
        raise ModelError(f"{path}: a model is one select ({parsed.get('error_message', 'there are several')})")
    # DuckDB's tree has no list of tables, so all of it is searched, without recursion: a select may be deeply nested
    named: set[str] = set()
    own: set[str] = set()
    pending = [parsed["statements"]]
    while pending:
        node = pending.pop()
        if isinstance(node, list):
            pending += node
        elif isinstance(node, dict):
            pending += node.values()
            own.update(entry["key"] for entry in node.get("cte_map", {}).get("map", ()))
            if node.get("type") == "BASE_TABLE":
                named.add(f"{node['schema_name']}.{node['table_name']}".removeprefix("."))
            elif node.get("type") == "TABLE_FUNCTION":
                named.add(node["function"]["function_name"])
    if shadows := sorted(name for name in own if name.startswith(_PREFIXES)):
        raise ModelError(f"{path}: names a subquery {', '.join(shadows)} like a model; choose another name")
    return frozenset(named - own)


def with_ancestors(models: Models, names: Iterable[str]) -> list[Model]:
    """Return the named models and all models that they are built from, in order of building."""
    wanted: set[str] = set()
    pending = list(names)
    while pending:
        name = pending.pop()
        if name not in wanted:
            wanted.add(name)
            pending += models[name].depends_on
    return [model for model in models.in_order if model.name in wanted]
