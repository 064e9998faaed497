"""A few rows of a model, for display.

Lives here: reading them, and cutting long texts.
Does not live here: masking (the rows of a model are masked already), displaying them (assets).
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
    """Rows as short texts; null is an empty text."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def first_rows(connection: duckdb.DuckDBPyConnection, model: Model, place: str | None) -> Preview:
    """Return the first five rows of a model, each text cut to 80 characters.

    Args:
        connection: to the database with the model's rows.
        model: the model.
        place: the table or view; None for columns without rows.
    """
    columns = tuple(column.name for column in model.columns)
    found = connection.execute(f"from {place} limit {ROWS}").fetchall() if place else []
    return Preview(columns, tuple(tuple(_short(cell) for cell in row) for row in found))


def _short(cell: object) -> str:
    text = "" if cell is None else str(cell)
    return text if len(text) <= CHARACTERS else text[: CHARACTERS - 1] + "…"
