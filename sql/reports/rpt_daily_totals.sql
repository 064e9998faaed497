-- Number of tasks per day: what is known, and the last known number of the targets that are not complete.
-- Draw tasks_known as a solid bar and tasks_last_known on top of it. Together they count all targets where
-- targets_complete and targets_last_known add up to targets_expected; no other target was ever complete.
-- kind: view
-- grain: one row per day
-- example: select snapshot_date, tasks_known, tasks_last_known, targets_complete, targets_expected from rpt_daily_totals order by all
-- key: snapshot_date
-- column: snapshot_date DATE | The day.
-- column: tasks_known BIGINT | Tasks of the complete targets; null, never 0, if no target is complete.
-- column: tasks_last_known BIGINT | Tasks of the other targets when they were last complete; null if none ever was.
-- column: targets_last_known BIGINT | Targets in tasks_last_known.
-- column: targets_complete BIGINT | Targets captured completely on that day.
-- column: targets_expected BIGINT | Targets expected on that day.
-- check: (tasks_last_known is null) = (targets_last_known = 0)
-- check: targets_complete + targets_last_known <= targets_expected
with days as (
    select
        days.snapshot_date,
        sum(days.task_count) as tasks_known,
        sum(earlier.task_count) as tasks_last_known,
        count(earlier.task_count) as targets_last_known,
    from fct_target_days as days
    left join fct_target_days as earlier
        on days.project_id = earlier.project_id and days.region = earlier.region
        and days.last_complete_date = earlier.snapshot_date
        and days.coverage <> 'complete' and days.is_expected
    group by days.snapshot_date
)
select
    dates.snapshot_date,
    cast(days.tasks_known as bigint) as tasks_known,
    cast(days.tasks_last_known as bigint) as tasks_last_known,
    coalesce(days.targets_last_known, 0) as targets_last_known,
    dates.targets_complete,
    dates.targets_expected,
from dim_dates as dates
left join days
    on dates.snapshot_date = days.snapshot_date
