"""The surprises in the answers of a day: fields, types and times that were not expected.

Lives here: reading them from a build, a sentence for each field and rule.
Does not live here: finding them (lake.tasks, sql/reports/rpt_data_quality.sql), the alarm (alerts.rules).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pulltasks.outside_text import fit
from pulltasks.words import counted

if TYPE_CHECKING:
    from datetime import date

    import duckdb


MAX_SURPRISES = 10


@dataclass(frozen=True)
class SchemaDrift:
    """One field and the rule that it broke in the answers of a day; `since` is the first day on which it did."""

    field: str
    rule: str
    tasks: int
    targets: int
    since: date

    @property
    def text(self) -> str:
        """The surprise in one sentence."""
        where = f"{counted(self.tasks, 'task')} of {counted(self.targets, 'target')}"
        return f"{fit(self.field, 80)}: {self.rule} at {where}, since {self.since}; kept, see rpt_data_quality"


def read_drift(connection: duckdb.DuckDBPyConnection, day: date) -> list[str]:
    """Return the surprises of a day as lines, one per field and rule; after ten of them the number of the others."""
    found = [surprise.text for surprise in find_drift(connection, day)]
    more = len(found) - MAX_SURPRISES
    return [*found[:MAX_SURPRISES], *([f"and {more} more; see rpt_data_quality"] if more > 0 else [])]


def find_drift(connection: duckdb.DuckDBPyConnection, day: date) -> list[SchemaDrift]:
    """Return the surprises of a day, in order of field and rule."""
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
