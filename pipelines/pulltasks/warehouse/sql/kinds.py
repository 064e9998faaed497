"""A model and its kind: how models of that kind are built, loaded into their tables, and checked.

Lives here: the class of a model; the kinds, with the statements that load their rows.
Does not live here: reading models from sql/ (models), running their SQL (day_builder), finding wrong rows (checks).
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol

from pulltasks.sql_literals import without_comments

if TYPE_CHECKING:
    from collections.abc import Iterable

# The temporary table with the rows of a day, before they are loaded into a table with rows of earlier days.
MADE = "made"


@dataclass(frozen=True)
class ModelColumn:
    """One column of a header; `type` is a DuckDB type."""

    name: str
    type: str
    description: str


class Moves(NamedTuple):
    """The columns that a day updates in earlier rows, and the staging model with their new values."""

    columns: tuple[str, ...]
    source: str


@dataclass(frozen=True)
class Model:
    """One SQL file.

    Attributes:
        kind: how it is built, loaded and checked.
        key: the columns that identify a row.
        replace: the columns of the key by which new rows replace old ones; all, unless the header names some.
        arguments: the arguments of a macro.
        checks: conditions that every row must meet.
        parts: `tasks` if the rows of a task depend on its own rows only, so that the model may be built for some tasks
            at a time; the name of a model that numbers the parts, if this one reads its rows where the part is
            `tidy.build.part`; else None.
        moves: the columns that the day updates in otherwise unchanged earlier rows (`-- moves: a, b from stg_c`).
        example: a query that shows the use of the table; None for a model that is not published.
        depends_on: the models it reads.
        reads_before: the models of which it reads the rows from before the day.
        sources: the tidy tables it reads.
        coverage: why its rows need no coverage columns; None where they have them, or where it is not published.
    """

    name: str
    layer: str
    kind: Kind
    description: str
    grain: str
    key: tuple[str, ...]
    replace: tuple[str, ...]
    arguments: tuple[str, ...]
    columns: tuple[ModelColumn, ...]
    checks: tuple[str, ...]
    example: str | None
    parts: str | None
    moves: Moves | None
    sql: str
    depends_on: frozenset[str]
    reads_before: frozenset[str]
    sources: frozenset[str]
    coverage: str | None = None

    @property
    def place(self) -> str:
        """Its qualified name in a build."""
        return f"{self.kind.catalog}.main.{self.name}"

    @property
    def place_before(self) -> str:
        """The qualified name of its rows from before the day."""
        return f"before.main.{self.name}"

    @property
    def is_published(self) -> bool:
        """Tell whether analysts see it."""
        return self.kind.is_published

    @property
    def has_past(self) -> bool:
        """Tell whether it holds rows of earlier days, which models may read as `before.<name>`."""
        return self.kind.has_past

    @property
    def is_checked(self) -> bool:
        """Tell whether a build checks its key and conditions."""
        return self.kind.is_checked(self)

    @property
    def digest(self) -> str:
        """A hash that changes with its rows, its checks and its descriptions in the published file."""
        decisive = (
            self.description,
            self.grain,
            self.kind.name,
            self.key,
            self.replace,
            self.arguments,
            self.columns,
            self.checks,
            self.parts,
            self.moves,
        )
        return hash_of(self.name, without_comments(self.sql), repr(decisive))


def columns_of(columns: Iterable[ModelColumn]) -> str:
    """Return columns as the column list of a `create table`."""
    return ", ".join(f'"{column.name}" {column.type}' for column in columns)


def hash_of(*texts: str) -> str:
    """Return the SHA-256, in hex, of several texts."""
    # joined by NUL, which no text contains, so that ("ab", "c") and ("a", "bc") differ
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


class Built(NamedTuple):
    """The number of rows that a model holds after the build's last day, and the number that this day gave."""

    rows: int
    day_rows: int


class Builder(Protocol):
    """The services that a kind needs: running SQL for the current day on the unfinished file."""

    @property
    def adds_one_day(self) -> bool:
        """Tell whether the file began as a copy of the base; else it has no rows yet."""

    @property
    def starts_empty(self) -> bool:
        """Tell whether no model has rows from before the day."""

    def make(self, model: Model, place: str) -> int:
        """Run the model's select for the day, store its rows in `place`, and return their number."""

    def execute(self, model: Model, statement: str) -> int:
        """Run a statement of a model, and return the number of rows that it wrote."""

    def count(self, rows: str) -> int:
        """Return the number of rows of a table, a view or a subquery."""


class Kind(ABC):
    """A kind of model.

    Attributes:
        name: its name in headers.
        noun: the SQL word for its object in the database.
        catalog: the catalog of its models in a build.
        is_by_day: whether it is built for every day; if not, once after the last one.
        has_past: whether it holds rows of earlier days.
        is_published: whether analysts see it.
        takes_arguments: whether it has rows only when it is called with arguments.
    """

    name: ClassVar[str]
    noun: ClassVar[str] = "table"
    catalog: ClassVar[str] = "warehouse"
    is_by_day: ClassVar[bool] = True
    has_past: ClassVar[bool] = False
    is_published: ClassVar[bool] = True
    takes_arguments: ClassVar[bool] = False

    def create(self, model: Model) -> str:
        """Return the statement that creates the model in an empty file."""
        return f"create table {model.place} ({columns_of(model.columns)})"

    def select(self, model: Model) -> str:
        """Return a select that has the model's columns."""
        return without_comments(model.sql)

    @abstractmethod
    def build_day(self, builder: Builder, model: Model) -> None:
        """Build a model for a day that is not the last; the next day finds its rows in `before`."""

    @abstractmethod
    def build_last_day(self, builder: Builder, model: Model) -> Built:
        """Build a model for the last day, in its final place, and return the row counts."""

    def is_checked(self, model: Model) -> bool:
        """Tell whether a build counts and checks the rows of a model."""
        return True

    def unchecked(self, model: Model, *, adds_one_day: bool) -> tuple[str, str | None]:
        """Return the table with the unchecked rows, and a second one whose rows must not share a key with them."""
        return model.place, None


class Staging(Kind):
    """Rows of the current day, for other models; they are discarded after the build."""

    name = "staging"
    catalog = "staging"
    is_published = False

    def build_day(self, builder: Builder, model: Model) -> None:
        """Build it as on the last day, because its rows never live longer than the day."""
        self.build_last_day(builder, model)

    def build_last_day(self, builder: Builder, model: Model) -> Built:
        """Run its select once."""
        rows = builder.make(model, model.place)
        return Built(rows, rows)


class _WithPast(Kind):
    """Kinds whose select gives the rows of a day, which are added to the rows of earlier days."""

    has_past = True

    @abstractmethod
    def _load(self, model: Model, place: str) -> tuple[str, ...]:
        """Return the statements that load the new rows into a table with the rows of earlier days."""

    def build_day(self, builder: Builder, model: Model) -> None:
        """Load the day's rows into `before`, where the next day finds them."""
        builder.make(model, MADE)
        for statement in self._load(model, model.place_before):
            builder.execute(model, statement)

    def build_last_day(self, builder: Builder, model: Model) -> Built:
        """Load the day's rows into the file."""
        # without earlier rows the select writes straight into the table, which saves a copy
        if builder.starts_empty:
            rows = builder.make(model, model.place)
            return Built(rows, rows)
        day_rows = builder.make(model, MADE)
        # a copied base has the earlier rows already; an empty file gets them from `before`
        if not builder.adds_one_day:
            builder.execute(model, f"insert into {model.place} by name from {model.place_before}")
        for statement in self._load(model, model.place):
            builder.execute(model, statement)
        return Built(builder.count(model.place), day_rows)

    def unchecked(self, model: Model, *, adds_one_day: bool) -> tuple[str, str | None]:
        """Return only the day's rows if one day is added, because the build of an earlier row has checked it."""
        return (MADE, None) if adds_one_day else (model.place, None)


class Append(_WithPast):
    """A day's rows are added to the existing ones, which never change."""

    name = "append"

    def _load(self, model: Model, place: str) -> tuple[str, ...]:
        return (f"insert into {place} by name from {MADE}",)

    def unchecked(self, model: Model, *, adds_one_day: bool) -> tuple[str, str | None]:
        """Return the earlier rows as well: a new row with the key of an earlier one is an error."""
        return (MADE, model.place_before) if adds_one_day else (model.place, None)


class Merge(_WithPast):
    """A day's rows replace those of the same key; some columns of the other rows may be updated (`moves`)."""

    name = "merge"

    def _load(self, model: Model, place: str) -> tuple[str, ...]:
        replaced = f"delete from {place} as held using {MADE} as other where {_same(model.replace)}"
        added = f"insert into {place} by name from {MADE}"
        if model.moves is None:
            return replaced, added
        moved = ", ".join(f"{name} = other.{name}" for name in model.moves.columns)
        # the update comes first, while the table holds earlier rows only
        return (
            f"update {place} as held set {moved} from {model.moves.source} as other where {_same(model.key)}",
            replaced,
            added,
        )


def _same(key: tuple[str, ...]) -> str:
    # columns of a key may be null, which `=` would never find equal
    return " and ".join(f"held.{name} is not distinct from other.{name}" for name in key)


class _AtEnd(Kind):
    """Kinds that are built once, after the last day."""

    is_by_day = False

    def build_day(self, builder: Builder, model: Model) -> None:
        """Do nothing: these models are built after the last day."""


class Table(_AtEnd):
    """Built afresh at the end of a build."""

    name = "table"

    def build_last_day(self, builder: Builder, model: Model) -> Built:
        """Run its select once."""
        rows = builder.make(model, model.place)
        return Built(rows, rows)


class View(_AtEnd):
    """Evaluated when a reader queries it."""

    name = "view"
    noun = "view"

    def create(self, model: Model) -> str:
        """Return the statement that creates the view."""
        return f"create view {model.place} as {without_comments(model.sql)}"

    def build_last_day(self, builder: Builder, model: Model) -> Built:
        """Count its rows, if it is checked; the empty file has the view already."""
        rows = builder.count(model.place) if self.is_checked(model) else 0
        return Built(rows, rows)

    def is_checked(self, model: Model) -> bool:
        """Tell whether it is a report; other views show rows of models that were checked when they were stored."""
        return model.layer == "reports"


class Macro(_AtEnd):
    """Evaluated when a reader calls it with arguments."""

    name = "macro"
    noun = "macro table"
    takes_arguments = True

    def create(self, model: Model) -> str:
        """Return the statement that creates the macro."""
        return f"create macro {model.place}({', '.join(model.arguments)}) as table {without_comments(model.sql)}"

    def select(self, model: Model) -> str:
        """Return a call of it in which all arguments are null."""
        return f"from {model.place}({', '.join(['null'] * len(model.arguments))})"

    def build_last_day(self, builder: Builder, model: Model) -> Built:
        """Do nothing: the empty file has the macro already."""
        return Built(0, 0)

    def is_checked(self, model: Model) -> bool:
        """Return False: a macro has no rows until it is called."""
        return False


KINDS: dict[str, Kind] = {kind.name: kind for kind in (Staging(), Append(), Merge(), Table(), View(), Macro())}
