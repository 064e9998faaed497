-- The task counts of the day being built add up to the number of tasks that its complete captures listed.
with listed as (
    select sum(task_count) as task_count
    from fct_target_days
    where coverage = 'complete' and snapshot_date = (select snapshot_date from tidy.build)
),
counted as (
    select sum(task_count) as task_count
    from fct_daily_task_counts
    where coverage = 'complete' and snapshot_date = (select snapshot_date from tidy.build)
)
select
    listed.task_count as expected,
    counted.task_count as found,
from listed
cross join counted
where listed.task_count is distinct from counted.task_count
