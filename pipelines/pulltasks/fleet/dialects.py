"""The differences between DuckDB's SQL and Spark's: types, and the expressions that sqlglot alone gets wrong.

Lives here: one function for each difference.
Does not live here: writing out stars and groups for all engines (portable); statements around a select (statements).

Each function takes a node of a tree with types, and returns its replacement; None if it does not apply to the node.
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
        name: its name in sqlglot and on the command line.
        types: its types, by DuckDB's types.
        rewrites: the functions to try at each node, inner nodes first; the first that returns a replacement counts.
        escapes: whether a backslash in a literal is an escape.
    """

    name: str
    types: Mapping[str, str]
    rewrites: tuple[Callable[[exp.Expr], exp.Expr | None], ...] = ()
    escapes: bool = False

    def rewrite(self, tree: exp.Expr) -> None:
        """Rewrite a tree, whose types are annotated, for the engine."""
        # reversed depth-first order: inner nodes are rewritten before the nodes around them
        for node in reversed(list(tree.walk(bfs=False))):
            for rewrite in self.rewrites:
                if (written := rewrite(node)) is not None:
                    node.replace(written)
                    break

    def literal(self, text: str) -> str:
        """Return a text as a literal of the engine."""
        if self.escapes:
            return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
        return "'" + text.replace("'", "''") + "'"


def _hash(node: exp.Expr) -> exp.Expr | None:
    """Replace `hash(value)` by the value: models use the hash only to compare for equality."""
    return node.expressions[0] if _name(node) == "hash" else None


def _distinct_pairs(node: exp.Expr) -> exp.Expr | None:
    """Rewrite `count(distinct (a, b))`: Spark needs a struct for the pair."""
    if not (isinstance(node, exp.Count) and isinstance(node.this, exp.Distinct)):
        return None
    (counted,) = node.this.expressions
    if not isinstance(counted, exp.Tuple):
        return None
    return exp.Count(this=exp.Distinct(expressions=[exp.Struct(expressions=counted.expressions)]), big_int=True)


def _list_length(node: exp.Expr) -> exp.Expr | None:
    """Rewrite `len(list)`; the result is null where the list is null."""
    is_of_list = isinstance(node, exp.Length) and not node.this.is_type(*exp.DataType.TEXT_TYPES)
    return _call("array_size", node.this) if is_of_list else None


def _slice(node: exp.Expr) -> exp.Expr | None:
    """Rewrite `list[1:10]`."""
    if not (isinstance(node, exp.Bracket) and isinstance(node.expressions[0], exp.Slice)):
        return None
    return _call("slice", node.this, node.expressions[0].this, node.expressions[0].expression)


def _ordered_list(node: exp.Expr) -> exp.Expr | None:
    """Rewrite `list(value order by keys)`: collect rows of keys and value, sort them, and take the values out.

    Spark's `collect_list` gives no order and drops nulls. Null keys sort last, as in DuckDB.
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
    """Add a filter to `arg_max(value, key)`: DuckDB skips rows whose value is null, and Spark does not."""
    filtered = isinstance(node, exp.Filter)
    found = node.this if isinstance(node, exp.Filter) else node
    if not isinstance(found, exp.ArgMax | exp.ArgMin) or (not filtered and isinstance(node.parent, exp.Filter)):
        return None
    is_there = exp.Not(this=exp.Is(this=found.this.copy(), expression=exp.Null()))
    condition = exp.and_(node.expression.this.copy(), is_there) if filtered else is_there
    return exp.Filter(this=found.copy(), expression=exp.Where(this=condition))


def _days_between(node: exp.Expr) -> exp.Expr | None:
    """Rewrite `later - earlier` of two dates, a number of days in DuckDB and an interval in Spark."""
    if isinstance(node, exp.Sub) and _is_date(node.this) and _is_date(node.expression):
        return _call("datediff", node.this, node.expression)
    return None


def _microseconds(node: exp.Expr) -> exp.Expr | None:
    """Rewrite `epoch_us(later) - epoch_us(earlier)` as an interval in microseconds.

    In Spark an epoch depends on the session's zone; the difference of two times without a zone does not.
    """
    if not (isinstance(node, exp.Sub) and _name(node.this) == _name(node.expression) == "epoch_us"):
        return None
    later, earlier = (_spark(each.expressions[0]) for each in (node.this, node.expression))
    return exp.Var(this=f"CAST(CAST({later} - {earlier} AS INTERVAL SECOND) AS DECIMAL(18, 6)) * 1000000")


def _shown_in_zone(node: exp.Expr) -> exp.Expr | None:
    """Rewrite `timezone(zone, timezone('UTC', time))`: the local time, in a zone, of a time in UTC."""
    if _name(node) != "timezone" or _name(node.expressions[1]) != "timezone":
        return None
    return _call("convert_timezone", "UTC", node.expressions[0], node.expressions[1].expressions[1])


def _hour_of(node: exp.Expr) -> exp.Expr | None:
    """Rewrite `date_trunc('hour', time)`: Spark's own function depends on the session's zone."""
    if not (isinstance(node, exp.TimestampTrunc) and node.text("unit").upper() == "HOUR"):
        return None
    time = _spark(node.this)
    return exp.Paren(this=exp.Var(this=f"{time} - MAKE_DT_INTERVAL(0, 0, MINUTE({time}), EXTRACT(SECOND FROM {time}))"))


def _side_by_side(node: exp.Expr) -> exp.Expr | None:
    """Rewrite a select that unnests several lists side by side, as one generator with a column per list.

    Spark allows one generator per select. The select is changed in place, so nothing is returned.
    """
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
