-- Every state that complete captures showed a task in, and the days between which it held.
-- A day on which the target was not complete neither ends a version nor begins one; absence is dated by the complete
-- capture that noticed it.
-- kind: incremental
-- grain: one row per target, task and first day of a state
-- example: select task_id, valid_from_date, valid_to_date, end_reason, status from dim_pull_task_versions order by task_id, valid_from_date
-- key: project_id, region, task_id, valid_from_date
-- column: project_id VARCHAR | Project of the target.
-- column: region VARCHAR | Region of the target.
-- column: target_name VARCHAR | Name of the target when the row was last written.
-- column: task_id VARCHAR | The task's identifier.
-- column: valid_from_date DATE | Day of the first complete capture that showed this state.
-- column: valid_to_date DATE | Day on which its end was noticed, not included; null while it stands.
-- column: last_seen_date DATE | Last day on which any capture showed the task, while this state stood.
-- column: end_reason VARCHAR | changed, gone, unlisted, unchecked or target_dropped; null while it stands.
-- like: stg_pull_tasks
-- check: valid_to_date is null or valid_from_date < valid_to_date
-- check: (valid_to_date is null) = (end_reason is null)
-- check: end_reason in ('changed', 'gone', 'unlisted', 'unchecked', 'target_dropped') or end_reason is null
-- check: valid_from_date <= last_seen_date
with standing as (
    select *
    from before.dim_pull_task_versions
    where valid_to_date is null
),
complete as (
    select captures.*, tidy.gone, tidy.unlisted
    from stg_captures as captures
    inner join tidy.captures as tidy
        on captures.project_id = tidy.project_id and captures.region = tidy.region
    where captures.coverage = 'complete'
),
listed as (
    select
        tasks.project_id,
        tasks.region,
        complete.target_name,
        tasks.task_id,
        case
            when standing.content_hash = tasks.content_hash then standing.valid_from_date
            else complete.snapshot_date
        end as valid_from_date,
        cast(null as date) as valid_to_date,
        complete.snapshot_date as last_seen_date,
        cast(null as varchar) as end_reason,
        tasks.* exclude (project_id, region, task_id),
    from stg_pull_tasks as tasks
    inner join complete
        on tasks.project_id = complete.project_id and tasks.region = complete.region
    left join standing
        on tasks.project_id = standing.project_id and tasks.region = standing.region
        and tasks.task_id = standing.task_id
),
-- What stood and does not stand any more in this state.
ended as (
    select
        standing.* replace (
            build.snapshot_date as valid_to_date,
            case
                when complete.project_id is null then 'target_dropped'
                when listed.task_id is not null then 'changed'
                when list_contains(complete.gone, standing.task_id) then 'gone'
                when list_contains(complete.unlisted, standing.task_id) then 'unlisted'
                else 'unchecked'
            end as end_reason
        )
    from standing
    cross join tidy.build as build
    left join stg_captures as targets
        on standing.project_id = targets.project_id and standing.region = targets.region
    left join complete
        on standing.project_id = complete.project_id and standing.region = complete.region
    left join listed
        on standing.project_id = listed.project_id and standing.region = listed.region
        and standing.task_id = listed.task_id
    where case
        when complete.project_id is not null then listed.content_hash is distinct from standing.content_hash
        else not coalesce(targets.is_expected, false)
    end
),
-- Presence is evidence in whatever a capture shows, absence is not.
seen as (
    select standing.* replace (targets.snapshot_date as last_seen_date)
    from standing
    inner join stg_captures as targets
        on standing.project_id = targets.project_id and standing.region = targets.region
        and targets.coverage <> 'complete' and targets.is_expected
    semi join stg_pull_tasks as tasks
        on standing.project_id = tasks.project_id and standing.region = tasks.region
        and standing.task_id = tasks.task_id
)
select * from listed
union all by name
select * from ended
union all by name
select * from seen
