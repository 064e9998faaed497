"""What Spark and Trino write otherwise than DuckDB: types, and the parts of a select that sqlglot alone gets wrong.

Lives here: one function for each thing that is written otherwise, and which engine needs which.
Does not live here: stars and groups, which no engine needs (portable); statements around a select (statements).

Each function takes a node of a tree with types and returns what stands in its place; None where it has nothing to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlglot import exp

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    Rewrite = Callable[[exp.Expr], exp.Expr | None]


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
    rewrites: tuple[Rewrite, ...] = ()
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


def _list_length(name: str) -> Rewrite:
    """`len(list)`, which is null where the list is."""

    def go(node: exp.Expr) -> exp.Expr | None:
        is_of_list = isinstance(node, exp.Length) and not node.this.is_type(*exp.DataType.TEXT_TYPES)
        return _call(name, node.this) if is_of_list else None

    return go


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


def _days_between(write: Callable[[exp.Expr, exp.Expr], exp.Expr]) -> Rewrite:
    """`later - earlier` of two dates, which is a number of days."""

    def go(node: exp.Expr) -> exp.Expr | None:
        if isinstance(node, exp.Sub) and _is_date(node.this) and _is_date(node.expression):
            return write(node.this, node.expression)
        return None

    return go


def _days_added(node: exp.Expr) -> exp.Expr | None:
    """`date + 1`, for Trino; Spark takes it."""
    if not (isinstance(node, exp.Add | exp.Sub) and _is_date(node.this) and node.expression.is_int):
        return None
    days = node.expression if isinstance(node, exp.Add) else exp.Neg(this=node.expression)
    return _call("date_add", "day", days, node.this)


def _microseconds(write: Callable[[exp.Expr, exp.Expr], exp.Expr]) -> Rewrite:
    """`epoch_us(later) - epoch_us(earlier)`."""

    def go(node: exp.Expr) -> exp.Expr | None:
        if isinstance(node, exp.Sub) and _name(node.this) == _name(node.expression) == "epoch_us":
            return write(node.this.expressions[0], node.expression.expressions[0])
        return None

    return go


def _shown_in_zone(write: Callable[[exp.Expr, exp.Expr], exp.Expr]) -> Rewrite:
    """`timezone(zone, timezone('UTC', time))`: a time of UTC as a clock in the zone shows it."""

    def go(node: exp.Expr) -> exp.Expr | None:
        if _name(node) != "timezone" or _name(node.expressions[1]) != "timezone":
            return None
        return write(node.expressions[0], node.expressions[1].expressions[1])

    return go


def _hour_of(node: exp.Expr) -> exp.Expr | None:
    """`date_trunc('hour', time)`: Spark's own would go through the session's zone."""
    if not (isinstance(node, exp.TimestampTrunc) and node.text("unit").upper() == "HOUR"):
        return None
    time = _spark(node.this)
    return exp.Paren(this=exp.Var(this=f"{time} - MAKE_DT_INTERVAL(0, 0, MINUTE({time}), EXTRACT(SECOND FROM {time}))"))


def _spark_unnest(node: exp.Expr) -> exp.Expr | None:
    """Several lists that are unnested side by side: Spark has one generator a select, which gives a column for each."""
    found = _unnested(node)
    if len(found) <= 1:
        return None
    lists = ", ".join(f"COALESCE({_spark(each.unalias().this)}, ARRAY())" for each in found)
    rows = exp.Lateral(this=exp.Var(this=f"INLINE(ARRAYS_ZIP({lists}))"), view=True, alias=_side_by_side(found))
    node.append("laterals", rows)
    return None


def _trino_unnest(node: exp.Expr) -> exp.Expr | None:
    """Lists that are unnested in the select: Trino has it as a relation, which takes several side by side."""
    if not (found := _unnested(node)):
        return None
    rows = exp.Unnest(expressions=[each.unalias().this for each in found])
    rows.set("alias", _side_by_side(found))
    if node.args.get("from_"):
        node.append("joins", exp.Join(this=rows, kind="CROSS"))
    else:
        node.set("from_", exp.From(this=rows))
    return None


def _unnested(node: exp.Expr) -> list[exp.Expr]:
    """The columns of a select that are lists to be unnested."""
    if not isinstance(node, exp.Select):
        return []
    return [each for each in node.expressions if isinstance(each.unalias(), exp.Explode)]


def _side_by_side(found: list[exp.Expr]) -> exp.TableAlias:
    """The relation that takes their place, whose columns have their names."""
    for each in found:
        each.replace(exp.alias_(exp.column(each.alias, table="side_by_side"), each.alias))
    return exp.TableAlias(
        this=exp.to_identifier("side_by_side"), columns=[exp.to_identifier(each.alias) for each in found]
    )


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


def _spark_microseconds(later: exp.Expr, earlier: exp.Expr) -> exp.Expr:
    """Through an interval: the difference of two times without a zone does not depend on the session's, epochs do."""
    seconds = f"CAST(CAST({_spark(later)} - {_spark(earlier)} AS INTERVAL SECOND) AS DECIMAL(18, 6))"
    return exp.Var(this=f"{seconds} * 1000000")


def _trino_shown(zone: exp.Expr, time: exp.Expr) -> exp.Expr:
    shown = _call("at_timezone", _call("with_timezone", time, "UTC"), zone)
    return exp.Cast(this=shown, to=exp.DataType.build("TIMESTAMP(6)", dialect="trino"))


_PLAIN = ("BIGINT", "BOOLEAN", "DATE", "DOUBLE", "TIMESTAMP", "VARCHAR", "VARCHAR[]")
DIALECTS = {
    dialect.name: dialect
    for dialect in (
        Dialect("duckdb", {name: name for name in _PLAIN}),
        Dialect(
            "spark",
            dict(
                zip(
                    _PLAIN,
                    ("BIGINT", "BOOLEAN", "DATE", "DOUBLE", "TIMESTAMP_NTZ", "STRING", "ARRAY<STRING>"),
                    strict=True,
                )
            ),
            (
                _hash,
                _distinct_pairs,
                _list_length("array_size"),
                _slice,
                _ordered_list,
                _value_at_most,
                _days_between(lambda later, earlier: _call("datediff", later, earlier)),
                _microseconds(_spark_microseconds),
                _shown_in_zone(lambda zone, time: _call("convert_timezone", "UTC", zone, time)),
                _hour_of,
                _spark_unnest,
            ),
            escapes=True,
        ),
        Dialect(
            "trino",
            dict(
                zip(
                    _PLAIN,
                    ("BIGINT", "BOOLEAN", "DATE", "DOUBLE", "TIMESTAMP(6)", "VARCHAR", "ARRAY(VARCHAR)"),
                    strict=True,
                )
            ),
            (
                _hash,
                _distinct_pairs,
                _list_length("cardinality"),
                _slice,
                _value_at_most,
                _days_between(lambda later, earlier: _call("date_diff", "day", earlier, later)),
                _days_added,
                _microseconds(lambda later, earlier: _call("date_diff", "microsecond", earlier, later)),
                _shown_in_zone(_trino_shown),
                _trino_unnest,
            ),
        ),
    )
}
