-- Every task that a complete capture ever listed, ended tasks included, in its last known state. The tasks that are
-- listed now are in pull_tasks, or here where is_current.
-- If a target was not captured completely, its tasks remain unchanged; state_date is the date of their state.
-- kind: merge
-- grain: one row per target and task
-- example: select target_name, task_id, source_urls, state_date from dim_pull_tasks where is_current and len(backup_source_urls) = 0
-- key: project_id, region, task_id
-- coverage: not needed, because a row is about one task, and state_date is the date of its state
-- moves: state_date, last_seen_date from stg_moved_tasks
-- column: target_name VARCHAR | Name of the target when the row was last written.
-- like: stg_pull_tasks (task_id, status)
-- column: is_current BOOLEAN | Whether the last complete capture listed the task and its target is still expected.
-- column: state_date DATE | Day of the last complete capture that listed the task: the date of this state.
-- column: valid_from_date DATE | Day of the first complete capture that showed the task in this state.
-- column: first_seen_date DATE | Day of the first complete capture that listed the task.
-- column: last_seen_date DATE | Last day on which any capture showed the task.
-- column: absence_noticed_date DATE | Day of the first complete capture without it, or on which its target left.
-- like: stg_pull_tasks
-- check: first_seen_date <= valid_from_date and valid_from_date <= state_date and state_date <= last_seen_date
-- check: is_current = (absence_noticed_date is null)
with targets as (
    select project_id, region, target_name, coverage, is_expected, snapshot_date
    from stg_captures
),
-- Tasks in complete captures that are new or whose content changed.
listed as (
    select
        tasks.project_id,
        tasks.region,
        targets.target_name,
        tasks.task_id,
        targets.is_expected as is_current,
        targets.snapshot_date as state_date,
        case
            when known.is_current and known.content_hash = tasks.content_hash then known.valid_from_date
            else targets.snapshot_date
        end as valid_from_date,
        coalesce(known.first_seen_date, targets.snapshot_date) as first_seen_date,
        targets.snapshot_date as last_seen_date,
        case when not targets.is_expected then targets.snapshot_date end as absence_noticed_date,
        tasks.* exclude (project_id, region, task_id),
    from stg_pull_tasks as tasks
    inner join targets
        on tasks.project_id = targets.project_id and tasks.region = targets.region and targets.coverage = 'complete'
    left join before.dim_pull_tasks as known
        on tasks.project_id = known.project_id and tasks.region = known.region and tasks.task_id = known.task_id
),
-- Known tasks that change without new content: they are no longer listed, or their target left the list or was renamed.
-- Only a complete capture, or the removal of the target from the list, shows that a task is absent.
changing as (
    select
        known.project_id,
        known.region,
        known.task_id,
        build.snapshot_date,
        targets.target_name as new_target_name,
        coalesce(targets.is_expected, false) as is_expected,
        seen.task_id is not null as is_seen,
        coalesce(targets.coverage = 'complete' and seen.is_standing, false) as is_listed,
    from before.dim_pull_tasks as known
    cross join tidy.build as build
    left join targets on known.project_id = targets.project_id and known.region = targets.region
    left join stg_listed_tasks as seen
        on known.project_id = seen.project_id and known.region = seen.region and known.task_id = seen.task_id
    where known.is_current
        and case
            when is_listed then not targets.is_expected or known.target_name is distinct from targets.target_name
            when is_seen and targets.coverage = 'complete' then false
            else targets.coverage = 'complete' or targets.is_expected is not true
        end
),
changed as (
    select
        known.* replace (
            case when is_listed then new_target_name else known.target_name end as target_name,
            is_listed and is_expected as is_current,
            case when is_listed then snapshot_date else state_date end as state_date,
            case when is_seen then snapshot_date else last_seen_date end as last_seen_date,
            case when not (is_listed and is_expected) then snapshot_date end as absence_noticed_date
        ),
    from changing
    inner join before.dim_pull_tasks as known
        on changing.project_id = known.project_id and changing.region = known.region
        and changing.task_id = known.task_id
)
select * from listed
union all by name
select * from changed
