"""What a warehouse holds that a run needs: the tasks known before it, what surprised in a day's answers.

Lives here: reading both out of a build.
Does not live here: how targets stand and how old what is known is (status), printing (terminal).
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from pipelines.errors import LakeError
from pipelines.known import NOTHING_KNOWN, Known
from pipelines.outside_text import fit
from pipelines.status import build_of
from pipelines.warehouse import open_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date

    from pipelines.lake import Lake


MAX_SURPRISES = 10


@dataclass(frozen=True)
class Surprise:
    """One field and rule that the answers of a day did not keep to; `since` is the first day ever."""

    field: str
    rule: str
    tasks: int
    targets: int
    since: date

    @property
    def text(self) -> str:
        """It in a sentence."""
        noun = "target" if self.targets == 1 else "targets"
        return (
            f"{fit(self.field, 80)}: {self.rule} at {self.tasks} tasks of {self.targets} {noun}, since {self.since}; "
            "kept, see rpt_data_quality"
        )


def read_surprises(connection: duckdb.DuckDBPyConnection, day: date) -> list[str]:
    """What the answers of a day held that was not expected, a line for each field and rule; the first ten of them."""
    found = [surprise.text for surprise in find_surprises(connection, day)]
    more = len(found) - MAX_SURPRISES
    return [*found[:MAX_SURPRISES], *([f"and {more} more fields and rules; see rpt_data_quality"] if more > 0 else [])]


def find_surprises(connection: duckdb.DuckDBPyConnection, day: date) -> list[Surprise]:
    """The same, with its parts."""
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
    return [Surprise(*row) for row in rows]


@contextmanager
def known_tasks(lake: Lake) -> Iterator[Callable[[tuple[str, str]], Known]]:
    """What the last complete capture of each target showed, asked of the newest build that can be read.

    A build that is damaged must not keep a day from being captured: it can be made again, the day cannot.
    """
    with ExitStack() as stack:
        connection = next((stack.enter_context(found) for found in _readable_builds(lake)), None)
        if connection is None:
            yield lambda _: NOTHING_KNOWN
            return

        def known(target: tuple[str, str]) -> Known:
            try:
                tasks = connection.execute(
                    "select task_id, task_region from dim_pull_tasks "
                    "where project_id = $1 and region = $2 and is_current",
                    target,
                ).fetchall()
                unit = connection.execute(
                    "select offset_unit from dim_targets where project_id = $1 and region = $2", target
                ).fetchone()
            except duckdb.Error:
                return NOTHING_KNOWN
            return Known(
                frozenset(task_id for task_id, _ in tasks),
                frozenset(region for _, region in tasks if region is not None),
                unit[0] if unit else "unknown",
            )

        yield known


def _readable_builds(lake: Lake) -> Iterator[duckdb.DuckDBPyConnection]:
    """The published build, then the ones before it, newest first, without those that cannot be read."""
    for path in (lake.published, *reversed(lake.builds())):
        try:
            connection = open_file(path)
        except LakeError:
            continue
        try:
            build_of(connection)
        except duckdb.Error:
            connection.close()
            continue
        yield connection
