"""SQL models as they stand in sql/: one select a file, its header the one truth about its table.

Lives here: reading headers, finding dependencies and column lineage in the SQL, the order of building.
Does not live here: running models (warehouse), what a model means (its file).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pipelines.errors import ModelError
from pipelines.tables import TABLES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

SQL_FOLDER = Path(__file__).parent.parent / "sql"
LAYERS: dict[str, str | tuple[str, ...]] = {"staging": "stg_", "marts": ("dim_", "fct_"), "reports": "rpt_"}
KINDS = ("staging", "incremental", "table")
# What a model may read beside other models: the tidy tables of the day, and the day itself.
SOURCES = frozenset({f"tidy.{table.name}" for table in TABLES} | {"tidy.build"})

_HEADER = re.compile(r"--\s?(.*)")
_COLUMN = re.compile(r"(\w+) ([A-Z]+(?:\[\])*) \| (.+)")


@dataclass(frozen=True)
class ModelColumn:
    """One column as the header declares it; `type` is DuckDB's."""

    name: str
    type: str
    description: str


@dataclass(frozen=True)
class Model:
    """One SQL file.

    Attributes:
        kind: `staging` lives for one build; `table` is made afresh from other models; `incremental` adds a day to
            what it held before, which it may read under its own name.
        key: the columns that tell rows apart.
        replace: the columns by which new rows push out old ones; the key, unless the header says otherwise.
        checks: conditions that every row must meet.
        example: a query that shows what the table is good for; None for staging models.
        depends_on: the models it reads.
        sources: the tidy tables it reads.
    """

    name: str
    layer: str
    kind: Literal["staging", "incremental", "table"]
    description: str
    grain: str
    key: tuple[str, ...]
    replace: tuple[str, ...]
    columns: tuple[ModelColumn, ...]
    checks: tuple[str, ...]
    example: str | None
    sql: str
    depends_on: frozenset[str]
    sources: frozenset[str]

    @property
    def is_published(self) -> bool:
        """Whether analysts see it."""
        return self.kind != "staging"

    @property
    def digest(self) -> str:
        """Changes with anything in the file."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


@dataclass(frozen=True)
class CrossCheck:
    """A select over several models that must find nothing; `name` is the file's."""

    name: str
    description: str
    sql: str


@dataclass(frozen=True)
class Models:
    """All models in an order in which they can be built, and the checks over them."""

    in_order: tuple[Model, ...]
    checks: tuple[CrossCheck, ...]

    def __getitem__(self, name: str) -> Model:
        """The model of that name."""
        return next(model for model in self.in_order if model.name == name)

    def digest(self) -> str:
        """Changes with any of the SQL: what was built from other SQL is not built upon."""
        return hashlib.sha256("".join(model.name + model.digest for model in self.in_order).encode()).hexdigest()


def load_models(folder: Path = SQL_FOLDER) -> Models:
    """Read and check all models.

    Raises:
        ModelError: naming the file and what is wrong with it.
    """
    models = [
        _read(path, layer, prefix)
        for layer, prefix in LAYERS.items()
        for path in sorted((folder / layer).glob("*.sql"))
    ]
    if not models:
        raise ModelError(f"{folder}: no models there; is the installation whole?")
    known = {model.name for model in models}
    for model in models:
        if unknown := model.depends_on - known:
            raise ModelError(f"{model.name}: reads {', '.join(sorted(unknown))}, which no file in sql/ makes")
    return Models(_ordered(models), tuple(_read_check(path) for path in sorted((folder / "checks").glob("*.sql"))))


def _ordered(models: list[Model]) -> tuple[Model, ...]:
    by_name = {model.name: model for model in models}
    try:
        order = TopologicalSorter({model.name: sorted(model.depends_on) for model in models}).static_order()
        return tuple(by_name[name] for name in order)
    except CycleError as error:
        raise ModelError(f"models read each other in a circle: {' -> '.join(error.args[1])}") from None


def _read(path: Path, layer: str, prefix: str | tuple[str, ...]) -> Model:
    if not path.stem.startswith(prefix):
        raise ModelError(f"{path}: a model in {layer}/ has a name that begins with {prefix}")
    text = path.read_text(encoding="utf-8")
    header = [match[1] for line in text.splitlines() if (match := _HEADER.match(line))]
    fields = _Header(path, header)
    key = fields.names("key")
    tables = _tables_read(path, text) - {path.stem}
    kind = fields.one("kind")
    if kind not in KINDS:
        raise ModelError(f"{path}: kind is {kind!r}; it must be one of {', '.join(KINDS)}")
    columns = tuple(_column(path, value) for value in fields.all("column"))
    names = [column.name for column in columns]
    if strange := [name for name in (*key, *fields.names("replace")) if name not in names]:
        raise ModelError(f"{path}: key or replace names {', '.join(strange)}, which is no column")
    return Model(
        name=path.stem,
        layer=layer,
        kind=kind,  # type: ignore[arg-type]  # checked above
        description=fields.description,
        grain=fields.one("grain"),
        key=key,
        replace=fields.names("replace") or key,
        columns=columns,
        checks=tuple(fields.all("check")),
        example=fields.one("example") if kind != "staging" else None,
        sql=text,
        depends_on=frozenset(name for name in tables if not name.startswith("tidy.")),
        sources=frozenset(name for name in tables if name.startswith("tidy.")),
    )


class _Header:
    """The comment lines at the top of a model: prose, then `name: value` lines."""

    def __init__(self, path: Path, lines: list[str]) -> None:
        self._path = path
        self._fields = [
            (name, value)
            for name, colon, value in (line.partition(": ") for line in lines)
            if colon and name.islower() and name in {"kind", "grain", "example", "key", "replace", "column", "check"}
        ]
        first = next((i for i, line in enumerate(lines) if line.startswith("kind: ")), len(lines))
        self.description = " ".join(lines[:first])
        if not self.description:
            raise ModelError(f"{path}: the header must begin with a description")

    def all(self, name: str) -> list[str]:
        return [value for key, value in self._fields if key == name]

    def one(self, name: str) -> str:
        values = self.all(name)
        if len(values) != 1:
            raise ModelError(f"{self._path}: the header must have one line '-- {name}: …', it has {len(values)}")
        return values[0]

    def names(self, name: str) -> tuple[str, ...]:
        return tuple(part.strip() for value in self.all(name) for part in value.split(","))


def _column(path: Path, text: str) -> ModelColumn:
    match = _COLUMN.fullmatch(text)
    if match is None:
        raise ModelError(f"{path}: '-- column: {text}' is not of the form '-- column: name TYPE | description'")
    return ModelColumn(match[1], match[2], match[3])


def _read_check(path: Path) -> CrossCheck:
    text = path.read_text(encoding="utf-8")
    header = [match[1] for line in text.splitlines() if (match := _HEADER.match(line))]
    if not header:
        raise ModelError(f"{path}: the header must say what the check means")
    return CrossCheck(path.stem, " ".join(header), text)


def _tables_read(path: Path, text: str) -> set[str]:
    """Every table that the select names, itself included; common table expressions are not tables."""
    from sqlglot import exp, parse_one
    from sqlglot.errors import ParseError
    from sqlglot.optimizer.scope import traverse_scope

    try:
        tree = parse_one(text, dialect="duckdb")
    except ParseError as error:
        raise ModelError(f"{path}: {error}") from None
    if not isinstance(tree, exp.Query):
        raise ModelError(f"{path}: a model is one select")
    found = {
        f"{source.db}.{source.name}" if source.db else source.name
        for scope in traverse_scope(tree)
        for source in scope.sources.values()
        if isinstance(source, exp.Table)
    }
    if strange := sorted(name for name in found if not name or ("." in name and name not in SOURCES)):
        raise ModelError(f"{path}: reads {', '.join(strange) or 'a function'}; a model reads tidy.* and models only")
    return found


def column_lineage(model: Model, models: Models) -> Mapping[str, tuple[tuple[str, str], ...]]:
    """For each column the `(table, column)` pairs one step up that it is made of; counts have none."""
    from sqlglot import exp
    from sqlglot.errors import SqlglotError
    from sqlglot.lineage import lineage

    schema: dict[str, object] = {
        other.name: {column.name: column.type for column in other.columns} for other in models.in_order
    }
    schema["tidy"] = {
        **{table.name: {column.name: "VARCHAR" for column in table.columns} for table in TABLES},
        "build": {"snapshot_date": "DATE"},
    }
    # sqlglot wants every table at the same depth
    nested = {"main": {k: v for k, v in schema.items() if k != "tidy"}, "tidy": schema["tidy"]}
    found: dict[str, tuple[tuple[str, str], ...]] = {}
    for column in model.columns:
        try:
            root = lineage(column.name, model.sql, schema=nested, dialect="duckdb")
        except (SqlglotError, ValueError):
            continue  # a column that the parser cannot follow has no lineage; the model itself is checked elsewhere
        pairs = {
            (
                node.source.name if not node.source.db else f"{node.source.db}.{node.source.name}",
                node.name.split(".")[-1],
            )
            for node in root.walk()
            if isinstance(node.source, exp.Table)
        }
        found[column.name] = tuple(sorted(pairs))
    return found


def with_ancestors(models: Models, names: Iterable[str]) -> list[Model]:
    """The named models and all that they are built from, in order of building."""
    wanted: set[str] = set()
    pending = list(names)
    while pending:
        name = pending.pop()
        if name not in wanted:
            wanted.add(name)
            pending += models[name].depends_on
    return [model for model in models.in_order if model.name in wanted]
