"""The state of the lake: which targets are complete, and how old the data is.

Lives here: reading the published coverage, extending it to today; the two ages and their limits.
Does not live here: computing the coverage (sql), alarms about it (alerts.rules), printing (cli.output).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Literal

from pulltasks.errors import LakeError
from pulltasks.names import target_label
from pulltasks.warehouse.read.published import open_published

if TYPE_CHECKING:
    from collections.abc import Collection

    import duckdb

    from pulltasks.lake.lake import Lake
    from pulltasks.settings import Limits

# Clocks of two machines may differ by this much, so that a capture that has just ended seems to end in the future.
CLOCK_TOLERANCE = timedelta(minutes=2)


@dataclass(frozen=True)
class TargetStatus:
    """The state of one target on the newest expected day; `last_complete_at` is the end of that capture (UTC)."""

    project_id: str
    region: str
    name: str | None
    coverage: str
    reason: str | None
    message: str | None
    task_count: int | None
    last_complete_date: date | None
    last_complete_at: datetime | None = None

    @property
    def key(self) -> tuple[str, str]:
        """`(project_id, region)`."""
        return (self.project_id, self.region)

    @property
    def label(self) -> str:
        """The name of the target in messages."""
        return target_label(self.project_id, self.region, self.name)

    @property
    def is_complete(self) -> bool:
        """Tell whether its listing of the day is proved and counts; a held listing does not count."""
        return self.coverage == "complete"


@dataclass(frozen=True)
class Status:
    """The state of the lake.

    Attributes:
        day: the newest expected day.
        built_at: the time of the build, UTC.
        targets: the targets that are expected on `day`.
        days_without_run: the days after the build's last day, up to `day`.
        is_ahead: whether `day` lies in the future, because a run worked under a wrong clock.
        captured_at: the end of the newest published capture, UTC; None when there is none.
        starts_at: the beginning of `day` in the zone that it was captured under, UTC; None if not known.
    """

    day: date
    built_at: datetime
    targets: tuple[TargetStatus, ...]
    days_without_run: tuple[date, ...]
    is_ahead: bool = False
    captured_at: datetime | None = None
    starts_at: datetime | None = None

    def is_after(self, today: date, now: datetime | None) -> bool:
        """Tell whether `day` lies in the future: after `today`, and not begun in the zone that it was captured under.

        `now` is None for simulated days, which belong to no moment in time.
        """
        # the lake's zone may have been changed to one further west since, where `day` has not begun yet
        has_begun = now is not None and self.starts_at is not None and self.starts_at <= now
        return self.day > today and not has_begun

    @property
    def complete(self) -> int:
        """The number of targets that are complete on `day`."""
        return sum(target.is_complete for target in self.targets)

    @property
    def is_complete(self) -> bool:
        """Tell whether every target is complete on `day`; False when `day` lies in the future."""
        return self.complete == len(self.targets) and not self.is_ahead

    def covers(self, targets: Collection[tuple[str, str]]) -> bool:
        """Tell whether all given targets are complete on `day`."""
        return set(targets) <= {target.key for target in self.targets if target.is_complete}


@dataclass(frozen=True)
class Freshness:
    """The ages of a lake and its targets at a moment, compared with their limits.

    Attributes:
        lake_age: the time since the newest published capture ended; None when there is none.
        is_lake_beyond: whether that is too long, or unknown, or in the future.
        beyond: targets whose last complete capture is too old, or that never had one.
        missed: targets that are not complete on the newest day, but within their limit.
    """

    lake_age: timedelta | None
    is_lake_beyond: bool
    beyond: tuple[TargetStatus, ...]
    missed: tuple[TargetStatus, ...]

    @property
    def level(self) -> Literal["red", "amber", "green"]:
        """Red if an age is beyond its limit, amber if a target missed the newest day, else green."""
        if self.is_lake_beyond or self.beyond:
            return "red"
        return "amber" if self.missed else "green"


def judge(status: Status, now: datetime, limits: Limits) -> Freshness:
    """Compare the lake's state at `now` (UTC) with limits."""
    lake_age = now - status.captured_at if status.captured_at else None
    is_lake_beyond = status.is_ahead or is_beyond(lake_age, limits.lake)
    beyond = tuple(target for target in status.targets if is_beyond(age_of(target, now), limits.target))
    missed = tuple(target for target in status.targets if not target.is_complete and target not in beyond)
    return Freshness(lake_age, is_lake_beyond, beyond, missed)


def age_of(target: TargetStatus, now: datetime) -> timedelta | None:
    """Return the time since a target's last complete capture ended; None when it never had one."""
    return now - target.last_complete_at if target.last_complete_at else None


def is_beyond(age: timedelta | None, limit: timedelta) -> bool:
    """Tell whether an age is over its limit, missing, or negative (in the future)."""
    return age is None or is_ahead(age) or age > limit


def is_ahead(age: timedelta) -> bool:
    """Tell whether an age is negative beyond the tolerance: such a time lies in the future and is never fresh."""
    return age < -CLOCK_TOLERANCE


def words_of_a_day_ahead(day: date, today: date) -> str:
    """Return the message, with advice, about a newest day that lies in the future."""
    return (
        f"the newest day, {day}, lies after today, {today}: a run worked under a wrong clock. Set this machine's "
        f"clock; `pulltasks forget --date {day}` takes a wrong day out"
    )


def read_status(connection: duckdb.DuckDBPyConnection, today: date, now: datetime | None = None) -> Status:
    """Return the coverage of the newest day that should have been captured.

    Today counts once a run has begun on it; every earlier day counts. Targets of a day without a run are `missing`.
    """
    found = read_newest_day(connection)
    if found.is_after(today, now):
        return replace(found, is_ahead=True)
    # The build knows no days after its last one, so the days without a run until yesterday are added here.
    missed = tuple(found.day + timedelta(days=n) for n in range(1, (today - found.day).days))
    if not missed:
        return found
    targets = tuple(
        replace(target, coverage="missing", reason="no_run", message=None, task_count=None) for target in found.targets
    )
    return replace(found, day=missed[-1], targets=targets, days_without_run=missed)


def read_newest_day(connection: duckdb.DuckDBPyConnection) -> Status:
    """Return the coverage of the newest day in the warehouse."""
    ((through, _),) = build_of(connection)
    return read_day(connection, through)


def read_day(connection: duckdb.DuckDBPyConnection, day: date) -> Status:
    """Return the coverage of one day in the warehouse."""
    ((_, built_at),) = build_of(connection)
    rows = connection.execute(
        """
        select
            today.project_id, today.region, today.target_name, today.coverage, today.verdict_reason,
            today.error_message, today.task_count, today.last_complete_date, last.finished_at
        from rpt_snapshot_coverage as today
        left join rpt_snapshot_coverage as last
            on today.project_id = last.project_id and today.region = last.region
            and today.last_complete_date = last.snapshot_date
        where today.snapshot_date = $1 and today.is_expected
        order by today.project_id, today.region
        """,
        [day],
    ).fetchall()
    targets = tuple(TargetStatus(*known, _utc(at)) for *known, at in rows)  # type: ignore[call-arg]  # eight of them
    # over all days, because the newest day may have no capture
    ((captured_at,),) = connection.execute("select max(finished_at) from rpt_snapshot_coverage").fetchall()
    begins = connection.execute("select starts_at from dim_dates where snapshot_date = $1", [day]).fetchall()
    starts_at = _utc(begins[0][0]) if begins else None
    return Status(day, built_at, targets, (), captured_at=_utc(captured_at), starts_at=starts_at)


@dataclass(frozen=True)
class NewestComplete:
    """The newest day on which every target was complete, and the end of its last capture (UTC)."""

    day: date
    finished_at: datetime


def read_newest_complete(connection: duckdb.DuckDBPyConnection) -> NewestComplete | None:
    """Return the newest day on which every expected target was complete; None when there is none."""
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


def is_day_complete(lake: Lake, day: date, targets: Collection[tuple[str, str]]) -> bool:
    """Tell whether the published warehouse has `day` complete for all `targets`, as `(project_id, region)`.

    False when it is missing or cannot be read: the next run then rebuilds it.
    """
    try:
        published = open_published(lake)
    except LakeError:
        return False
    with published as connection:
        return read_day(connection, day).covers(targets)


def build_of(connection: duckdb.DuckDBPyConnection) -> list[tuple[date, datetime]]:
    """Return one row `(last day, time of the build in UTC)`."""
    rows: list[tuple[date, datetime]] = connection.execute("select through_date, built_at from meta_build").fetchall()
    return rows


def _utc(time: datetime | None) -> datetime | None:
    return time.replace(tzinfo=UTC) if time else None
