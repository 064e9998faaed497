"""Check the rows of a model, and rows of several models against each other.

Lives here: finding rows that break a condition or share a key.
Does not live here: the conditions (the headers in sql/, sql/checks), refusing to publish (working_copy).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from pulltasks import masking
from pulltasks.errors import ModelError

if TYPE_CHECKING:
    from pulltasks.warehouse.sql.kinds import Model

KEY_IS_UNIQUE = "key_is_unique"


@dataclass(frozen=True)
class CheckResult:
    """One check of a model or over several; `sample` shows up to three of the rows that break it."""

    name: str
    failed_rows: int
    sample: str = ""

    @property
    def passed(self) -> bool:
        """Tell whether no row breaks it."""
        return self.failed_rows == 0


def check_rows(
    connection: duckdb.DuckDBPyConnection, model: Model, rows: str, held: str | None = None
) -> tuple[CheckResult, ...]:
    """Check the key and the conditions of a model over all rows of a table or view.

    One query over the rows is enough if all checks pass: keys with distinct hashes are unique. Only where two hashes
    are equal, or a row breaks a condition, each check gets a query of its own.

    Args:
        connection: to the database with the rows.
        model: the model with the key and the conditions.
        rows: the table or view.
        held: a second table, if the rows must not share a key with its rows either.

    Raises:
        ModelError: when a check cannot run.
    """
    keys = ", ".join(model.key)
    again = ""
    if held:
        same = " and ".join(f"held.{name} is not distinct from added.{name}" for name in model.key)
        again = f"select {keys}, 2 from {rows} as added semi join {held} as held on {same}"
    if _all_pass(connection, model, rows, again):
        return none_failed(model)
    twice = f"select {keys}, count(*) as rows from {rows} group by {keys} having count(*) > 1"
    twice += again and f" union all {again}"
    results = [check_none(connection, KEY_IS_UNIQUE, twice, model.name)]
    for condition in model.checks:
        # `is not true`, because a condition that gives null must fail as well
        failing = f"select {keys} from {rows} where ({condition}) is not true"
        results.append(check_none(connection, condition, failing, model.name))
    return tuple(results)


def none_failed(model: Model) -> tuple[CheckResult, ...]:
    """Return the checks of a model, all passed."""
    return tuple(CheckResult(name, 0) for name in (KEY_IS_UNIQUE, *model.checks))


def _all_pass(connection: duckdb.DuckDBPyConnection, model: Model, rows: str, again: str) -> bool:
    """Tell whether all checks pass; False when one cannot run, so that `check_none` runs it alone and names it."""
    broken = [f"count(*) - count(distinct hash({', '.join(model.key)}))"]
    broken += [f"count(*) filter (({condition}) is not true)" for condition in model.checks]
    broken += [f"(select count(*) from ({again}))"] if again else []
    try:
        counts = connection.execute(f"select {', '.join(broken)} from {rows}").fetchall()
    except duckdb.Error:
        return False
    return not any(counts[0])


def check_none(connection: duckdb.DuckDBPyConnection, name: str, failing_rows: str, owner: str) -> CheckResult:
    """Run a check: a select of the rows that break it.

    Raises:
        ModelError: with the owner, when the select cannot run.
    """
    try:
        ((rows,),) = connection.execute(f"select count(*) from ({failing_rows})").fetchall()
        sample = connection.execute(f"select * from ({failing_rows}) limit 3").fetchall() if rows else []
    except duckdb.Error as error:
        raise ModelError(f"{owner}: check '{name}': {masking.scrub(str(error))}") from None
    return CheckResult(name, rows, "; ".join(str(row) for row in sample))
