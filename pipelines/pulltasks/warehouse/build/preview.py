"""A few rows of a model, to see what it looks like.

Lives here: taking them, and cutting them short.
Does not live here: which rows may be seen (what a model holds is masked before), where they are shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

    from pulltasks.warehouse.sql.kinds import Model

ROWS = 5
CHARACTERS = 80


@dataclass(frozen=True)
class Preview:
    """Rows as short texts; what is null is empty."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def first_rows(connection: duckdb.DuckDBPyConnection, model: Model, place: str | None) -> Preview:
    """The first rows of a model.

    Args:
        connection: where the model was built.
        model: whose columns they have.
        place: the table or view; None for columns without rows.
    """
    columns = tuple(column.name for column in model.columns)
    found = connection.execute(f"from {place} limit {ROWS}").fetchall() if place else []
    return Preview(columns, tuple(tuple(_short(cell) for cell in row) for row in found))


def _short(cell: object) -> str:
    text = "" if cell is None else str(cell)
    return text if len(text) <= CHARACTERS else text[: CHARACTERS - 1] + "…"
