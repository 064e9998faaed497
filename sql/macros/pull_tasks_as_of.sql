-- The tasks as they were known on a day: for every target captured completely on it just what was listed, for the others
-- the last known rows, whose state_date is earlier.
-- kind: macro
-- grain: one row per target and task
-- example: select target_name, state_date, count(*) as tasks from pull_tasks_as_of((select max(snapshot_date) from dim_dates)) group by all order by all
-- argument: as_of_date
-- key: project_id, region, task_id
-- column: snapshot_date DATE | The day that was asked for.
-- column: project_id VARCHAR | Project of the target.
-- column: region VARCHAR | Region of the target.
-- column: task_id VARCHAR | The task's identifier.
-- column: capture_complete BOOLEAN | Always true: what incomplete captures showed is no part of the history.
-- column: target_name VARCHAR | Name of the target now.
-- column: state_date DATE | Day of the complete capture that the row is known from; earlier than snapshot_date where that day is not complete.
-- like: stg_pull_tasks
select
    cast(as_of_date as date) as snapshot_date,
    versions.project_id,
    versions.region,
    versions.task_id,
    versions.* exclude (
        project_id, region, target_name, task_id, valid_from_date, valid_to_date, last_seen_date, end_reason
    ),
    true as capture_complete,
    targets.target_name,
    states.state_date,
from dim_pull_task_versions as versions
inner join (
    select project_id, region, max(snapshot_date) as state_date
    from fct_target_days
    where coverage = 'complete' and snapshot_date <= cast(as_of_date as date)
    group by project_id, region
) as states
    on versions.project_id = states.project_id and versions.region = states.region
inner join dim_targets as targets
    on versions.project_id = targets.project_id and versions.region = targets.region
where
    versions.valid_from_date <= cast(as_of_date as date)
    and (versions.valid_to_date is null or versions.valid_to_date > cast(as_of_date as date))
