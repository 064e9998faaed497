"""What is known and how old it is: the published coverage, carried on to today.

Lives here: reading coverage and known tasks out of a warehouse, days without a run since the last build.
Does not live here: how coverage comes about (sql/reports/rpt_snapshot_coverage.sql), printing (cli).
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import duckdb

from pipelines.errors import LakeError
from pipelines.known import NOTHING_KNOWN, Known
from pipelines.outside_text import fit
from pipelines.warehouse import open_file, open_published

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pipelines.lake import Lake


@dataclass(frozen=True)
class TargetStatus:
    """How one target stands on the newest day that counts."""

    project_id: str
    region: str
    name: str | None
    coverage: str
    reason: str | None
    message: str | None
    task_count: int | None
    last_complete_date: date | None


@dataclass(frozen=True)
class Status:
    """How the lake stands: `day` is the newest expected day; `days_without_run` lie between the build and it."""

    day: date
    built_at: datetime
    targets: tuple[TargetStatus, ...]
    days_without_run: tuple[date, ...]
    is_ahead: bool = False  # `day` lies after today: a run worked under a wrong clock

    @property
    def complete(self) -> int:
        """Targets that are complete on `day`."""
        return sum(target.coverage == "complete" for target in self.targets)

    @property
    def is_complete(self) -> bool:
        """Whether every target is complete on `day`, which has come."""
        return self.complete == len(self.targets) and not self.is_ahead


def read_status(connection: duckdb.DuckDBPyConnection, today: date) -> Status:
    """The coverage of the newest day that should have been captured.

    Today counts once a run has begun on it; every earlier day counts. A day that nobody captured is `missing`.
    """
    ((through, _),) = _build_of(connection)
    found = read_day(connection, through)
    if through > today:
        return replace(found, is_ahead=True)
    missed = tuple(through + timedelta(days=n) for n in range(1, (today - through).days))
    if not missed:
        return found
    targets = tuple(
        TargetStatus(t.project_id, t.region, t.name, "missing", "no_run", None, None, t.last_complete_date)
        for t in found.targets
    )
    return Status(missed[-1], found.built_at, targets, missed)


# Clocks of two machines may differ so far that what has just ended seems to lie ahead.
CLOCK_TOLERANCE = timedelta(minutes=2)


def is_ahead(age: timedelta) -> bool:
    """Whether something lies after now: never fresh, whatever it says."""
    return age < -CLOCK_TOLERANCE


def words_of_a_day_ahead(day: date, today: date) -> str:
    """What to do about a newest day that has not come."""
    return (
        f"the newest day, {day}, lies after today, {today}: a run worked under a wrong clock. Set this machine's "
        f"clock; `pulltasks forget --date {day}` takes a wrong day out"
    )


@dataclass(frozen=True)
class NewestComplete:
    """The newest day on which every target was complete, and when its last capture ended (UTC)."""

    day: date
    finished_at: datetime


def read_newest_complete(connection: duckdb.DuckDBPyConnection) -> NewestComplete | None:
    """The newest day on which every expected target was captured completely; None when there is none."""
    rows = connection.execute(
        """
        select snapshot_date, max(finished_at)
        from rpt_snapshot_coverage
        where is_expected
        group by all
        having bool_and(coverage = 'complete')
        order by snapshot_date desc
        limit 1
        """
    ).fetchall()
    return NewestComplete(rows[0][0], rows[0][1].replace(tzinfo=UTC)) if rows else None


def read_day(connection: duckdb.DuckDBPyConnection, day: date) -> Status:
    """The coverage of one day that the warehouse holds."""
    ((_, built_at),) = _build_of(connection)
    rows = connection.execute(
        """
        select project_id, region, target_name, coverage, verdict_reason, error_message, task_count, last_complete_date
        from rpt_snapshot_coverage
        where snapshot_date = $1 and is_expected
        order by project_id, region
        """,
        [day],
    ).fetchall()
    return Status(day, built_at, tuple(TargetStatus(*row) for row in rows), ())


def read_newest_day(connection: duckdb.DuckDBPyConnection) -> Status:
    """The coverage of the newest day that the warehouse holds."""
    ((through, _),) = _build_of(connection)
    return read_day(connection, through)


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


def _build_of(connection: duckdb.DuckDBPyConnection) -> list[tuple[date, datetime]]:
    rows: list[tuple[date, datetime]] = connection.execute("select through_date, built_at from meta_build").fetchall()
    return rows


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
            _build_of(connection)
        except duckdb.Error:
            connection.close()
            continue
        yield connection


def is_day_complete(lake: Lake, day: date, targets: set[tuple[str, str]]) -> bool:
    """Whether the published warehouse has `day` complete for all of `targets`, as `(project_id, region)`.

    One that is not there or cannot be read has not: the next run makes it anew.
    """
    try:
        published = open_published(lake)
    except LakeError:
        return False
    with published as connection:
        complete = connection.execute(
            "select project_id, region from rpt_snapshot_coverage where snapshot_date = $1 and coverage = 'complete'",
            [day],
        ).fetchall()
    return targets <= set(complete)
