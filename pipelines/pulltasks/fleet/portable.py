"""One model as the select that an engine runs: the file in sql/ is the one truth, and DuckDB's.

Lives here: stars and groups written out, what Spark and Trino write otherwise.
Does not live here: which models become views, and the statements around them (statements).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlglot import exp, parse_one
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.qualify import qualify
from sqlglot.schema import MappingSchema

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# The relation of a macro that holds the day it is called with; as a view it holds every day.
ASKED = "asked"
EVERY_DAY = "select distinct snapshot_date from dim_dates"


class Portable:
    """Models as selects of one engine."""

    def __init__(self, engine: str, columns: Mapping[str, Mapping[str, str]]) -> None:
        """Take the engine's name and, for each table that may be read, its columns with DuckDB's types."""
        self._engine = engine
        self._schema = MappingSchema(columns, dialect="duckdb")

    def select(self, sql: str, types: Mapping[str, str], *, renamed: Mapping[str, str]) -> tuple[list[str], str]:
        """A model's select, and the names of its columns in their order.

        Args:
            sql: what the file says.
            types: DuckDB's type of each column.
            renamed: tables that have another name among the united ones.
        """
        tree = parse_one(sql, dialect="duckdb")
        _take_every_day(tree)
        return self._finished(tree, types, renamed)

    def macro(self, sql: str, types: Mapping[str, str], *, renamed: Mapping[str, str]) -> str:
        """A macro's select with its argument, for DuckDB alone."""
        tree = parse_one(sql, dialect="duckdb")
        return self._finished(tree, types, renamed, has_argument=True)[1]

    def _finished(
        self,
        tree: exp.Expression,
        types: Mapping[str, str],
        renamed: Mapping[str, str],
        *,
        has_argument: bool = False,
    ) -> tuple[list[str], str]:
        for table in tree.find_all(exp.Table):
            if table.name in renamed and isinstance(table.this, exp.Identifier):
                table.set("alias", table.args.get("alias") or exp.TableAlias(this=exp.to_identifier(table.name)))
                table.set("this", exp.to_identifier(renamed[table.name]))
        tree = qualify(
            tree,
            schema=self._schema,
            dialect="duckdb",
            quote_identifiers=False,
            validate_qualify_columns=not has_argument,
        )
        for select in tree.find_all(exp.Select):
            _name_groups(select)
        names = list(tree.named_selects)
        if self._engine == "duckdb":
            return names, tree.sql(dialect="duckdb", pretty=True, comments=False)
        annotate_types(tree, schema=self._schema, dialect="duckdb")
        rewrite, declared = (_for_spark, SPARK_TYPES) if self._engine == "spark" else (_for_trino, TRINO_TYPES)
        for node in reversed(list(tree.walk(bfs=False))):  # what stands within comes first
            if (written := rewrite(node)) is not node:
                node.replace(written)
        if self._engine == "spark":
            for select in list(tree.find_all(exp.Select)):
                _unnest_at_once(select)
        text = tree.sql(dialect=self._engine, pretty=True, comments=False)
        # What an engine makes of sums and differences is its own affair; what a column is stands in the header.
        casts = ",\n  ".join(f"CAST(rows_of.{name} AS {declared[types[name]]}) AS {name}" for name in names)
        return names, f"SELECT\n  {casts}\nFROM (\n{text}\n) AS rows_of"


SPARK_TYPES = {
    "BIGINT": "BIGINT",
    "BOOLEAN": "BOOLEAN",
    "DATE": "DATE",
    "DOUBLE": "DOUBLE",
    "TIMESTAMP": "TIMESTAMP_NTZ",
    "VARCHAR": "STRING",
    "VARCHAR[]": "ARRAY<STRING>",
}
TRINO_TYPES = {
    "BIGINT": "BIGINT",
    "BOOLEAN": "BOOLEAN",
    "DATE": "DATE",
    "DOUBLE": "DOUBLE",
    "TIMESTAMP": "TIMESTAMP(6)",
    "VARCHAR": "VARCHAR",
    "VARCHAR[]": "ARRAY(VARCHAR)",
}


def _take_every_day(tree: exp.Expression) -> None:
    """Make a view of a macro whose argument stands in one relation alone: the argument becomes a column."""
    for relation in tree.find_all(exp.CTE):
        if relation.alias == ASKED:
            relation.set("this", parse_one(EVERY_DAY, dialect="duckdb"))
            relation.set("materialized", None)
    for table in tree.find_all(exp.Table):
        if isinstance(table.this, exp.Anonymous):
            table.set("this", exp.to_identifier(table.this.name))


def _name_groups(select: exp.Select) -> None:
    """Write out `group by all`: every column that is no aggregate."""
    group = select.args.get("group")
    if group is None or not group.args.get("all"):
        return
    plain = [each.unalias() for each in select.expressions if not each.find(exp.AggFunc)]
    select.set("group", exp.Group(expressions=[each.copy() for each in plain]))


def _is(node: exp.Expression, kind: str) -> bool:
    if isinstance(node, exp.Paren):
        return _is(node.this, kind)
    if isinstance(node, exp.Add | exp.Sub) and kind == "date":
        return _is(node.this, kind) and not _is(node.expression, kind)
    if isinstance(node, exp.Coalesce):
        return _is(node.this, kind)
    return bool(node.is_type(kind))


def _zone_shown(node: exp.Expression) -> tuple[exp.Expression, exp.Expression] | None:
    """The zone and the time of `timezone(zone, timezone('UTC', time))`: a time of UTC as a clock there shows it."""
    if _name(node) != "timezone" or _name(node.expressions[1]) != "timezone":
        return None
    zone, inner = node.expressions
    return zone, inner.expressions[1]


def _name(node: exp.Expression) -> str:
    return node.name.lower() if isinstance(node, exp.Anonymous) else ""


def _microseconds_between(node: exp.Expression) -> tuple[exp.Expression, exp.Expression] | None:
    """The later and the earlier of `epoch_us(later) - epoch_us(earlier)`."""
    if isinstance(node, exp.Sub) and _name(node.this) == _name(node.expression) == "epoch_us":
        return node.this.expressions[0], node.expression.expressions[0]
    return None


def _call(name: str, *arguments: exp.Expression | str) -> exp.Expression:
    return exp.Anonymous(this=name, expressions=[exp.convert(each) if isinstance(each, str) else each for each in arguments])


def _for_spark(node: exp.Expression) -> exp.Expression:  # noqa: PLR0911 - one line for each thing that is written otherwise
    if times := _microseconds_between(node):
        # A difference of two times without a zone does not depend on the session's zone; their epochs do.
        later, earlier = map(_text, times)
        return _raw(f"CAST(CAST({later} - {earlier} AS INTERVAL SECOND) AS DECIMAL(18, 6)) * 1000000")
    if shown := _zone_shown(node):
        return _call("convert_timezone", "UTC", *shown)
    if isinstance(node, exp.TimestampTrunc) and node.unit.name.upper() == "HOUR":
        # `date_trunc` would go through the session's zone.
        time = _text(node.this)
        return exp.Paren(this=_raw(f"{time} - MAKE_DT_INTERVAL(0, 0, MINUTE({time}), EXTRACT(SECOND FROM {time}))"))
    if isinstance(node, exp.Sub) and _is(node.this, "date") and _is(node.expression, "date"):
        return _call("datediff", node.this, node.expression)
    if isinstance(node, exp.Length) and not node.this.is_type(*exp.DataType.TEXT_TYPES):
        return _call("array_size", node.this)
    if isinstance(node, exp.Bracket) and isinstance(node.expressions[0], exp.Slice):
        first, last = node.expressions[0].this, node.expressions[0].expression
        return _call("slice", node.this, first, last)
    if isinstance(node, exp.ArrayAgg) and isinstance(node.this, exp.Order):
        return _ordered_list(node.this)
    return _for_both(node)


def _for_trino(node: exp.Expression) -> exp.Expression:
    if times := _microseconds_between(node):
        later, earlier = times
        return _call("date_diff", "microsecond", earlier, later)
    if shown := _zone_shown(node):
        zone, time = shown
        return exp.Cast(
            this=_call("at_timezone", _call("with_timezone", time, "UTC"), zone), to=exp.DataType.build("TIMESTAMP(6)", dialect="trino")
        )
    if isinstance(node, exp.Sub) and _is(node.this, "date") and _is(node.expression, "date"):
        return _call("date_diff", "day", node.expression, node.this)
    if isinstance(node, exp.Add | exp.Sub) and _is(node.this, "date") and node.expression.is_int:
        days = node.expression if isinstance(node, exp.Add) else exp.Neg(this=node.expression)
        return _call("date_add", "day", days, node.this)
    if isinstance(node, exp.Length) and not node.this.is_type(*exp.DataType.TEXT_TYPES):
        return _call("cardinality", node.this)
    if isinstance(node, exp.Bracket) and isinstance(node.expressions[0], exp.Slice):
        return _call("slice", node.this, node.expressions[0].this, node.expressions[0].expression)
    return _for_both(node)


def _for_both(node: exp.Expression) -> exp.Expression:
    if _name(node) == "hash":
        return node.expressions[0]  # a short stand-in for the value, where only equality counts
    if isinstance(node, exp.Count) and isinstance(node.this, exp.Distinct) and len(node.this.expressions) == 1:
        (counted,) = node.this.expressions
        if isinstance(counted, exp.Tuple):
            node.this.set("expressions", [exp.Struct(expressions=counted.expressions)])
    return node


def _text(node: exp.Expression) -> str:
    return node.sql(dialect="spark", comments=False)


def _raw(text: str) -> exp.Expression:
    return exp.Var(this=text)


def _ordered_list(order: exp.Order) -> exp.Expression:
    """A list in the order that is asked for; Spark's own collecting keeps none."""
    value = order.this
    if isinstance(value, exp.Distinct):
        return _call("array_sort", _call("collect_set", value.expressions[0]))
    keys = [each.this for each in order.expressions]
    rows = _call("collect_list", _call("struct", *[exp.alias_(key.copy(), f"k{n}") for n, key in enumerate(keys)], exp.alias_(value, "v")))
    item = exp.to_identifier("item")
    return _call("transform", _call("array_sort", rows), exp.Lambda(this=_raw("item.v"), expressions=[item]))


def _unnest_at_once(select: exp.Select) -> None:
    """Several lists that are unnested side by side: one generator that gives a column for each."""
    found = [each for each in select.expressions if isinstance(each.unalias(), exp.Explode)]
    if len(found) < 2:
        return
    names = [each.alias for each in found]
    lists = ", ".join(f"COALESCE({_text(each.unalias().this)}, ARRAY())" for each in found)
    for each, name in zip(found, names, strict=True):
        each.replace(exp.alias_(exp.column(name, table="side_by_side"), name))
    select.append(
        "laterals",
        exp.Lateral(
            this=_raw(f"INLINE(ARRAYS_ZIP({lists}))"),
            view=True,
            alias=exp.TableAlias(this=exp.to_identifier("side_by_side"), columns=[exp.to_identifier(name) for name in names]),
        ),
    )
