-- Past states of tasks. The view dim_pull_task_versions adds the current states to these rows.
-- kind: append
-- grain: one row per target, task and first day of a state
-- example: select end_reason, count(*) as versions from dim_pull_task_past_versions group by all order by all
-- key: project_id, region, task_id, valid_from_date
-- coverage: not needed, because a row is about one task, and only complete captures begin or end it
-- column: target_name VARCHAR | Name of the target when the state ended.
-- like: stg_pull_tasks (task_id, status)
-- column: valid_from_date DATE | Day of the first complete capture that showed this state.
-- column: valid_to_date DATE | Day on which its end was noticed; exclusive.
-- column: last_seen_date DATE | Last day on which any capture showed the task in this state.
-- column: end_reason VARCHAR | changed, gone, unlisted, unchecked or target_dropped.
-- like: stg_pull_tasks
-- check: valid_from_date < valid_to_date
-- check: end_reason in ('changed', 'gone', 'unlisted', 'unchecked', 'target_dropped')
-- check: valid_from_date <= last_seen_date
with targets as (
    select captures.*, tidy.gone, tidy.unlisted
    from stg_captures as captures
    inner join tidy.captures as tidy
        on captures.project_id = tidy.project_id and captures.region = tidy.region
),
-- Keys of the states that end on this day. Whole rows are read only for these.
ending as (
    select
        known.project_id,
        known.region,
        known.task_id,
        build.snapshot_date,
        coalesce(targets.coverage = 'complete', false) as is_complete,
        today.task_id is not null as is_listed,
        today.content_hash is distinct from known.content_hash as is_other,
        targets.gone,
        targets.unlisted,
    from before.dim_pull_tasks as known
    cross join tidy.build as build
    left join targets
        on known.project_id = targets.project_id and known.region = targets.region
    left join stg_listed_tasks as today
        on known.project_id = today.project_id and known.region = today.region and known.task_id = today.task_id
    where known.is_current
        and (targets.is_expected is not true or (is_complete and is_other))
),
ended as (
    select
        known.* exclude (is_current, state_date, first_seen_date, absence_noticed_date) replace (
            case when is_listed and not (is_complete and is_other) then snapshot_date else last_seen_date end
                as last_seen_date
        ),
        -- A target that left the list after its capture still counts as known on that day.
        case when is_complete and not is_other then snapshot_date + 1 else snapshot_date end as valid_to_date,
        case
            when not is_complete or not is_other then 'target_dropped'
            when is_listed then 'changed'
            when list_contains(gone, known.task_id) then 'gone'
            when list_contains(unlisted, known.task_id) then 'unlisted'
            else 'unchecked'
        end as end_reason,
    from ending
    inner join before.dim_pull_tasks as known
        on ending.project_id = known.project_id and ending.region = known.region and ending.task_id = known.task_id
),
-- States that began on the day, of targets that left the list on the same day.
one_day as (
    select
        targets.target_name,
        targets.snapshot_date as valid_from_date,
        targets.snapshot_date as last_seen_date,
        today.*,
        targets.snapshot_date + 1 as valid_to_date,
        'target_dropped' as end_reason,
    from stg_pull_tasks as today
    inner join targets
        on today.project_id = targets.project_id and today.region = targets.region
        and targets.coverage = 'complete' and not targets.is_expected
    anti join (
        select project_id, region, task_id
        from ending
        where not is_other
    ) as same
        on today.project_id = same.project_id and today.region = same.region and today.task_id = same.task_id
)
select * from ended
union all by name
select * from one_day
