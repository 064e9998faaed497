-- Tasks that differ from the target's previous complete capture, found by keys and hashes alone.
-- They are numbered in parts of bounded size, so that whole rows are compared one part at a time.
-- kind: staging
-- grain: one row per target and task
-- key: project_id, region, task_id
-- like: target (project_id, region)
-- column: task_id VARCHAR | The task's identifier.
-- column: change VARCHAR | added, removed, returned or changed.
-- column: part BIGINT | Number of the part that the task belongs to.
with complete as (
    select captures.project_id, captures.region
    from stg_captures as captures
    inner join before.dim_targets as targets
        on captures.project_id = targets.project_id and captures.region = targets.region
        and targets.last_complete_date is not null
    where captures.coverage = 'complete'
),
keys as (
    select
        coalesce(today.project_id, known.project_id) as project_id,
        coalesce(today.region, known.region) as region,
        coalesce(today.task_id, known.task_id) as task_id,
        case
            when known.task_id is null then 'added'
            when today.task_id is null then 'removed'
            when not known.is_current then 'returned'
            else 'changed'
        end as change,
    from (
        select project_id, region, task_id, is_current, content_hash
        from before.dim_pull_tasks as known
        semi join complete on known.project_id = complete.project_id and known.region = complete.region
    ) as known
    full join (
        select project_id, region, task_id, content_hash
        from stg_listed_tasks as today
        semi join complete on today.project_id = complete.project_id and today.region = complete.region
    ) as today
        on known.project_id = today.project_id and known.region = today.region and known.task_id = today.task_id
    where (today.task_id is not null or known.is_current)
        and not coalesce(known.is_current and known.content_hash = today.content_hash, false)
),
rows_of_both as (
    select project_id, region, task_id, source_urls, backup_source_urls, callback_events, extra, push_args
    from before.dim_pull_tasks
    union all
    select project_id, region, task_id, source_urls, backup_source_urls, callback_events, extra, push_args
    from stg_pull_tasks
),
sizes as (
    select
        project_id,
        region,
        task_id,
        sum(
            1000 + coalesce(strlen(extra), 0) + coalesce(strlen(push_args), 0)
            + coalesce(list_sum(list_transform(source_urls, lambda url: strlen(url))), 0)
            + coalesce(list_sum(list_transform(backup_source_urls, lambda url: strlen(url))), 0)
            + 20 * coalesce(len(callback_events), 0)
        ) as text_bytes,
    from rows_of_both
    semi join keys
        on rows_of_both.project_id = keys.project_id and rows_of_both.region = keys.region
        and rows_of_both.task_id = keys.task_id
    group by project_id, region, task_id
)
select
    keys.*,
    cast(coalesce(sum(sizes.text_bytes) over (
        order by keys.project_id, keys.region, keys.task_id rows between unbounded preceding and 1 preceding
    ), 0) // build.text_per_part as bigint) as part,
from keys
cross join tidy.build as build
left join sizes
    on keys.project_id = sizes.project_id and keys.region = sizes.region and keys.task_id = sizes.task_id
