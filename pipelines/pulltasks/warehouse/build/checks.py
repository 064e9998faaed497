"""Checks: what must hold of a model's rows, and over several models.

Lives here: looking for rows that break a condition or share a key.
Does not live here: the conditions (the headers in sql/, sql/checks), what follows from a failure (working_copy).
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
    """One check of a model or over several; `sample` shows a few of the rows that break it."""

    name: str
    failed_rows: int
    sample: str = ""

    @property
    def passed(self) -> bool:
        """Whether no row breaks it."""
        return self.failed_rows == 0


def check_rows(
    connection: duckdb.DuckDBPyConnection, model: Model, rows: str, held: str | None = None
) -> tuple[CheckResult, ...]:
    """The key and the conditions of a model over all rows of a table or view.

    One look at the rows answers all of them at once if nothing is wrong: keys whose hashes all differ are unique. Where
    two hashes agree, or a condition finds something, each check is made for itself.

    Args:
        connection: where the rows are.
        model: what must hold of them.
        rows: the table or view.
        held: another one, if the rows may share no key with its rows either.

    Raises:
        ModelError: when a check cannot be made.
    """
    keys = ", ".join(model.key)
    again = ""
    if held:
        same = " and ".join(f"held.{name} is not distinct from added.{name}" for name in model.key)
        again = f"select {keys}, 2 from {rows} as added semi join {held} as held on {same}"
    if _is_nothing_wrong(connection, model, rows, again):
        return none_failed(model)
    twice = f"select {keys}, count(*) as rows from {rows} group by {keys} having count(*) > 1"
    twice += again and f" union all {again}"
    results = [check_none(connection, KEY_IS_UNIQUE, twice, model.name)]
    for condition in model.checks:
        failing = f"select {keys} from {rows} where ({condition}) is not true"
        results.append(check_none(connection, condition, failing, model.name))
    return tuple(results)


def none_failed(model: Model) -> tuple[CheckResult, ...]:
    """Return the checks of a model of whose rows none breaks them, or that has none."""
    return tuple(CheckResult(name, 0) for name in (KEY_IS_UNIQUE, *model.checks))


def _is_nothing_wrong(connection: duckdb.DuckDBPyConnection, model: Model, rows: str, again: str) -> bool:
    """Tell whether all checks pass; a check that fails to run is left to be named by `check_none`."""
    broken = [f"count(*) - count(distinct hash({', '.join(model.key)}))"]
    broken += [f"count(*) filter (({condition}) is not true)" for condition in model.checks]
    broken += [f"(select count(*) from ({again}))"] if again else []
    try:
        counts = connection.execute(f"select {', '.join(broken)} from {rows}").fetchall()
    except duckdb.Error:
        return False
    return not any(counts[0])


def check_none(connection: duckdb.DuckDBPyConnection, name: str, failing_rows: str, owner: str) -> CheckResult:
    """A check by a select that must find nothing.

    Raises:
        ModelError: when it cannot be made, naming its owner.
    """
    try:
        ((rows,),) = connection.execute(f"select count(*) from ({failing_rows})").fetchall()
        sample = connection.execute(f"select * from ({failing_rows}) limit 3").fetchall() if rows else []
    except duckdb.Error as error:
        raise ModelError(f"{owner}: check '{name}': {masking.scrub(str(error))}") from None
    return CheckResult(name, rows, "; ".join(str(row) for row in sample))
