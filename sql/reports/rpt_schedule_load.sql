-- Scheduled tasks per target and hour, for the past 30 days and the coming week.
-- A past hour counts the tasks known on that day; a future hour counts the tasks known now. Only scheduled times count:
-- a scheduled task may not have run. Hours without tasks have no row; tasks with unreadable times are left out.
-- kind: table
-- grain: one row per target and hour
-- example: select hour_start, sum(tasks_scheduled) as tasks, min(targets_complete) as complete, min(targets_expected) as expected from rpt_schedule_load group by all order by all
-- key: project_id, region, hour_start
-- column: target_name VARCHAR | Name of the target.
-- column: hour_start TIMESTAMP | Start of the hour, UTC.
-- column: hour_start_local TIMESTAMP | hour_start in warehouse.display_timezone.
-- column: is_forecast BOOLEAN | Whether the hour is after the last snapshot's day.
-- column: tasks_scheduled BIGINT | Tasks whose scheduled time overlaps the hour.
-- column: tasks_open_ended BIGINT | Tasks among these without a scheduled end.
-- column: coverage VARCHAR | How the target's day ended; for a future hour, how the last day ended.
-- like: target (project_id, region)
-- column: targets_complete BIGINT | Targets captured completely on that day.
-- column: targets_expected BIGINT | Targets expected on that day.
-- check: tasks_open_ended <= tasks_scheduled
-- check: tasks_scheduled > 0
with days as (
    select
        snapshot_date,
        starts_at,
        lead(starts_at) over (order by snapshot_date) as ends_at,
        targets_complete,
        targets_expected,
    from dim_dates
),
span as (
    select
        snapshot_date,
        starts_at,
        starts_at - interval 30 day as begins,
        starts_at + interval 8 day as ends,
    from days
    where ends_at is null
),
-- A state of a task counts during its schedule, as long as it is the known state.
windows as (
    select
        versions.project_id,
        versions.region,
        versions.end_time is null as is_open_ended,
        date_trunc('hour', greatest(
            span.begins, began.starts_at, coalesce(versions.start_time, span.begins)
        )) as first_hour,
        date_trunc('hour', least(
            span.ends,
            coalesce(ended.starts_at, cast(versions.valid_to_date as timestamp), span.ends),
            coalesce(versions.end_time, span.ends)
        ) - interval 1 microsecond) as last_hour,
    from dim_pull_task_versions as versions
    cross join span
    inner join days as began
        on versions.valid_from_date = began.snapshot_date
    left join days as ended
        on versions.valid_to_date = ended.snapshot_date
    where (versions.valid_to_date is null or versions.valid_to_date > span.snapshot_date - 30)
        and coalesce(versions.start_time_raw, '') = ''
        and coalesce(versions.end_time_raw, '') = ''
),
steps as (
    select project_id, region, first_hour as hour_start, 1 as step, cast(is_open_ended as integer) as open_step
    from windows
    where first_hour <= last_hour
    union all
    select project_id, region, last_hour + interval 1 hour, -1, -cast(is_open_ended as integer)
    from windows
    where first_hour <= last_hour
),
summed as (
    select project_id, region, hour_start, sum(step) as step, sum(open_step) as open_step
    from steps
    group by all
),
levels as (
    select
        project_id,
        region,
        hour_start,
        lead(hour_start) over of_target as next_start,
        cast(sum(step) over of_target as bigint) as tasks_scheduled,
        cast(sum(open_step) over of_target as bigint) as tasks_open_ended,
    from summed
    window of_target as (partition by project_id, region order by hour_start)
),
hours as (
    select
        project_id,
        region,
        unnest(generate_series(hour_start, next_start - interval 1 hour, interval 1 hour)) as hour_start,
        tasks_scheduled,
        tasks_open_ended,
    from levels
    where tasks_scheduled > 0 and next_start is not null
)
select
    targets.target_name,
    hours.hour_start,
    timezone(build.display_timezone, timezone('UTC', hours.hour_start)) as hour_start_local,
    hours.hour_start >= span.starts_at + interval 1 day as is_forecast,
    hours.tasks_scheduled,
    hours.tasks_open_ended,
    coverage.coverage,
    hours.project_id,
    hours.region,
    days.targets_complete,
    days.targets_expected,
from hours
cross join span
cross join stg_build as build
inner join dim_targets as targets
    on hours.project_id = targets.project_id and hours.region = targets.region
inner join days
    on hours.hour_start >= days.starts_at and (days.ends_at is null or hours.hour_start < days.ends_at)
left join fct_target_days as coverage
    on hours.project_id = coverage.project_id and hours.region = coverage.region
    and coverage.snapshot_date = days.snapshot_date
