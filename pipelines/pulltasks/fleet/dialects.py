"""What Spark writes otherwise than DuckDB: types, and the parts of a select that sqlglot alone gets wrong.

Lives here: one function for each thing that is written otherwise.
Does not live here: stars and groups, which no engine needs (portable); statements around a select (statements).

Each function takes a node of a tree with types and returns what stands in its place; None where it has nothing to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlglot import exp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True)
class Dialect:
    """One engine.

    Attributes:
        name: as sqlglot and the command line call it.
        types: its types by DuckDB's.
        rewrites: tried in order at each node, from within to without; the first that answers counts.
        escapes: whether a backslash in a literal is an escape.
    """

    name: str
    types: Mapping[str, str]
    rewrites: tuple[Callable[[exp.Expr], exp.Expr | None], ...] = ()
    escapes: bool = False

    def rewrite(self, tree: exp.Expr) -> None:
        """Write a tree, whose types are known, as the engine wants it."""
        for node in reversed(list(tree.walk(bfs=False))):
            for rewrite in self.rewrites:
                if (written := rewrite(node)) is not None:
                    node.replace(written)
                    break

    def literal(self, text: str) -> str:
        """A text as a literal."""
        if self.escapes:
            return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
        return "'" + text.replace("'", "''") + "'"


def _hash(node: exp.Expr) -> exp.Expr | None:
    """`hash(value)`: a short stand-in where equality alone counts; the value itself does as well."""
    return node.expressions[0] if _name(node) == "hash" else None


def _distinct_pairs(node: exp.Expr) -> exp.Expr | None:
    """`count(distinct (a, b))`."""
    if not (isinstance(node, exp.Count) and isinstance(node.this, exp.Distinct)):
        return None
    (counted,) = node.this.expressions
    if not isinstance(counted, exp.Tuple):
        return None
    return exp.Count(this=exp.Distinct(expressions=[exp.Struct(expressions=counted.expressions)]), big_int=True)


def _list_length(node: exp.Expr) -> exp.Expr | None:
    """`len(list)`, which is null where the list is."""
    is_of_list = isinstance(node, exp.Length) and not node.this.is_type(*exp.DataType.TEXT_TYPES)
    return _call("array_size", node.this) if is_of_list else None


def _slice(node: exp.Expr) -> exp.Expr | None:
    """`list[1:10]`."""
    if not (isinstance(node, exp.Bracket) and isinstance(node.expressions[0], exp.Slice)):
        return None
    return _call("slice", node.this, node.expressions[0].this, node.expressions[0].expression)


def _ordered_list(node: exp.Expr) -> exp.Expr | None:
    """`list(value order by keys)`: Spark's own collecting keeps neither order nor nulls, so a row goes with each value.

    A key is null last, as in DuckDB.
    """
    if not (isinstance(node, exp.ArrayAgg) and isinstance(node.this, exp.Order)):
        return None
    value, keys = node.this.this, [each.this for each in node.this.expressions]
    collect = "collect_list"
    if isinstance(value, exp.Distinct):
        collect, value = "collect_set", value.expressions[0]
    row = [
        exp.alias_(field, f"{name}{n}")
        for n, key in enumerate(keys)
        for name, field in (("is_null", exp.Is(this=key.copy(), expression=exp.Null())), ("key", key.copy()))
    ]
    rows = _call("array_sort", _call(collect, _call("struct", *row, exp.alias_(value, "value"))))
    return _call(
        "transform", rows, exp.Lambda(this=exp.Var(this="item.value"), expressions=[exp.to_identifier("item")])
    )


def _value_at_most(node: exp.Expr) -> exp.Expr | None:
    """`arg_max(value, key)`: DuckDB passes over rows whose value is null, and others do not."""
    filtered = isinstance(node, exp.Filter)
    found = node.this if isinstance(node, exp.Filter) else node
    if not isinstance(found, exp.ArgMax | exp.ArgMin) or (not filtered and isinstance(node.parent, exp.Filter)):
        return None
    is_there = exp.Not(this=exp.Is(this=found.this.copy(), expression=exp.Null()))
    condition = exp.and_(node.expression.this.copy(), is_there) if filtered else is_there
    return exp.Filter(this=found.copy(), expression=exp.Where(this=condition))


def _days_between(node: exp.Expr) -> exp.Expr | None:
    """`later - earlier` of two dates, which is a number of days."""
    if isinstance(node, exp.Sub) and _is_date(node.this) and _is_date(node.expression):
        return _call("datediff", node.this, node.expression)
    return None


def _microseconds(node: exp.Expr) -> exp.Expr | None:
    """`epoch_us(later) - epoch_us(earlier)`.

    Through an interval: the difference of two times without a zone does not depend on the session's zone, epochs do.
    """
    if not (isinstance(node, exp.Sub) and _name(node.this) == _name(node.expression) == "epoch_us"):
        return None
    later, earlier = (_spark(each.expressions[0]) for each in (node.this, node.expression))
    return exp.Var(this=f"CAST(CAST({later} - {earlier} AS INTERVAL SECOND) AS DECIMAL(18, 6)) * 1000000")


def _shown_in_zone(node: exp.Expr) -> exp.Expr | None:
    """`timezone(zone, timezone('UTC', time))`: a time of UTC as a clock in the zone shows it."""
    if _name(node) != "timezone" or _name(node.expressions[1]) != "timezone":
        return None
    return _call("convert_timezone", "UTC", node.expressions[0], node.expressions[1].expressions[1])


def _hour_of(node: exp.Expr) -> exp.Expr | None:
    """`date_trunc('hour', time)`: Spark's own would go through the session's zone."""
    if not (isinstance(node, exp.TimestampTrunc) and node.text("unit").upper() == "HOUR"):
        return None
    time = _spark(node.this)
    return exp.Paren(this=exp.Var(this=f"{time} - MAKE_DT_INTERVAL(0, 0, MINUTE({time}), EXTRACT(SECOND FROM {time}))"))


def _side_by_side(node: exp.Expr) -> exp.Expr | None:
    """Several lists that are unnested side by side: Spark has one generator a select, which gives a column for each."""
    if not isinstance(node, exp.Select):
        return None
    found = [each for each in node.expressions if isinstance(each.unalias(), exp.Explode)]
    if len(found) <= 1:
        return None
    lists = ", ".join(f"COALESCE({_spark(each.unalias().this)}, ARRAY())" for each in found)
    for each in found:
        each.replace(exp.alias_(exp.column(each.alias, table="side_by_side"), each.alias))
    columns = [exp.to_identifier(each.alias) for each in found]
    alias = exp.TableAlias(this=exp.to_identifier("side_by_side"), columns=columns)
    node.append("laterals", exp.Lateral(this=exp.Var(this=f"INLINE(ARRAYS_ZIP({lists}))"), view=True, alias=alias))
    return None


def _name(node: exp.Expr) -> str:
    return node.name.lower() if isinstance(node, exp.Anonymous) else ""


def _is_date(node: exp.Expr) -> bool:
    if isinstance(node, exp.Paren | exp.Coalesce):
        return _is_date(node.this)
    if isinstance(node, exp.Add | exp.Sub):
        return _is_date(node.this) and not _is_date(node.expression)
    return bool(node.is_type("date"))


def _call(name: str, *arguments: exp.Expr | str) -> exp.Expr:
    return exp.Anonymous(
        this=name, expressions=[exp.Literal.string(each) if isinstance(each, str) else each for each in arguments]
    )


def _spark(node: exp.Expr) -> str:
    return node.sql(dialect="spark", comments=False)


_SPARK_TYPES = {
    "BIGINT": "BIGINT",
    "BOOLEAN": "BOOLEAN",
    "DATE": "DATE",
    "DOUBLE": "DOUBLE",
    "TIMESTAMP": "TIMESTAMP_NTZ",
    "VARCHAR": "STRING",
    "VARCHAR[]": "ARRAY<STRING>",
}
_REWRITES = (
    _hash,
    _distinct_pairs,
    _list_length,
    _slice,
    _ordered_list,
    _value_at_most,
    _days_between,
    _microseconds,
    _shown_in_zone,
    _hour_of,
    _side_by_side,
)
DIALECTS = {
    "duckdb": Dialect("duckdb", {name: name for name in _SPARK_TYPES}),
    "spark": Dialect("spark", _SPARK_TYPES, _REWRITES, escapes=True),
}
