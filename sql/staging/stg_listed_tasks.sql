-- Tasks in the answers of the day being built, and whether their content is unchanged.
-- A capture that is not complete contributes only tasks that were known before: it proves nothing else.
-- kind: staging
-- grain: one row per target and task
-- key: project_id, region, task_id
-- like: target (project_id, region)
-- column: task_id VARCHAR | The task's identifier.
-- column: status VARCHAR | State of the task in the service's own words.
-- column: source_type VARCHAR | PullLivePushLive or PullVodPushLive.
-- column: content_hash VARCHAR | Keyed hash of the whole task as received.
-- column: is_standing BOOLEAN | Whether dim_pull_tasks already shows this content, in the same schema version.
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
        -- A row that was read from a file of an older schema version may have other values in its columns.
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
