"""The tasks of the page, what each was on every day, and the days of each target.

Lives here: the choice of tasks that the page holds, their states, changes and relations, a target's days.
Does not live here: the numbers of all tasks (numbers), the look of a history (page/lives.js).

Tasks are given by their position in the list `tasks`; days are ISO dates, times seconds since 1970 (UTC).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

    from pulltasks.dashboard.bounds import Bounds

# Needs `shown_targets` and `shown_days`. The most urgent tasks come first, so that a cut leaves out the quietest: those
# in conflict or about to end, those past their end, those without a backup source, then those that changed last.
_FOLLOWED = """
create or replace temp table followed as
with in_conflict as (
    select distinct unnest(task_ids) as task_id, destination_fingerprint
    from rpt_stream_conflicts
    where timing <> 'over'
),
sharing as (
    select distinct project_id, region, task_id
    from (
        select project_id, region, task_id, unnest(source_fingerprints || backup_source_fingerprints) as url_fingerprint
        from dim_pull_tasks
        where is_current
    )
    semi join rpt_source_reuse using (url_fingerprint)
),
changed as (
    select project_id, region, task_id, max(snapshot_date) as changed_date
    from fct_pull_task_changes
    where snapshot_date >= (select min(snapshot_date) from shown_days)
    group by all
),
ranked as (
    select
        tasks.*,
        targets.position as target,
        changed.changed_date,
        expiring.ends,
        conflicts.task_id is not null as in_conflict,
        sharing.task_id is not null as shares_source,
        len(list_filter(tasks.backup_source_fingerprints, lambda address: address is not null)) = 0 as no_backup,
        coalesce(tasks.start_time_raw, '') = '' and coalesce(tasks.end_time_raw, '') = '' as has_readable_times,
        case
            when not tasks.is_current then 4
            when conflicts.task_id is not null or expiring.ends = 'within_24_hours' then 0
            when expiring.ends is not null then 1
            when no_backup then 2
            else 3
        end as urgency,
        coalesce(list_sum(list_transform(tasks.source_urls || tasks.backup_source_urls, lambda url: strlen(url))), 0)
        + coalesce(strlen(tasks.callback_url), 0) + coalesce(strlen(tasks.destination), 0) as text_bytes,
    from dim_pull_tasks as tasks
    inner join shown_targets as targets on tasks.project_id = targets.project_id and tasks.region = targets.region
    left join changed
        on tasks.project_id = changed.project_id and tasks.region = changed.region and tasks.task_id = changed.task_id
    left join in_conflict as conflicts
        on tasks.task_id = conflicts.task_id and tasks.destination_fingerprint = conflicts.destination_fingerprint
        and tasks.is_current
    left join sharing
        on tasks.project_id = sharing.project_id and tasks.region = sharing.region and tasks.task_id = sharing.task_id
        and tasks.is_current
    left join rpt_expiring_tasks as expiring
        on tasks.project_id = expiring.project_id and tasks.region = expiring.region
        and tasks.task_id = expiring.task_id
)
select
    row_number() over in_order - 1 as place,
    *
from ranked
window in_order as (order by urgency, changed_date desc nulls last, target, task_id)
qualify place < $rows and coalesce(sum(text_bytes) over (
    in_order rows between unbounded preceding and 1 preceding
), 0) <= $text
order by place
"""
_TASKS = """
select
    target, task_id, is_current, destination, destination_host as host, app_name, status, source_type,
    epoch(start_time)::bigint as start_time, epoch(end_time)::bigint as end_time, has_readable_times,
    ends, in_conflict, shares_source, no_backup,
    epoch(create_time)::bigint as create_time, source_urls, backup_source_urls, callback_url,
    valid_from_date::varchar as valid_from_date, first_seen_date::varchar as first_seen_date,
    state_date::varchar as state_date, absence_noticed_date::varchar as absence_noticed_date,
from followed
order by place
"""
# What a task was before it became what it is now, as far back as the shown days go.
_PAST = """
select
    followed.place, past.destination, past.status, epoch(past.start_time)::bigint, epoch(past.end_time)::bigint,
    past.source_type, past.app_name, past.destination_host,
    len(list_filter(past.backup_source_fingerprints, lambda address: address is not null)) = 0,
    past.valid_from_date::varchar, past.valid_to_date::varchar,
from dim_pull_task_past_versions as past
inner join followed using (project_id, region, task_id)
where past.valid_to_date > (select min(snapshot_date) from shown_days)
order by all
"""
_SPELLS = """
select followed.place, spells.status, spells.from_date::varchar, spells.to_date::varchar, spells.days_unknown
from fct_status_spells as spells
inner join followed using (project_id, region, task_id)
order by followed.place, spells.from_date
"""
_CHANGES = """
select
    followed.place, changes.snapshot_date::varchar, changes.previous_complete_date::varchar, changes.change,
    changes.field, changes.value_before, changes.value_after, changes.reason, count(*) over () as total,
from fct_pull_task_changes as changes
inner join followed using (project_id, region, task_id)
qualify coalesce(sum(coalesce(strlen(changes.value_before), 0) + coalesce(strlen(changes.value_after), 0)) over (
    order by changes.snapshot_date desc, followed.place, changes.field rows between unbounded preceding and 1 preceding
), 0) <= $text
order by changes.snapshot_date desc, followed.place, changes.field
limit $rows
"""
# Groups of listed tasks with the same source, or with the same stream as destination.
_RELATED = """
select '{kind}' as kind, list(distinct place order by place) as places
from (select place, unnest({fingerprints}) as fingerprint from followed where is_current)
where fingerprint is not null
group by fingerprint
having count(distinct place) > 1
order by places
"""
_RELATIONS = {
    "source": "source_fingerprints || backup_source_fingerprints",
    "destination": "[destination_fingerprint]",
}
_TARGET_DAYS = """
select
    targets.position,
    list(days.position order by days.position) as days,
    list(coverage.task_count order by days.position) as task_counts,
    list(coverage.requests order by days.position) as requests,
    list(round(coverage.duration_seconds, 1) order by days.position) as seconds,
from rpt_snapshot_coverage as coverage
inner join shown_days as days on coverage.snapshot_date = days.snapshot_date
inner join shown_targets as targets on coverage.project_id = targets.project_id and coverage.region = targets.region
where coverage.is_expected
group by all
order by all
"""


def read_lives(connection: duckdb.DuckDBPyConnection, bounds: Bounds) -> dict[str, Any]:
    """Return tasks and their history; the tables `shown_targets` and `shown_days` must exist.

    Returns:
        `tasks`: one list per column; the index in them is the position by which the rest refers to a task. `past`,
        `spells`, `changes` and `target_days`: rows. `related`: `(source or destination, positions)`. `total`: number of
        tasks ever listed. `is_cut`: some of them are not in the page. `changes_cut`: some of their changes are not.
    """
    con = connection
    within = {"rows": bounds.rows, "text": bounds.text_bytes}
    con.execute(_FOLLOWED, within)
    found = con.execute(_TASKS)
    names, rows = [column[0] for column in found.description], found.fetchall()
    changes = con.execute(_CHANGES, within).fetchall()
    ((total,),) = con.execute("select count(*) from dim_pull_tasks").fetchall()
    return {
        "tasks": dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
        if rows
        else dict.fromkeys(names, ()),
        "past": con.execute(_PAST).fetchall(),
        "spells": con.execute(_SPELLS).fetchall(),
        "changes": [row[:-1] for row in changes],
        "changes_cut": bool(changes) and changes[0][-1] > len(changes),
        "related": [
            row
            for kind, fingerprints in _RELATIONS.items()
            for row in con.execute(_RELATED.format(kind=kind, fingerprints=fingerprints)).fetchall()
        ],
        "target_days": con.execute(_TARGET_DAYS).fetchall(),
        "total": total,
        "is_cut": len(rows) < total,
    }
