-- Every day on which a target was expected, how its listing ended, and its cost in requests, bytes and time.
-- Days without a run inherit the previous target list.
-- kind: append
-- grain: one row per expected target and day
-- example: select snapshot_date, count(*) filter (coverage = 'complete') as complete, count(*) as expected, sum(requests) as requests from fct_target_days where is_expected group by all order by all
-- key: snapshot_date, project_id, region
-- coverage: not needed, because its rows are the coverage itself: one per target and day
-- like: stg_target_days
-- check: coverage in ('complete', 'held', 'incomplete', 'failed', 'missing')
-- check: (coverage = 'complete') = (task_count is not null)
-- check: (coverage = 'complete') = (last_complete_date is not distinct from snapshot_date)
select *
from stg_target_days
