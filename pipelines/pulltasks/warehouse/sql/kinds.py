"""One model and its kind: how a model of that kind is built, loaded into its place, and checked.

Lives here: what a model is; the kinds, with the statements that bring their rows to where they belong.
Does not live here: reading models from sql/ (models), running their SQL (day_builder), looking for wrong rows (checks).
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple, Protocol

from pulltasks.sql_literals import without_comments

if TYPE_CHECKING:
    from collections.abc import Iterable

# Where the rows of a day lie before they are loaded, if the place holds rows of earlier days as well.
MADE = "made"


@dataclass(frozen=True)
class ModelColumn:
    """One column as the header declares it; `type` is DuckDB's."""

    name: str
    type: str
    description: str


class Moves(NamedTuple):
    """Columns that a day moves in rows from before it, and the staging model that says to what."""

    columns: tuple[str, ...]
    source: str


@dataclass(frozen=True)
class Model:
    """One SQL file.

    Attributes:
        kind: how it is built, loaded and checked.
        key: the columns that tell rows apart.
        replace: those of the key by which new rows push out old ones; all, unless the header says otherwise.
        arguments: what a macro is called with.
        checks: conditions that every row must meet.
        parts: `tasks`, where the rows of a task come of its own rows alone, so that it may be built for some tasks
            after the others; a model that numbers the parts, where it reads of that what `tidy.build.part` says; else
            None.
        moves: what changes in rows from before the day that do not change otherwise (`-- moves: a, b from stg_c`).
        example: a query that shows what the table is good for; None for what is not published.
        depends_on: the models it reads.
        reads_before: the models that it reads as they stood before the day.
        sources: the tidy tables it reads.
        coverage: why its rows need not say how many targets they cover; None where they do, or are not published.
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
        """Whether analysts see it."""
        return self.kind.is_published

    @property
    def has_past(self) -> bool:
        """Whether it holds rows of earlier days, which models may read as `before.<name>`."""
        return self.kind.has_past

    @property
    def is_checked(self) -> bool:
        """Whether its key and conditions are looked at in a build."""
        return self.kind.is_checked(self)

    @property
    def digest(self) -> str:
        """Return what changes with its rows, how they are checked, and what is said of it in a published file."""
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
    """Return columns as a statement that creates a table names them."""
    return ", ".join(f'"{column.name}" {column.type}' for column in columns)


def hash_of(*texts: str) -> str:
    """A hash that changes with any of the texts."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()


class Built(NamedTuple):
    """How many rows a model holds after the build's last day, and how many that day gave."""

    rows: int
    day_rows: int


class Builder(Protocol):
    """What a kind builds with: the day that was entered, and the unfinished file."""

    @property
    def adds_one_day(self) -> bool:
        """Tell whether the file began as a copy of what there was before that day; else it has no rows yet."""

    @property
    def starts_empty(self) -> bool:
        """Tell whether nothing was held before that day."""

    def make(self, model: Model, place: str) -> int:
        """Run the model's select for the day, into a place; return how many rows it gave."""

    def execute(self, model: Model, statement: str) -> int:
        """Run a statement on behalf of a model; return how many rows it wrote."""

    def count(self, rows: str) -> int:
        """Return how many rows there are."""


class Kind(ABC):
    """What models of one kind have in common.

    Attributes:
        name: what the header says.
        noun: what the database calls what a model becomes.
        catalog: where it stands in a build.
        is_by_day: whether it is built for every day; if not, once after the last one.
        has_past: whether it holds rows of earlier days.
        is_published: whether analysts see it.
        takes_arguments: whether there is nothing to be seen of it before it is called.
    """

    name: ClassVar[str]
    noun: ClassVar[str] = "table"
    catalog: ClassVar[str] = "warehouse"
    is_by_day: ClassVar[bool] = True
    has_past: ClassVar[bool] = False
    is_published: ClassVar[bool] = True
    takes_arguments: ClassVar[bool] = False

    def create(self, model: Model) -> str:
        """Return the statement that makes the model in an empty file."""
        return f"create table {model.place} ({columns_of(model.columns)})"

    def select(self, model: Model) -> str:
        """Return a select with its columns, once it is made."""
        return without_comments(model.sql)

    @abstractmethod
    def build_day(self, builder: Builder, model: Model) -> None:
        """Build a model for a day that is not the last: what it holds then is what the next day finds before it."""

    @abstractmethod
    def build_last_day(self, builder: Builder, model: Model) -> Built:
        """Build a model for the last day, into its final place."""

    def is_checked(self, model: Model) -> bool:
        """Whether the rows of a model are counted and looked at in a build."""
        return True

    def unchecked(self, model: Model, *, adds_one_day: bool) -> tuple[str, str | None]:
        """The rows that no build has looked at, and those of earlier days that must not share a key with them."""
        return model.place, None


class Staging(Kind):
    """The day alone, for other models; gone after the build."""

    name = "staging"
    catalog = "staging"
    is_published = False

    def build_day(self, builder: Builder, model: Model) -> None:
        """As on the last day."""
        self.build_last_day(builder, model)

    def build_last_day(self, builder: Builder, model: Model) -> Built:
        """Run its select once."""
        rows = builder.make(model, model.place)
        return Built(rows, rows)


class _WithPast(Kind):
    """Kinds of models that give the rows of a day and hold those of earlier days beside them."""

    has_past = True

    @abstractmethod
    def _load(self, model: Model, place: str) -> tuple[str, ...]:
        """The statements that bring what was made into a place, which holds the rows of earlier days."""

    def build_day(self, builder: Builder, model: Model) -> None:
        """Load the day's rows into what the next day finds before it."""
        builder.make(model, MADE)
        for statement in self._load(model, model.place_before):
            builder.execute(model, statement)

    def build_last_day(self, builder: Builder, model: Model) -> Built:
        """Load the day's rows into the file."""
        if builder.starts_empty:
            rows = builder.make(model, model.place)
            return Built(rows, rows)
        day_rows = builder.make(model, MADE)
        if not builder.adds_one_day:
            builder.execute(model, f"insert into {model.place} by name from {model.place_before}")
        for statement in self._load(model, model.place):
            builder.execute(model, statement)
        return Built(builder.count(model.place), day_rows)

    def unchecked(self, model: Model, *, adds_one_day: bool) -> tuple[str, str | None]:
        """One day's rows alone, where those before it were looked at when they came."""
        return (MADE, None) if adds_one_day else (model.place, None)


class Append(_WithPast):
    """A day's rows are added to those that are there, which stay as they are."""

    name = "append"

    def _load(self, model: Model, place: str) -> tuple[str, ...]:
        return (f"insert into {place} by name from {MADE}",)

    def unchecked(self, model: Model, *, adds_one_day: bool) -> tuple[str, str | None]:
        """A row that shares its key with an earlier one is an error."""
        return (MADE, model.place_before) if adds_one_day else (model.place, None)


class Merge(_WithPast):
    """A day's rows replace those of the same key; of others it may move some columns."""

    name = "merge"

    def _load(self, model: Model, place: str) -> tuple[str, ...]:
        replaced = f"delete from {place} as held using {MADE} as other where {_same(model.replace)}"
        added = f"insert into {place} by name from {MADE}"
        if model.moves is None:
            return replaced, added
        moved = ", ".join(f"{name} = other.{name}" for name in model.moves.columns)
        return (
            f"update {place} as held set {moved} from {model.moves.source} as other where {_same(model.key)}",
            replaced,
            added,
        )


def _same(key: tuple[str, ...]) -> str:
    return " and ".join(f"held.{name} is not distinct from other.{name}" for name in key)


class _AtEnd(Kind):
    """Kinds of models that are made once, after the last day."""

    is_by_day = False

    def build_day(self, builder: Builder, model: Model) -> None:
        """There is nothing to do yet."""


class Table(_AtEnd):
    """Made afresh at the end of a build."""

    name = "table"

    def build_last_day(self, builder: Builder, model: Model) -> Built:
        """Run its select once."""
        rows = builder.make(model, model.place)
        return Built(rows, rows)


class View(_AtEnd):
    """Evaluated by the reader."""

    name = "view"
    noun = "view"

    def create(self, model: Model) -> str:
        """Return the statement that lets a reader evaluate it."""
        return f"create view {model.place} as {without_comments(model.sql)}"

    def build_last_day(self, builder: Builder, model: Model) -> Built:
        """Count its rows, if it is checked; the file has it from its beginning."""
        rows = builder.count(model.place) if self.is_checked(model) else 0
        return Built(rows, rows)

    def is_checked(self, model: Model) -> bool:
        """Only reports are checked; other views show history whose parts were checked when stored."""
        return model.layer == "reports"


class Macro(_AtEnd):
    """Evaluated by the reader, with arguments."""

    name = "macro"
    noun = "macro table"
    takes_arguments = True

    def create(self, model: Model) -> str:
        """Return the statement that lets a reader call it."""
        return f"create macro {model.place}({', '.join(model.arguments)}) as table {without_comments(model.sql)}"

    def select(self, model: Model) -> str:
        """Return a call of it, with arguments of no value."""
        return f"from {model.place}({', '.join(['null'] * len(model.arguments))})"

    def build_last_day(self, builder: Builder, model: Model) -> Built:
        """Do nothing: the file has it from its beginning."""
        return Built(0, 0)

    def is_checked(self, model: Model) -> bool:
        """There are no rows before it is called."""
        return False


KINDS: dict[str, Kind] = {kind.name: kind for kind in (Staging(), Append(), Merge(), Table(), View(), Macro())}
