-- Tasks that the answers of the day being built show, and which of them stand as they stood before.
-- Of a capture that is not complete only tasks that are known from before: nothing else follows from it, however much it shows.
-- kind: staging
-- grain: one row per target and task
-- key: project_id, region, task_id
-- like: target (project_id, region)
-- column: task_id VARCHAR | The task's identifier.
-- column: status VARCHAR | State of the task in the service's own words.
-- column: source_type VARCHAR | PullLivePushLive or PullVodPushLive.
-- column: content_hash VARCHAR | Keyed hash of the whole task as received.
-- column: is_standing BOOLEAN | Whether the current row of dim_pull_tasks shows the same content, read from a file of the same schema: its columns are those that the task would be given now.
with tasks as (
    select
        project_id,
        region,
        task_id,
        mask_name(status) as status,
        mask_name(source_type) as source_type,
        fingerprint(content_hash) as content_hash,
    from tidy.pull_tasks
)
select
    tasks.*,
    coalesce(
        known.is_current
        and known.content_hash = tasks.content_hash
        and known.state_date >= build.same_schema_since,
        false
    ) as is_standing,
from tasks
cross join tidy.build as build
inner join stg_captures as targets
    on tasks.project_id = targets.project_id and tasks.region = targets.region
left join before.dim_pull_tasks as known
    on tasks.project_id = known.project_id and tasks.region = known.region and tasks.task_id = known.task_id
where targets.coverage = 'complete' or known.task_id is not null
