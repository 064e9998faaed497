"""What the answers of a day held that was not expected.

Lives here: reading it out of a build, a sentence for each field and rule.
Does not live here: how it is found (lake.tasks, sql/reports/rpt_data_quality.sql), who is told (alerts.rules).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pulltasks.outside_text import fit

if TYPE_CHECKING:
    from datetime import date

    import duckdb


MAX_SURPRISES = 10


@dataclass(frozen=True)
class SchemaDrift:
    """One field and rule that the answers of a day broke; `since` is the first day it was ever seen."""

    field: str
    rule: str
    tasks: int
    targets: int
    since: date

    @property
    def text(self) -> str:
        """The drift in one sentence."""
        noun = "target" if self.targets == 1 else "targets"
        return (
            f"{fit(self.field, 80)}: {self.rule} at {self.tasks} tasks of {self.targets} {noun}, since {self.since}; "
            "kept, see rpt_data_quality"
        )


def read_drift(connection: duckdb.DuckDBPyConnection, day: date) -> list[str]:
    """The schema drift of a day, one line per field and rule; the first ten of them."""
    found = [surprise.text for surprise in find_drift(connection, day)]
    more = len(found) - MAX_SURPRISES
    return [*found[:MAX_SURPRISES], *([f"and {more} more fields and rules; see rpt_data_quality"] if more > 0 else [])]


def find_drift(connection: duckdb.DuckDBPyConnection, day: date) -> list[SchemaDrift]:
    """The same as data."""
    rows = connection.execute(
        """
        select field, rule, sum(last_occurrences), count(*), min(first_date)
        from rpt_data_quality
        where last_date = $1
        group by field, rule
        order by field, rule
        """,
        [day],
    ).fetchall()
    return [SchemaDrift(*row) for row in rows]
