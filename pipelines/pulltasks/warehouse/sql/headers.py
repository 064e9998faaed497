"""The header of a model: the comment at the beginning of its file, the single source for its table.

Lives here: reading headers, resolving `like:` into columns.
Does not live here: the tables that the SQL reads (models), models and kinds (kinds).
"""

from __future__ import annotations

import re
from functools import cache
from itertools import takewhile
from typing import TYPE_CHECKING

from pulltasks.errors import ModelError
from pulltasks.tables import TABLES
from pulltasks.warehouse.sql.kinds import ModelColumn, Moves

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

# The columns that `like: target` means, and their names in models.
_TARGET_COLUMNS = {"project_id": "project_id", "region": "region", "name": "target_name"}

_COMMENT = re.compile(r"--\s?(.*)")
FIELD = re.compile(r"([A-Za-z_]+): (.*)")
_COLUMN = re.compile(r"(\w+) ([A-Z]+(?:\[\])*) \| (.+)")
_LIKE = re.compile(r"([\w.]+)(?: \((\w+(?:, \w+)*)\))?")
_MOVES = re.compile(r"(\w+(?:, *\w+)*) from (stg_\w+)")
_ONCE = frozenset({"kind", "grain", "example", "key", "replace", "parts", "moves", "coverage"})
_REPEATED = frozenset({"argument", "column", "like", "check"})


def leading_comment(text: str) -> list[str]:
    """Return the comment lines at the beginning of a file; comments further down are not part of the header."""
    return [match[1] for line in takewhile(_COMMENT.match, text.splitlines()) if (match := _COMMENT.match(line))]


class Header:
    """The leading comment of a model: prose, then `name: value` lines and nothing else."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.fields: list[tuple[str, str]] = []
        prose: list[str] = []
        for number, line in enumerate(leading_comment(text), 1):
            match = FIELD.fullmatch(line)
            if match and match[1] in _ONCE | _REPEATED:
                if match[1] in _ONCE and self.all(match[1]):
                    raise ModelError(f"{path}:{number}: the header says '-- {match[1]}: …' twice")
                if (match[1], match[2]) in self.fields:
                    raise ModelError(f"{path}:{number}: the header says '-- {line}' twice")
                self.fields.append((match[1], match[2]))
            elif match:
                raise ModelError(
                    f"{path}:{number}: '{match[1]}' is not a key of a header; the keys are "
                    f"{', '.join(sorted(_ONCE | _REPEATED))}"
                )
            elif self.fields:
                raise ModelError(f"{path}:{number}: '-- {line}' is not of the form '-- key: value'; prose comes first")
            else:
                prose.append(line)
        self.description = " ".join(prose)
        if not self.description:
            raise ModelError(f"{path}: the header must begin with a description")

    def all(self, name: str) -> list[str]:
        """Return the values of a key, in their order."""
        return [value for key, value in self.fields if key == name]

    def one(self, name: str) -> str:
        """Return the value of a key that a header must have once."""
        values = self.all(name)
        if len(values) != 1:
            raise ModelError(f"{self.path}: the header must have one line '-- {name}: …', it has {len(values)}")
        return values[0]

    def names(self, name: str) -> tuple[str, ...]:
        """Return the names after a key, which are separated by commas."""
        return tuple(part.strip() for value in self.all(name) for part in value.split(","))


def _column(path: Path, text: str) -> ModelColumn:
    match = _COLUMN.fullmatch(text)
    if match is None:
        raise ModelError(f"{path}: '-- column: {text}' is not of the form '-- column: name TYPE | description'")
    return ModelColumn(match[1], match[2], match[3])


def moves_in(path: Path, text: str) -> Moves:
    """Parse the line `-- moves: column, column from stg_model`."""
    match = _MOVES.fullmatch(text)
    if match is None:
        raise ModelError(f"{path}: '-- moves: {text}' is not of the form '-- moves: column, column from stg_model'")
    return Moves(tuple(re.split(", *", match[1])), match[2])


def columns_in(name: str, headers: Mapping[str, Header], within: tuple[str, ...] = ()) -> dict[str, ModelColumn]:
    """Return the columns of a model in the order of its header, by name.

    `like` means the columns of another table; a line `column` gives one of them another description. `within` are the
    models whose `like` led here, so that a circle of them is an error.
    """
    header, found, own = headers[name], dict[str, ModelColumn](), dict[str, ModelColumn]()
    for key, value in header.fields:
        if key == "column":
            column = _column(header.path, value)
            if column.name in own:
                raise ModelError(f"{header.path}: the header describes the column {column.name} twice")
            found[column.name] = own[column.name] = column
        elif key == "like":
            found = {**found, **_alike(value, header.path, headers, (*within, name)), **found}
    return {**found, **own}


def _alike(text: str, path: Path, headers: Mapping[str, Header], within: tuple[str, ...]) -> dict[str, ModelColumn]:
    """Return the columns that a line `-- like: table (column, column)` means; all columns if it names none."""
    match = _LIKE.fullmatch(text)
    table, named = match.groups() if match else (text, None)
    if table in headers and table not in within:
        columns = columns_in(table, headers, within)
    elif table in (described := _described()):
        columns = described[table]
    else:
        raise ModelError(f"{path}: like {table}: not a model, not a tidy table, or like this model itself")
    names = named.split(", ") if named else list(columns)
    if strange := [name for name in names if name not in columns]:
        raise ModelError(f"{path}: like {table}: it has no column {', '.join(strange)}")
    return {name: columns[name] for name in names}


@cache
def _described() -> dict[str, dict[str, ModelColumn]]:
    """Return the columns of the tidy tables and of a target, with the types and descriptions that models use."""
    tidy = {
        f"tidy.{table.name}": {
            column.name: ModelColumn(
                column.name,
                column.sql_type,
                f"{column.description[:-1]}, UTC." if column.unit == "UTC" else column.description,
            )
            for column in table.columns
        }
        for table in TABLES
    }
    of_target = {
        shown: ModelColumn(shown, "VARCHAR", tidy["tidy.captures"][name].description)
        for name, shown in _TARGET_COLUMNS.items()
    }
    return {"target": of_target, **tidy}
