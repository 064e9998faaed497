-- Streams that several listed tasks push to at overlapping times.
-- If a stream has several overlaps, the row shows the current one, else the next, else the latest. Tasks of any status
-- count, except tasks with an unreadable time or with an end that is not after the start.
-- kind: table
-- grain: one row per stream
-- example: select destination, timing, task_count, tasks_enabled, overlap_start_time, overlap_end_time from rpt_stream_conflicts order by timing, overlap_start_time
-- key: destination_fingerprint
-- column: destination VARCHAR | The stream, masked.
-- column: destination_host VARCHAR | Host that the stream is pushed to; null if none can be shown.
-- column: timing VARCHAR | now, coming or over: position of the overlap relative to observed_at.
-- column: overlap_start_time TIMESTAMP | Start of the overlap, UTC; null if no start is given.
-- column: overlap_end_time TIMESTAMP | End of the overlap, UTC; null if it is open.
-- column: overlap_start_time_local TIMESTAMP | overlap_start_time in warehouse.display_timezone.
-- column: overlap_end_time_local TIMESTAMP | overlap_end_time in warehouse.display_timezone.
-- column: overlap_count BIGINT | Number of overlaps of the stream, past and future.
-- column: task_count BIGINT | Tasks that push during the overlap that is shown.
-- column: tasks_enabled BIGINT | Tasks among these whose status is not suspended, paused, stopped or disabled.
-- column: task_ids VARCHAR[] | Ids of these tasks, in order of their start.
-- column: statuses VARCHAR[] | Status of these tasks in the service's own words, in the same order.
-- column: target_names VARCHAR[] | Distinct names of their targets, sorted.
-- column: target_keys VARCHAR[] | The same targets as project_id/region, sorted.
-- column: state_date DATE | Oldest state_date among the tasks.
-- column: observed_at TIMESTAMP | When the day's last capture began, UTC.
-- column: targets_complete BIGINT | Targets captured completely on the last day (the coverage of the row).
-- column: targets_expected BIGINT | Targets expected on the last day.
-- column: destination_fingerprint VARCHAR | Keyed fingerprint of the stream.
-- check: timing in ('now', 'coming', 'over')
-- check: task_count > 1
-- check: tasks_enabled <= task_count
with listed as (
    -- A project may list the same task in several regions; such a task does not conflict with itself.
    -- An open end overlaps everything after it; a missing start overlaps everything before it.
    select
        destination_fingerprint,
        project_id,
        task_id,
        min(destination) as destination,
        min(destination_host) as destination_host,
        min(target_name) as target_name,
        min(project_id || '/' || region) as target_key,
        min(status) as status,
        min(coalesce(start_time, timestamp '0001-01-01')) as starts,
        max(coalesce(end_time, timestamp '9999-12-31')) as ends,
        min(state_date) as state_date,
    from dim_pull_tasks
    where is_current
        and destination_fingerprint is not null
        and coalesce(start_time_raw, '') = ''
        and coalesce(end_time_raw, '') = ''
    group by destination_fingerprint, project_id, task_id
    having starts < ends
),
shared as (
    select *
    from (select *, count(*) over (partition by destination_fingerprint) as tasks_on_stream from listed)
    where tasks_on_stream > 1
),
steps as (
    select destination_fingerprint, at_time, sum(step) as step
    from (
        select destination_fingerprint, starts as at_time, 1 as step from shared
        union all
        select destination_fingerprint, ends, -1 from shared
    )
    group by destination_fingerprint, at_time
),
levels as (
    select
        destination_fingerprint,
        at_time,
        sum(step) over (partition by destination_fingerprint order by at_time) as level,
    from steps
),
turns as (
    select
        *,
        lag(level, 1, 0) over (partition by destination_fingerprint order by at_time) as level_before,
    from levels
),
-- An overlap begins when a second task begins, and ends when only one task is left.
periods as (
    select
        destination_fingerprint,
        at_time as starts,
        lead(at_time) over (partition by destination_fingerprint order by at_time) as ends,
        level > 1 as is_begin,
    from turns
    where (level > 1) <> (level_before > 1)
),
judged as (
    select
        periods.*,
        count(*) over (partition by destination_fingerprint) as overlap_count,
        case
            when periods.ends <= build.observed_at then 'over'
            when periods.starts > build.observed_at then 'coming'
            else 'now'
        end as timing,
        build.observed_at,
        build.display_timezone,
        build.targets_complete,
        build.targets_expected,
    from periods
    cross join stg_build as build
    where periods.is_begin
),
in_order as (
    select
        *,
        row_number() over (
            partition by destination_fingerprint
            order by
                case timing when 'now' then 0 when 'coming' then 1 else 2 end,
                case when timing <> 'over' then starts end,
                case when timing = 'over' then ends end desc
        ) as place,
    from judged
),
shown as (
    select *
    from in_order
    where place = 1
)
select
    min(tasks.destination) as destination,
    min(tasks.destination_host) as destination_host,
    shown.timing,
    nullif(shown.starts, timestamp '0001-01-01') as overlap_start_time,
    nullif(shown.ends, timestamp '9999-12-31') as overlap_end_time,
    timezone(shown.display_timezone, timezone('UTC', nullif(shown.starts, timestamp '0001-01-01')))
        as overlap_start_time_local,
    timezone(shown.display_timezone, timezone('UTC', nullif(shown.ends, timestamp '9999-12-31')))
        as overlap_end_time_local,
    shown.overlap_count,
    count(*) as task_count,
    count(*) filter (
        tasks.status is null
        or not (
            lower(tasks.status) like '%suspend%' or lower(tasks.status) like '%pause%'
            or lower(tasks.status) like '%stop%' or lower(tasks.status) like '%disable%'
        )
    ) as tasks_enabled,
    list(tasks.task_id order by tasks.starts, tasks.project_id, tasks.task_id) as task_ids,
    list(tasks.status order by tasks.starts, tasks.project_id, tasks.task_id) as statuses,
    list(distinct tasks.target_name order by tasks.target_name) as target_names,
    list(distinct tasks.target_key order by tasks.target_key) as target_keys,
    min(tasks.state_date) as state_date,
    shown.observed_at,
    shown.targets_complete,
    shown.targets_expected,
    shown.destination_fingerprint,
from shown
inner join shared as tasks
    on shown.destination_fingerprint = tasks.destination_fingerprint
    and tasks.starts < shown.ends and tasks.ends > shown.starts
group by all
