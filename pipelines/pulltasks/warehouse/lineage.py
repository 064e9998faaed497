"""Column lineage: which columns of which tables a column of a model is made of.

Lives here: following columns through the SQL of one model.
Does not live here: dependencies between models (models), how lineage is shown (assets).
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import TYPE_CHECKING

from pulltasks.tables import TABLES
from pulltasks.warehouse.models import BUILD_COLUMNS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlglot.lineage import Node
    from sqlglot.schema import Schema

    from pulltasks.warehouse.kinds import Model
    from pulltasks.warehouse.models import Models


@cache
def column_lineage(model: Model, models: Models) -> Mapping[str, tuple[tuple[str, str], ...]]:
    """For each column the `(table, column)` pairs one step up that it is made of; counts have none.

    Found once a process. A model that sqlglot cannot follow has no lineage; whether it is right is checked elsewhere.
    """
    from sqlglot import exp, parse_one
    from sqlglot.errors import SqlglotError
    from sqlglot.lineage import lineage

    tree = parse_one(model.sql, dialect="duckdb")
    for table in tree.find_all(exp.Table):
        if not table.db and table.name in model.depends_on:
            table.set("db", exp.to_identifier("main"))  # the same name is in `before` as well
    try:
        roots = lineage(None, tree, schema=_schema_of(models), dialect="duckdb", trim_selects=False, copy=False)
    except (SqlglotError, ValueError):
        return {}
    return {column.name: _tables_behind(roots[column.name]) for column in model.columns if column.name in roots}


@lru_cache(maxsize=1)
def _schema_of(models: Models) -> Schema:
    """All columns that a model may read, as sqlglot wants them."""
    from sqlglot.schema import MappingSchema

    of_models = {model.name: {column.name: column.type for column in model.columns} for model in models.in_order}
    of_tidy = {table.name: {column.name: column.sql_type for column in table.columns} for table in TABLES}
    known: dict[str, object] = {"main": of_models, "before": of_models, "tidy": {**of_tidy, "build": {**BUILD_COLUMNS}}}
    return MappingSchema(known, dialect="duckdb")


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
