"""Column lineage: which columns of which tables a column of a model is made of.

Lives here: following columns through one model's SQL; `python -m pulltasks.warehouse.sql.lineage` writes what it finds.
Does not live here: dependencies between models (models), how lineage is shown (assets).
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

# For each column of a model the `(table, column)` pairs one step up that it is made of; counts have none.
Lineage = Mapping[str, tuple[tuple[str, str], ...]]


def column_lineage(models: Models, kept: Kept | None = None) -> dict[str, Lineage]:
    """Return the lineage of each model.

    Args:
        models: all of them. One that sqlglot cannot follow has no lineage; whether it is right is checked elsewhere.
        kept: what was found before; None for what is kept beside the SQL of the installation.
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
    """Return all columns that a model may read, as sqlglot wants them."""
    of_models = {model.name: {column.name: column.type for column in model.columns} for model in models.in_order}
    of_tidy = {table.name: {column.name: column.sql_type for column in table.columns} for table in TABLES}
    return {"main": of_models, "before": of_models, "tidy": {**of_tidy, "build": {**BUILD_COLUMNS}}}


def _hash_of_columns(known: dict[str, Any]) -> str:
    return hash_of(repr(known))


def _followed(model: Model, known: dict[str, Any]) -> Lineage:
    """Follow the columns of a model through its SQL."""
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
    from sqlglot import exp

    pairs, seen, pending = set(), set(), [root]
    while pending:
        node = pending.pop()
        if id(node) not in seen:
            seen.add(id(node))
            pending += node.downstream
            if isinstance(node.source, exp.Table):
                schema, name = node.source.db, node.source.name
                pairs.add((name if schema == "main" else f"{schema}.{name}", node.name.split(".")[-1]))
    return tuple(sorted(pairs))


def found_anew() -> str:
    """Return what is to be kept of the installed models, as JSON; all of it parsed and followed anew."""
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
    (SQL_FOLDER / KEPT_FILE).write_text(found_anew(), encoding="utf-8")
