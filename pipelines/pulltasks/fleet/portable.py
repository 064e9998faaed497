"""Turn one model, a file in DuckDB's SQL, into a select over the united tables.

Lives here: writing out stars and groups, replacing the tables that a model reads, turning macros into views.
Does not live here: the differences of Spark (dialects), the statements around a select (statements).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from sqlglot import exp, parse_one
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify
from sqlglot.schema import MappingSchema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pulltasks.fleet.dialects import Dialect

# The common table expression of a macro that holds its argument, a day; in a view it holds every day.
ASKED = "asked"
EVERY_DAY = "select distinct snapshot_date from dim_dates"


class Portable:
    """Writes the selects of sql/ for one engine."""

    def __init__(self, dialect: Dialect, columns: Mapping[str, Mapping[str, str]], renamed: Mapping[str, str]) -> None:
        """Take the engine, the columns of all readable tables with DuckDB's types, and the tables to replace by others.

        Args:
            dialect: the engine.
            columns: by table, the columns with their DuckDB types.
            renamed: by table, the one that is read in place of it.
        """
        self._dialect = dialect
        self._schema = MappingSchema(dict(columns), dialect="duckdb")
        self._renamed = renamed

    def view(self, sql: str, types: Mapping[str, str]) -> tuple[list[str], str]:
        """Return the names of a view's columns in order, and its select; a macro's argument becomes a column.

        Args:
            sql: the text of the file.
            types: the DuckDB type of each column.
        """
        tree = self._read(sql)
        _take_every_day(tree)
        tree = self._written_out(tree)
        return tree.named_selects, self._written(tree, types)

    def macro(self, sql: str) -> str:
        """Return a macro's select with its argument, for DuckDB."""
        return _duckdb(self._written_out(self._read(sql), has_argument=True))

    def question(self, sql: str) -> str:
        """Translate a user's query from DuckDB's SQL: the argument of a macro becomes a condition on a view."""
        tree = cast("exp.Query", parse_one(sql, dialect="duckdb"))
        for table in list(tree.find_all(exp.Table)):
            if isinstance(table.this, exp.Anonymous):
                (day,) = table.this.expressions
                rows = exp.select("*").from_(table.this.name).where(exp.column("snapshot_date").eq(day))
                table.replace(rows.subquery(table.alias or table.this.name))
        tree = self._written_out(tree, has_stars=True)
        annotate_types(tree, schema=self._schema, dialect="duckdb")
        self._dialect.rewrite(tree)
        return tree.sql(self._dialect.name, pretty=True, comments=False)

    def _read(self, sql: str) -> exp.Query:
        tree = cast("exp.Query", parse_one(sql, dialect="duckdb"))
        for table in tree.find_all(exp.Table):
            if table.name in self._renamed:
                # the old name stays as an alias, so that columns qualified with it are still found
                table.set("alias", table.args.get("alias") or exp.TableAlias(this=exp.to_identifier(table.name)))
                table.set("this", exp.to_identifier(self._renamed[table.name]))
        return tree

    def _written_out(self, tree: exp.Query, *, has_argument: bool = False, has_stars: bool = False) -> exp.Query:
        tree = qualify(
            tree,
            schema=self._schema,
            dialect="duckdb",
            quote_identifiers=False,
            expand_stars=not has_stars,
            validate_qualify_columns=not has_argument,
        )
        for select in tree.find_all(exp.Select):
            _name_groups(select)
            _name_order(select)
        _drop_echoes(tree)
        return tree

    def _written(self, tree: exp.Query, types: Mapping[str, str]) -> str:
        if not self._dialect.rewrites:
            return _duckdb(tree)
        # the rewrites depend on types: dates subtract otherwise than numbers
        names = tree.named_selects
        annotate_types(tree, schema=self._schema, dialect="duckdb")
        self._dialect.rewrite(tree)
        # Engines give sums and differences types of their own, so each column is cast to the type in the header.
        casts = ",\n".join(f"  CAST(rows_of.{name} AS {self._dialect.types[types[name]]}) AS {name}" for name in names)
        return f"SELECT\n{casts}\nFROM (\n{tree.sql(self._dialect.name, pretty=True, comments=False)}\n) AS rows_of"


def _duckdb(tree: exp.Query) -> str:
    return tree.sql("duckdb", pretty=True, comments=False)


def _take_every_day(tree: exp.Query) -> None:
    """Turn a macro into a view: the one relation that holds its argument gets every day instead."""
    for relation in tree.find_all(exp.CTE):
        if relation.alias == ASKED:
            relation.set("this", parse_one(EVERY_DAY, dialect="duckdb"))
            relation.set("materialized", None)
    for table in tree.find_all(exp.Table):
        if isinstance(table.this, exp.Anonymous):
            table.set("this", exp.to_identifier(table.this.name))


def _name_groups(select: exp.Select) -> None:
    """Write out `group by all`: every column that is not an aggregate."""
    group = select.args.get("group")
    if group is not None and group.args.get("all"):
        plain = [each.unalias() for each in select.expressions if not each.find(exp.AggFunc)]
        select.set("group", exp.Group(expressions=[each.copy() for each in plain]))


def _name_order(select: exp.Select) -> None:
    """Write out `order by all`: every column, nulls last."""
    order = select.args.get("order")
    if order is not None and [each.this.name.upper() for each in order.expressions] == ["ALL"]:
        columns = [exp.Ordered(this=exp.column(name), nulls_first=False) for name in select.named_selects]
        order.set("expressions", columns)


def _drop_echoes(tree: exp.Query) -> None:
    """Remove aliases that repeat the name of their column or table, which `qualify` adds everywhere."""
    for alias in list(tree.find_all(exp.Alias)):
        if isinstance(alias.this, exp.Column) and alias.alias == alias.this.name:
            alias.replace(alias.this)
    for table in tree.find_all(exp.Table):
        if table.alias == table.name and not table.args["alias"].columns:
            table.set("alias", None)
