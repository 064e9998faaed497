-- Tasks whose schedule covers a moment, as known on the day of the moment, or as known now for a moment after the last
-- day. Only scheduled times are compared: a scheduled task may not have run. A moment before the first day is an error.
-- kind: macro
-- grain: one row per target and task
-- example: select target_name, count(*) as tasks from tasks_scheduled_at((select starts_at + interval 20 hour from dim_dates order by snapshot_date desc limit 1)) group by all order by all
-- argument: at_time
-- key: project_id, region, task_id
-- column: target_name VARCHAR | Current name of the target.
-- column: task_id VARCHAR | The task's identifier.
-- column: status VARCHAR | State of the task in the service's own words.
-- column: destination VARCHAR | Where the stream is pushed to, masked.
-- column: start_time TIMESTAMP | When the task is scheduled to start, UTC; null if not given.
-- column: end_time TIMESTAMP | When the task is scheduled to end, UTC; null (open end) if not given.
-- column: source_type VARCHAR | PullLivePushLive or PullVodPushLive.
-- column: destination_host VARCHAR | Host that the stream is pushed to; null if none can be shown.
-- column: source_hosts VARCHAR[] | Distinct hosts of the source addresses, in alphabetical order.
-- column: state_date DATE | Day of the complete capture that showed the row; may be before snapshot_date.
-- column: snapshot_date DATE | Day whose tasks are shown: the day of the moment, or the last day.
-- like: target (project_id, region)
with asked as materialized (
    select (select max(snapshot_date) from dim_dates where starts_at <= cast(at_time as timestamp)) as snapshot_date
    from (select min(starts_at) as first_start from dim_dates)
    where
        case
            when cast(at_time as timestamp) >= first_start then true
            else error(
                'the time ' || coalesce(cast(at_time as varchar), 'null') || ' is not known: the first day begins at '
                || first_start || ' UTC'
            )
        end
)
select
    target_name,
    task_id,
    status,
    destination,
    start_time,
    end_time,
    source_type,
    destination_host,
    source_hosts,
    state_date,
    snapshot_date,
    project_id,
    region,
from pull_tasks_as_of((select snapshot_date from asked))
where (start_time is null or start_time <= cast(at_time as timestamp))
    and (end_time is null or end_time > cast(at_time as timestamp))
    and coalesce(start_time_raw, '') = ''
    and coalesce(end_time_raw, '') = ''
