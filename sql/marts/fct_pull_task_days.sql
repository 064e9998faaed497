-- Every listed task on every day with a complete capture of its target: the rows of the tidy table, masked.
-- This is a view: filter by the days that you need.
-- kind: view
-- grain: one row per target, complete day and listed task
-- example: select snapshot_date, status, count(*) as tasks, min(targets_complete) as complete, min(targets_expected) as expected from fct_pull_task_days where snapshot_date >= (select max(snapshot_date) - 7 from dim_dates) group by all order by all
-- key: snapshot_date, project_id, region, task_id
-- column: snapshot_date DATE | The day.
-- column: target_name VARCHAR | Name of the target on that day.
-- like: stg_pull_tasks (task_id, status)
-- column: valid_from_date DATE | Day of the first complete capture that showed the task in this state.
-- like: stg_pull_tasks
-- column: targets_complete BIGINT | Targets captured completely on that day.
-- column: targets_expected BIGINT | Targets expected on that day.
select
    days.snapshot_date,
    days.target_name,
    versions.* exclude (target_name, valid_to_date, last_seen_date, end_reason),
    dates.targets_complete,
    dates.targets_expected,
from dim_pull_task_versions as versions
inner join fct_target_days as days
    on versions.project_id = days.project_id
    and versions.region = days.region
    and days.snapshot_date >= versions.valid_from_date
    and (versions.valid_to_date is null or days.snapshot_date < versions.valid_to_date)
inner join dim_dates as dates
    on days.snapshot_date = dates.snapshot_date
where days.coverage = 'complete'
