"""The data dictionary, docs/tables.md: generated from the headers and from `tables`, never written by hand.

Lives here: the page's form; `python -m pulltasks.warehouse.sql.dictionary` prints it, `make docs` writes it.
Does not live here: the descriptions of columns (tables, the headers in sql/).
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from pulltasks.tables import SCHEMA_VERSION, TABLES, arrow_type
from pulltasks.warehouse.sql.meta import META
from pulltasks.warehouse.sql.models import load_models

if TYPE_CHECKING:
    from collections.abc import Iterable

_HEAD = f"""# Data dictionary

Made by `make docs` from the headers in `sql/` and from `tables.py`. Schema version {SCHEMA_VERSION}.

The warehouse, `lake/warehouse/pulltasks.duckdb`, is for everybody: secrets are masked. The tidy tables, Parquet under
`lake/tidy/`, are the lake owner's: they hold what the API answered, secrets included (`pulltasks query --unredacted`).
All times are UTC.
"""


def dictionary() -> str:
    """Return the page as Markdown."""
    parts = [_HEAD, "## Warehouse\n"]
    for model in load_models().in_order:
        if model.is_published:
            facts = [f"Grain: {model.grain}.", f"Key: {_names(model.key)}."]
            rows = [(column.name, column.type, column.description) for column in model.columns]
            parts += [*_section(model.name, model.description, facts, rows), f"```sql\n{model.example}\n```\n"]
    for name, (description, columns) in META.items():
        parts += _section(name, description, [], [(each.name, each.type, each.description) for each in columns])
    parts.append("## Tidy tables\n")
    for table in TABLES:
        facts = [f"Grain: {table.grain}.", f"Key: {_names(table.key)}."]
        rows = [(column.name, str(arrow_type(column.type)), column.meaning) for column in table.columns]
        parts += _section(table.name, table.description, facts, rows)
    return "\n".join(parts)


def _section(name: str, description: str, facts: list[str], rows: Iterable[tuple[str, str, str]]) -> list[str]:
    lines = [f"### {name}\n", " ".join([description, *facts]) + "\n", "| column | type | meaning |", "|---|---|---|"]
    # a bar in a description would end the cell of the Markdown table
    lines += [f"| `{column}` | {kind} | {text.replace('|', chr(92) + '|')} |" for column, kind, text in rows]
    return [*lines, ""]


def _names(key: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in key)


if __name__ == "__main__":
    sys.stdout.write(dictionary())
