-- Number of tasks per day, target, status and source type, with the coverage of the day.
-- A target without a complete capture has one row with a null count, so that no sum shows a false zero.
-- kind: append
-- grain: one row per day, target, status and source type
-- example: select snapshot_date, sum(task_count) as tasks, min(targets_complete) as complete, min(targets_expected) as expected from fct_daily_task_counts group by all order by all
-- key: snapshot_date, project_id, region, status, source_type
-- column: snapshot_date DATE | The day.
-- like: target (target_name)
-- column: status VARCHAR | State of the tasks in the service's own words; null if there are none or unknown.
-- column: source_type VARCHAR | Type of the tasks' source; null if there are none or unknown.
-- column: task_count BIGINT | Tasks listed; 0 for an empty target, null if the day is not complete.
-- column: coverage VARCHAR | How the target's day ended: complete, held, incomplete, failed or missing.
-- like: target (project_id, region)
-- column: targets_complete BIGINT | Targets captured completely on that day.
-- column: targets_expected BIGINT | Targets expected on that day.
-- check: (task_count is not null) = (coverage = 'complete')
-- check: task_count >= 0 or task_count is null
-- check: targets_complete <= targets_expected
with counts as (
    select project_id, region, status, source_type, count(*) as task_count
    from stg_listed_tasks
    group by all
)
select
    days.snapshot_date,
    days.target_name,
    counts.status,
    counts.source_type,
    case when days.coverage = 'complete' then coalesce(counts.task_count, 0) end as task_count,
    days.coverage,
    days.project_id,
    days.region,
    dates.targets_complete,
    dates.targets_expected,
from stg_target_days as days
inner join dim_dates as dates
    on days.snapshot_date = dates.snapshot_date
left join counts
    on days.project_id = counts.project_id and days.region = counts.region and days.coverage = 'complete'
    and days.snapshot_date = (select snapshot_date from tidy.build)
