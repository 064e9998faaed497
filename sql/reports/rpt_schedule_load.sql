-- How many tasks are scheduled in each hour of the past 30 days and the coming week, per target.
-- A past hour counts the tasks as they were known on that day, a coming one those known now; times alone are compared,
-- nothing says that a task ran. An hour without tasks has no row.
-- kind: table
-- grain: one row per target and hour
-- example: select hour_start, sum(tasks_scheduled) as tasks, min(targets_complete) as complete, min(targets_expected) as expected from rpt_schedule_load group by all order by all
-- key: project_id, region, hour_start
-- column: project_id VARCHAR | Project of the target.
-- column: region VARCHAR | Region of the target.
-- column: target_name VARCHAR | Name of the target.
-- column: hour_start TIMESTAMP | Begin of the hour, UTC.
-- column: is_forecast BOOLEAN | Whether the hour lies after the last snapshot's day.
-- column: tasks_scheduled BIGINT | Tasks whose scheduled time touches the hour.
-- column: tasks_open_ended BIGINT | Of these, the ones without a scheduled end.
-- column: coverage VARCHAR | How the target's day ended; of a coming hour, the last day.
-- column: targets_complete BIGINT | Targets captured completely on that day.
-- column: targets_expected BIGINT | Targets that were to be captured on that day.
-- check: tasks_open_ended <= tasks_scheduled
-- check: tasks_scheduled > 0
with span as (
    select
        snapshot_date,
        cast(snapshot_date - 30 as timestamp) as begins,
        cast(snapshot_date + 8 as timestamp) as ends,
    from stg_build
),
-- When each state of a task counts: within its schedule, while it was the state that was known.
windows as (
    select
        versions.project_id,
        versions.region,
        versions.end_time is null as is_open_ended,
        date_trunc('hour', greatest(
            span.begins, cast(versions.valid_from_date as timestamp), coalesce(versions.start_time, span.begins)
        )) as first_hour,
        date_trunc('hour', least(
            span.ends,
            coalesce(cast(versions.valid_to_date as timestamp), span.ends),
            coalesce(versions.end_time, span.ends)
        ) - interval 1 microsecond) as last_hour,
    from dim_pull_task_versions as versions
    cross join span
    where versions.valid_to_date is null or versions.valid_to_date > span.snapshot_date - 30
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
),
dates as (
    select dates.snapshot_date, dates.targets_complete, dates.targets_expected
    from dim_dates as dates
    cross join span
    where dates.snapshot_date >= span.snapshot_date - 30
)
select
    hours.project_id,
    hours.region,
    targets.target_name,
    hours.hour_start,
    hours.hour_start >= span.snapshot_date + interval 1 day as is_forecast,
    hours.tasks_scheduled,
    hours.tasks_open_ended,
    coverage.coverage,
    dates.targets_complete,
    dates.targets_expected,
from hours
cross join span
inner join dim_targets as targets
    on hours.project_id = targets.project_id and hours.region = targets.region
inner join dates
    on dates.snapshot_date = least(cast(hours.hour_start as date), span.snapshot_date)
left join rpt_snapshot_coverage as coverage
    on hours.project_id = coverage.project_id and hours.region = coverage.region
    and coverage.snapshot_date = least(cast(hours.hour_start as date), span.snapshot_date)
