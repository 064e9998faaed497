-- Listed tasks that end soon or are past their end, measured from the begin of the last capture (observed_at).
-- Only times are compared: a listed task past its end is not necessarily running.
-- kind: table
-- grain: one row per target and task
-- example: select ends, count(*) as tasks from rpt_expiring_tasks group by all order by all
-- key: project_id, region, task_id
-- column: target_name VARCHAR | Name of the target.
-- column: task_id VARCHAR | The task's identifier.
-- column: ends VARCHAR | past_end, within_24_hours or within_7_days.
-- column: end_time TIMESTAMP | When the task is scheduled to end, UTC.
-- column: end_time_local TIMESTAMP | end_time in warehouse.display_timezone.
-- column: hours_to_end DOUBLE | Hours from observed_at to end_time; negative if it has passed.
-- column: status VARCHAR | State of the task in the service's own words.
-- column: source_type VARCHAR | PullLivePushLive or PullVodPushLive.
-- column: destination VARCHAR | Where the stream is pushed to, masked.
-- column: destination_host VARCHAR | Host that the stream is pushed to; null if none can be shown.
-- column: observed_at TIMESTAMP | When the day's last capture began, UTC.
-- column: state_date DATE | Day of the capture that showed the task in this state.
-- like: target (project_id, region)
-- column: targets_complete BIGINT | Targets captured completely on the last day (the coverage of the row).
-- column: targets_expected BIGINT | Targets expected on the last day.
-- check: (ends = 'past_end') = (hours_to_end <= 0)
select
    tasks.target_name,
    tasks.task_id,
    case
        when tasks.end_time <= build.observed_at then 'past_end'
        when tasks.end_time <= build.observed_at + interval 24 hour then 'within_24_hours'
        else 'within_7_days'
    end as ends,
    tasks.end_time,
    timezone(build.display_timezone, timezone('UTC', tasks.end_time)) as end_time_local,
    (epoch_us(tasks.end_time) - epoch_us(build.observed_at)) / 3600000000.0 as hours_to_end,
    tasks.status,
    tasks.source_type,
    tasks.destination,
    tasks.destination_host,
    build.observed_at,
    tasks.state_date,
    tasks.project_id,
    tasks.region,
    build.targets_complete,
    build.targets_expected,
from dim_pull_tasks as tasks
cross join stg_build as build
where tasks.is_current and tasks.end_time <= build.observed_at + interval 7 day
