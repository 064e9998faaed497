-- Listed tasks without a backup source.
-- kind: view
-- grain: one row per target and task
-- example: select target_name, source_type, count(*) as tasks from rpt_tasks_without_backup group by all order by all
-- key: project_id, region, task_id
-- column: target_name VARCHAR | Name of the target.
-- column: task_id VARCHAR | The task's identifier.
-- column: status VARCHAR | State of the task in the service's own words.
-- column: source_type VARCHAR | PullLivePushLive or PullVodPushLive.
-- column: source_urls VARCHAR[] | Main source addresses, masked.
-- column: destination VARCHAR | Where the stream is pushed to, masked.
-- column: start_time TIMESTAMP | When the task is scheduled to start, UTC.
-- column: end_time TIMESTAMP | When the task is scheduled to end, UTC.
-- column: state_date DATE | Day of the capture that showed the task in this state.
-- like: target (project_id, region)
-- column: targets_complete BIGINT | Targets captured completely on the last day (the coverage of the row).
-- column: targets_expected BIGINT | Targets expected on the last day.
with build as (
    select snapshot_date, observed_at, targets_complete, targets_expected
    from dim_dates
    order by snapshot_date desc
    limit 1
)
select
    tasks.target_name,
    tasks.task_id,
    tasks.status,
    tasks.source_type,
    tasks.source_urls,
    tasks.destination,
    tasks.start_time,
    tasks.end_time,
    tasks.state_date,
    tasks.project_id,
    tasks.region,
    build.targets_complete,
    build.targets_expected,
from pull_tasks as tasks
cross join build
where not tasks.has_backup
