"""Column lineage: from which columns of which tables a column of a model is computed.

Lives here: following columns through one model's SQL; `python -m pulltasks.warehouse.sql.lineage` writes reads.json.
Does not live here: dependencies between models (models), showing the lineage (assets).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from pulltasks.tables import TABLES
from pulltasks.warehouse.sql.kinds import hash_of
from pulltasks.warehouse.sql.models import (
    BEFORE,
    BUILD_COLUMNS,
    KEPT_FILE,
    NOTHING_KEPT,
    SQL_FOLDER,
    Kept,
    KeptText,
    kept_of,
    read_models,
)

if TYPE_CHECKING:
    from sqlglot.lineage import Node

    from pulltasks.warehouse.sql.kinds import Model
    from pulltasks.warehouse.sql.models import Models

# For each column of a model the `(table, column)` pairs that it is computed from, one step up; counts have none.
Lineage = Mapping[str, tuple[tuple[str, str], ...]]


def column_lineage(models: Models, kept: Kept | None = None) -> dict[str, Lineage]:
    """Return the lineage of each model, by name.

    Args:
        models: all models. One that sqlglot cannot follow gets no lineage; its SQL is checked elsewhere.
        kept: the stored lineage; None for the one in `sql/reads.json` of the installation.
    """
    known = _columns_known(models)
    kept = kept_of(SQL_FOLDER) if kept is None else kept
    texts = kept.models if kept.columns == _hash_of_columns(known) else {}
    return {
        model.name: {column: tuple(map(_pair, pairs.split())) for column, pairs in text.lineage.items()}
        if (text := texts.get(model.name)) and text.is_of(model.sql)
        else _followed(model, known)
        for model in models.in_order
    }


def _pair(text: str) -> tuple[str, str]:
    table, _, column = text.rpartition(".")
    return table, column


def _columns_known(models: Models) -> dict[str, Any]:
    """Return all columns that a model may read, as a schema for sqlglot."""
    of_models = {model.name: {column.name: column.type for column in model.columns} for model in models.in_order}
    of_tidy = {table.name: {column.name: column.sql_type for column in table.columns} for table in TABLES}
    return {"main": of_models, "before": of_models, "tidy": {**of_tidy, "build": {**BUILD_COLUMNS}}}


def _hash_of_columns(known: dict[str, Any]) -> str:
    return hash_of(repr(known))


def _followed(model: Model, known: dict[str, Any]) -> Lineage:
    """Return the lineage of one model, by parsing its SQL; empty if sqlglot cannot follow it."""
    # imported here: sqlglot is slow to import, and the stored lineage is nearly always enough
    from sqlglot import exp, parse_one
    from sqlglot.errors import SqlglotError
    from sqlglot.lineage import lineage
    from sqlglot.optimizer.qualify import qualify
    from sqlglot.optimizer.scope import build_scope
    from sqlglot.schema import MappingSchema

    tree = parse_one(model.sql, dialect="duckdb")
    for table in tree.find_all(exp.Table):
        if not table.db and table.name in model.depends_on:
            table.set("db", exp.to_identifier("main"))  # the same name is in `before` as well
    for column in list(tree.find_all(exp.Column)):
        if column.name in model.arguments and not column.table:
            column.replace(exp.null())  # else sqlglot takes an argument for a column of the nearest table
    schema = MappingSchema(known, dialect="duckdb")
    try:
        tree = qualify(tree, schema=schema, dialect="duckdb", validate_qualify_columns=False, identify=False)
        for union in tree.find_all(exp.SetOperation):
            if union.args.get("by_name"):  # sqlglot follows columns by their place in it
                right = {select.alias_or_name: select for select in union.right.selects}
                union.right.set("expressions", [right.get(name, exp.null()) for name in union.left.named_selects])
        scope = build_scope(tree)
        roots = lineage(None, tree, schema=schema, dialect="duckdb", scope=scope, trim_selects=False, copy=False)
    except (SqlglotError, ValueError):
        return {}
    return {column.name: _tables_behind(roots[column.name]) for column in model.columns if column.name in roots}


def _tables_behind(root: Node) -> tuple[tuple[str, str], ...]:
    """Return the `(table, column)` pairs at the end of all paths from a column, sorted."""
    from sqlglot import exp

    pairs, seen, pending = set(), set(), [root]
    while pending:
        node = pending.pop()
        # a common table expression that is read twice gives two paths to the same node
        if id(node) not in seen:
            seen.add(id(node))
            pending += node.downstream
            if isinstance(node.source, exp.Table):
                schema, name = node.source.db, node.source.name
                pairs.add((name if schema == "main" else f"{schema}.{name}", node.name.split(".")[-1]))
    return tuple(sorted(pairs))


def parse_installed() -> str:
    """Parse all installed models, and return the content of `sql/reads.json`: their tables and their lineage."""
    models = read_models(SQL_FOLDER, NOTHING_KEPT)
    lineage = column_lineage(models, NOTHING_KEPT)
    texts = {
        model.name: KeptText(
            text=hash_of(model.sql),
            reads=" ".join(sorted(model.depends_on | model.sources | {BEFORE + name for name in model.reads_before})),
            lineage={
                column: " ".join(f"{table}.{name}" for table, name in pairs)
                for column, pairs in lineage[model.name].items()
            },
        )
        for model in sorted(models.in_order, key=lambda model: model.name)
    }
    kept = Kept(_hash_of_columns(_columns_known(models)), texts)
    return msgspec.json.format(msgspec.json.encode(kept), indent=1).decode() + "\n"


if __name__ == "__main__":
    (SQL_FOLDER / KEPT_FILE).write_text(parse_installed(), encoding="utf-8")
