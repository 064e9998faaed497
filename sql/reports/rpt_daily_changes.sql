-- Number of tasks that were added, removed, returned or changed, per day: tasks, not fields.
-- A target is compared on a day if it is complete on it and was complete before; of the other targets, changes are
-- unknown. A change is counted on the day that shows it and happened at some time since the target's last complete day.
-- kind: view
-- grain: one row per day
-- example: select snapshot_date, tasks_added, tasks_removed, targets_compared, targets_expected from rpt_daily_changes order by all
-- key: snapshot_date
-- column: snapshot_date DATE | The day.
-- column: tasks_added BIGINT | Tasks that no complete capture listed before; null, never 0, if no target is compared.
-- column: tasks_removed BIGINT | Tasks that are no longer listed; null if no target is compared.
-- column: tasks_returned BIGINT | Tasks that are listed again; null if no target is compared.
-- column: tasks_changed BIGINT | Tasks of which a field changed; null if no target is compared.
-- column: targets_compared BIGINT | Complete targets that were complete on an earlier day as well.
-- column: targets_complete BIGINT | Targets captured completely on that day.
-- column: targets_expected BIGINT | Targets expected on that day.
with firsts as (
    select project_id, region, min(snapshot_date) as first_date
    from fct_target_days
    where coverage = 'complete'
    group by project_id, region
),
compared as (
    select days.snapshot_date, count(*) as targets
    from fct_target_days as days
    inner join firsts
        on days.project_id = firsts.project_id and days.region = firsts.region
        and days.snapshot_date > firsts.first_date
    where days.coverage = 'complete'
    group by days.snapshot_date
),
-- A changed task has a row per field.
tasks as (
    select distinct snapshot_date, project_id, region, task_id, change
    from fct_pull_task_changes
),
counted as (
    select
        snapshot_date,
        count(*) filter (change = 'added') as added,
        count(*) filter (change = 'removed') as removed,
        count(*) filter (change = 'returned') as returned,
        count(*) filter (change = 'changed') as changed,
    from tasks
    group by snapshot_date
)
select
    dates.snapshot_date,
    case when compared.targets > 0 then coalesce(counted.added, 0) end as tasks_added,
    case when compared.targets > 0 then coalesce(counted.removed, 0) end as tasks_removed,
    case when compared.targets > 0 then coalesce(counted.returned, 0) end as tasks_returned,
    case when compared.targets > 0 then coalesce(counted.changed, 0) end as tasks_changed,
    coalesce(compared.targets, 0) as targets_compared,
    dates.targets_complete,
    dates.targets_expected,
from dim_dates as dates
left join compared
    on dates.snapshot_date = compared.snapshot_date
left join counted
    on dates.snapshot_date = counted.snapshot_date
