-- Tasks in which the day being built changes only dates: those with unchanged content, and those that a capture that
-- is not complete has seen.
-- kind: staging
-- grain: one row per target and task
-- key: project_id, region, task_id
-- like: target (project_id, region)
-- column: task_id VARCHAR | The task's identifier.
-- column: state_date DATE | Day of the last complete capture that listed the task.
-- column: last_seen_date DATE | Last day on which any capture showed the task.
select
    known.project_id,
    known.region,
    known.task_id,
    case when targets.coverage = 'complete' then targets.snapshot_date else known.state_date end as state_date,
    targets.snapshot_date as last_seen_date,
from before.dim_pull_tasks as known
inner join stg_listed_tasks as listed
    on known.project_id = listed.project_id and known.region = listed.region and known.task_id = listed.task_id
inner join stg_captures as targets
    on known.project_id = targets.project_id and known.region = targets.region
where targets.is_expected
    and (
        targets.coverage <> 'complete'
        or (listed.is_standing and known.target_name is not distinct from targets.target_name)
    )
