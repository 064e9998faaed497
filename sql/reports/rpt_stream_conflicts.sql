-- Streams that several listed tasks push to at overlapping times, and whether the overlap is over, now or coming.
-- An open end overlaps everything after it, a missing start everything before; a time that cannot be read leaves its task
-- out, as does an end that is not after its start. Where a stream has several overlaps, the row shows the one that
-- goes on, else the next, else the last. Tasks are counted whatever their status; tasks_enabled leaves out those whose
-- status says that they are suspended, paused, stopped or disabled.
-- kind: table
-- grain: one row per stream
-- example: select destination, timing, task_count, tasks_enabled, overlap_start_time, overlap_end_time from rpt_stream_conflicts order by timing, overlap_start_time
-- key: destination_fingerprint
-- column: destination VARCHAR | The stream, masked.
-- column: destination_host VARCHAR | Host that the stream is pushed to; null where none can be shown.
-- column: destination_fingerprint VARCHAR | Keyed fingerprint of the stream.
-- column: timing VARCHAR | now, coming or over: where the overlap lies from the moment observed_at.
-- column: overlap_start_time TIMESTAMP | From when several tasks push, UTC; null when no start is given.
-- column: overlap_end_time TIMESTAMP | Until when several tasks push, UTC; null when it is open.
-- column: overlap_start_time_local TIMESTAMP | The start in warehouse.display_timezone.
-- column: overlap_end_time_local TIMESTAMP | The end in warehouse.display_timezone.
-- column: overlap_count BIGINT | How many overlaps the stream has, past and coming.
-- column: task_count BIGINT | Tasks that push during the overlap that is shown.
-- column: tasks_enabled BIGINT | Of these, the ones whose status does not say that they are switched off.
-- column: task_ids VARCHAR[] | These tasks, in order of their starts.
-- column: statuses VARCHAR[] | Their states in the service's own words, in the same order.
-- column: target_names VARCHAR[] | The targets that they belong to, each once, in order of the names.
-- column: target_keys VARCHAR[] | The same targets as project_id/region, in order.
-- column: state_date DATE | Oldest day that one of the tasks is known from.
-- column: observed_at TIMESTAMP | When the day's last capture began, UTC.
-- column: targets_complete BIGINT | Targets captured completely on the last day: what the row covers.
-- column: targets_expected BIGINT | Targets that were to be captured on the last day.
-- check: timing in ('now', 'coming', 'over')
-- check: task_count > 1
-- check: tasks_enabled <= task_count
with listed as (
    -- One project may list one task in several regions: it is in no conflict with itself.
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
-- An overlap lasts from where a second task begins to where only one is left.
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
    shown.destination_fingerprint,
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
from shown
inner join shared as tasks
    on shown.destination_fingerprint = tasks.destination_fingerprint
    and tasks.starts < shown.ends and tasks.ends > shown.starts
group by all
