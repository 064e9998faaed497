-- The tasks as they were known on a day: for every target captured completely on it just what was listed, for the others
-- the last known rows, whose state_date is earlier. A date before the first day of dim_dates or after the last is an error.
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
with asked as materialized (
    -- Materialized, and a condition: so it is looked at whatever is asked of the rows, also where there are none.
    select cast(as_of_date as date) as snapshot_date
    from (select min(snapshot_date) as first_date, max(snapshot_date) as last_date from dim_dates)
    where
        case
            when cast(as_of_date as date) between first_date and last_date then true
            else error(
                'the day ' || coalesce(cast(as_of_date as varchar), 'null') || ' is not known: there are '
                || first_date || ' to ' || last_date
            )
        end
)
select
    asked.snapshot_date,
    versions.project_id,
    versions.region,
    versions.task_id,
    versions.* exclude (
        project_id, region, target_name, task_id, valid_from_date, valid_to_date, last_seen_date, end_reason
    ),
    true as capture_complete,
    targets.target_name,
    states.state_date,
-- Null stands for a day that is not known: compared with itself, the database would leave out the error as well.
from dim_pull_task_versions as versions
inner join (
    select project_id, region, max(snapshot_date) as state_date
    from fct_target_days
    where coverage = 'complete' and snapshot_date <= coalesce(cast(as_of_date as date), date '0001-01-01')
    group by project_id, region
) as states
    on versions.project_id = states.project_id and versions.region = states.region
inner join dim_targets as targets
    on versions.project_id = targets.project_id and versions.region = targets.region
cross join asked
where
    versions.valid_from_date <= coalesce(cast(as_of_date as date), date '0001-01-01')
    and (versions.valid_to_date is null or versions.valid_to_date > coalesce(cast(as_of_date as date), date '0001-01-01'))
