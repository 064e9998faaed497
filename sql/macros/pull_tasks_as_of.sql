-- The tasks as known on a date. A target captured completely on the date shows exactly its listed tasks; other targets
-- show their last known rows, with an earlier state_date. A date outside the range of dim_dates is an error.
-- kind: macro
-- grain: one row per target and task
-- example: select target_name, state_date, count(*) as tasks from pull_tasks_as_of((select max(snapshot_date) from dim_dates)) group by all order by all
-- argument: as_of_date
-- key: project_id, region, task_id
-- column: target_name VARCHAR | Current name of the target.
-- like: stg_pull_tasks (task_id, status)
-- column: state_date DATE | Day of the complete capture that showed the row; may be before snapshot_date.
-- column: snapshot_date DATE | The requested date.
-- column: capture_complete BOOLEAN | Always true: the history contains complete captures only.
-- like: stg_pull_tasks
with asked as materialized (
    -- A materialized expression is always evaluated, whichever columns are selected and even if there are no rows.
    select
        case
            when cast(as_of_date as date) between first_date and last_date then cast(as_of_date as date)
            else error(
                'the day ' || coalesce(cast(as_of_date as varchar), 'null') || ' is not known: there are '
                || first_date || ' to ' || last_date
            )
        end as snapshot_date,
    from (select min(snapshot_date) as first_date, max(snapshot_date) as last_date from dim_dates)
),
states as (
    select asked.snapshot_date, days.project_id, days.region, max(days.snapshot_date) as state_date
    from fct_target_days as days
    inner join asked
        on days.snapshot_date <= asked.snapshot_date
    where days.coverage = 'complete'
    group by all
)
select
    targets.target_name,
    versions.task_id,
    versions.status,
    states.state_date,
    states.snapshot_date,
    true as capture_complete,
    versions.* exclude (
        target_name, task_id, status, valid_from_date, valid_to_date, last_seen_date, end_reason
    ),
from dim_pull_task_versions as versions
inner join states
    on versions.project_id = states.project_id and versions.region = states.region
    and versions.valid_from_date <= states.snapshot_date
    and (versions.valid_to_date is null or versions.valid_to_date > states.snapshot_date)
inner join dim_targets as targets
    on versions.project_id = targets.project_id and versions.region = targets.region
