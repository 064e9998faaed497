"""The numbers of the page, per target: of the last day, of the days before it, and of the hours to come.

Lives here: their queries; `shown_targets` and `shown_days` number targets and days.
Does not live here: adding them up for the targets that are shown (page/numbers.js).

All of them are rows of `(targets, days or hours, counts)`. A number that concerns several targets at once, like a
stream to which tasks of two targets push, counts once for all of them. What is not known has no row.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

# Days before the last one with which its numbers are compared.
COMPARED_DAYS = 30
HOURS = 8 * 24

# One letter per day and target, the first one of its coverage; a dot if the target was not expected.
_COVERAGE = """
select
    string_agg(
        case when coverage.is_expected then coverage.coverage[1] else '.' end, '' order by days.snapshot_date
    ) as letters,
from shown_targets as targets
cross join shown_days as days
left join rpt_snapshot_coverage as coverage
    on targets.project_id = coverage.project_id and targets.region = coverage.region
    and days.snapshot_date = coverage.snapshot_date
group by targets.position
order by targets.position
"""
# The reasons of days that are not complete, per target.
_REASONS = """
select
    targets.position,
    list(days.position order by days.position) as days,
    list(coverage.verdict_reason order by days.position) as reasons,
from rpt_snapshot_coverage as coverage
inner join shown_days as days on coverage.snapshot_date = days.snapshot_date
inner join shown_targets as targets
    on coverage.project_id = targets.project_id and coverage.region = targets.region
where coverage.coverage <> 'complete' and coverage.verdict_reason is not null
group by targets.position
order by targets.position
"""
# Tasks of complete days.
_COUNTS = """
select
    targets.position,
    counts.status,
    counts.source_type,
    list(days.position order by days.position) as days,
    list(counts.task_count order by days.position) as task_counts,
from fct_daily_task_counts as counts
inner join shown_days as days on counts.snapshot_date = days.snapshot_date
inner join shown_targets as targets on counts.project_id = targets.project_id and counts.region = targets.region
where counts.task_count > 0
group by all
order by all
"""
_LOAD = """
select
    [targets.position],
    list(cast((epoch(load.hour_start) - $begins_at) / 3600 as integer) order by load.hour_start) as hours,
    list(load.tasks_scheduled order by load.hour_start) as task_counts,
from rpt_schedule_load as load
inner join shown_targets as targets on load.project_id = targets.project_id and load.region = targets.region
where epoch(load.hour_start) >= $begins_at and epoch(load.hour_start) < $begins_at + 3600 * $hours
group by all
order by all
"""
# Tasks that changed, per day and target; days without changes are missing.
_CHANGES = """
select [targets.position], list(days.position order by days.position), list(task_count order by days.position)
from (
    select snapshot_date, project_id, region, count(distinct task_id) as task_count
    from fct_pull_task_changes
    group by all
) as counted
inner join shown_days as days on counted.snapshot_date = days.snapshot_date
inner join shown_targets as targets on counted.project_id = targets.project_id and counted.region = targets.region
group by targets.position
order by targets.position
"""
# What changed on the last day: tasks per target and kind of change, and per field where a task was changed.
_KINDS_OF_CHANGE = """
select targets.position, changes.change, changes.field, count(distinct changes.task_id) as task_count
from fct_pull_task_changes as changes
inner join shown_targets as targets on changes.project_id = targets.project_id and changes.region = targets.region
where changes.snapshot_date = (select through_date from meta_build)
group by grouping sets ((1, 2), (1, 2, 3))
having grouping(changes.field) = 1 or changes.field is not null
order by all
"""
# The states of tasks, with the shown days on which they were valid: a day without a complete capture ends none.
_STATES = """
create or replace temp table shown_states as
select
    targets.position as target,
    greatest(versions.valid_from_date - bounds.first_date, bounds.first_place) as from_day,
    least(coalesce(versions.valid_to_date - bounds.first_date, bounds.day_count), bounds.day_count) as to_day,
    versions.project_id,
    versions.task_id,
    versions.destination_fingerprint,
    coalesce(versions.start_time, timestamp '0001-01-01') as starts,
    coalesce(versions.end_time, timestamp '9999-12-31') as ends,
    coalesce(versions.start_time_raw, '') = '' and coalesce(versions.end_time_raw, '') = '' as has_readable_times,
    len(list_filter(versions.backup_source_fingerprints, lambda address: address is not null)) > 0 as has_backup,
from dim_pull_task_versions as versions
inner join shown_targets as targets
    on versions.project_id = targets.project_id and versions.region = targets.region
cross join (
    select
        min(snapshot_date) as first_date,
        count(*) as day_count,
        cast(greatest(count(*) - $compared, 0) as integer) as first_place,
    from shown_days
) as bounds
where versions.valid_to_date is null or versions.valid_to_date > bounds.first_date + bounds.first_place
"""
# Listed tasks per day: those past their end, and those without a backup source. Each state is a step up on its first
# day and a step down after its last, so that no row per task and day is needed.
_HISTORY_OF_TASKS = """
with periods as (
    select 'no_backup' as name, target, from_day, to_day from shown_states where not has_backup
    union all
    select 'past_end', target, greatest(from_day, days.position) as from_day, to_day
    from shown_states
    asof join (from shown_days where observed_at is not null) as days on shown_states.ends <= days.observed_at
),
steps as (
    select name, target, unnest([from_day, to_day]) as day, unnest([1, -1]) as step
    from periods
    where from_day < to_day
),
levels as (
    select targets.name, targets.target, days.position as day, coalesce(sum(steps.step), 0) as step,
    from (select distinct name, target from steps) as targets
    cross join (from shown_days order by position desc limit $compared) as days
    left join steps
        on targets.name = steps.name and targets.target = steps.target and days.position = steps.day
    group by all
)
select name, [target], list(day order by day), list(task_count order by day)
from (select *, cast(sum(step) over (partition by name, target order by day) as bigint) as task_count from levels)
group by name, target
order by name, target
"""
# Streams to which several tasks push at once, now or later, per day; as in rpt_stream_conflicts, but for past days.
# Two tasks that both end after the moment of the day, and of which one begins before the other ends.
_HISTORY_OF_CONFLICTS = """
with shared as (
    select destination_fingerprint
    from shown_states
    where destination_fingerprint is not null and has_readable_times
    group by all
    having count(distinct (project_id, task_id)) > 1
),
listed as (
    select
        days.position as day,
        any_value(days.observed_at) as observed_at,
        states.destination_fingerprint,
        min(states.target) as target,
        min(states.starts) as starts,
        max(states.ends) as ends,
    from shown_states as states
    semi join shared on states.destination_fingerprint = shared.destination_fingerprint
    inner join shown_days as days on days.position >= states.from_day and days.position < states.to_day
    where states.has_readable_times
    group by days.position, states.destination_fingerprint, states.project_id, states.task_id
    having min(states.starts) < max(states.ends)
),
judged as (
    select
        *,
        starts < max(ends) over (
            partition by day, destination_fingerprint order by starts, ends
            rows between unbounded preceding and 1 preceding
        ) as is_overlapping,
    from listed
    where ends > observed_at
),
streams as (
    select day, destination_fingerprint
    from judged
    group by all
    having bool_or(is_overlapping)
),
-- The same on every day, so that a stream counts on both of two days that are compared, or on neither.
members as (
    select destination_fingerprint, list(distinct target order by target) as targets
    from listed
    group by all
)
select targets, list(day order by day), list(stream_count order by day)
from (
    select day, targets, count(*) as stream_count
    from streams inner join members on streams.destination_fingerprint = members.destination_fingerprint
    group by all
)
group by targets
order by targets
"""
# The numbers of the last day: (targets as project_id/region, count).
_OF_TARGET = "select [project_id || '/' || region], count(*)"
TALLIES = {
    "changes": "select [project_id || '/' || region], count(distinct task_id) from fct_pull_task_changes "
    "where snapshot_date = (select through_date from meta_build) group by all order by all",
    "conflicts": "select target_keys, count(*) from rpt_stream_conflicts where timing <> 'over' "
    "group by all order by all",
    "past_end": f"{_OF_TARGET} from rpt_expiring_tasks where ends = 'past_end' group by all order by all",
    "ends_soon": f"{_OF_TARGET} from rpt_expiring_tasks where ends = 'within_24_hours' group by all order by all",
    "no_backup": f"{_OF_TARGET} from rpt_tasks_without_backup group by all order by all",
}


def read_numbers(con: duckdb.DuckDBPyConnection, places: dict[str, int]) -> dict[str, Any]:
    """Return the numbers of the page; `shown_targets` and `shown_days` must exist.

    `places` has the position of each target there by `project_id/region`.

    Returns:
        `coverage`: a text per target with a letter per day. `reasons`: why days are not complete. `counts`: tasks per
        status and source type. `tallies`: the last day's numbers by name. `history`: those of the days before it.
        `kinds_of_change`: what changed on the last day. `load`: tasks scheduled per hour.
    """
    compared = {"compared": COMPARED_DAYS + 1}
    con.execute(_STATES, compared)
    history: dict[str, list[Any]] = {"no_backup": [], "past_end": []}
    for name, *row in con.execute(_HISTORY_OF_TASKS, compared).fetchall():
        history[name].append(row)
    begins_at = _begin_of_day(con)
    return {
        "coverage": [letters for (letters,) in con.execute(_COVERAGE).fetchall()],
        "coverage_reasons": con.execute(_REASONS).fetchall(),
        "counts": con.execute(_COUNTS).fetchall(),
        "tallies": {name: _by_targets(con, query, places) for name, query in TALLIES.items()},
        "history": {
            **history,
            "conflicts": con.execute(_HISTORY_OF_CONFLICTS).fetchall(),
            "changes": con.execute(_CHANGES).fetchall(),
        },
        "kinds_of_change": con.execute(_KINDS_OF_CHANGE).fetchall(),
        "load": {
            "begins_at": begins_at,
            "hours": HOURS,
            "targets": con.execute(_LOAD, {"begins_at": begins_at, "hours": HOURS}).fetchall(),
        },
    }


def _by_targets(con: duckdb.DuckDBPyConnection, query: str, places: dict[str, int]) -> list[tuple[list[int], int]]:
    rows = con.execute(query).fetchall()
    return [([places[key] for key in keys if key in places], count) for keys, count in rows]


def _begin_of_day(con: duckdb.DuckDBPyConnection) -> Any:
    """Return when the last day begins, in seconds since 1970; in a zone with half hours, its first full hour."""
    ((begins_at,),) = con.execute(
        "select epoch(date_trunc('hour', starts_at + interval 59 minute + interval 59 second))::bigint "
        "from dim_dates order by snapshot_date desc limit 1"
    ).fetchall()
    return begins_at
