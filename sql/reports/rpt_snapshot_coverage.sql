-- Every day on which a target was expected, and how its listing ended. Days without a run inherit the previous target
-- list. This is a view over fct_target_days.
-- kind: view
-- grain: one row per expected target and day
-- example: select snapshot_date, target_name, coverage, verdict_reason from rpt_snapshot_coverage where coverage <> 'complete' order by all
-- key: snapshot_date, project_id, region
-- coverage: not needed, because its rows are the coverage itself: one per target and day
-- like: stg_target_days
select *
from fct_target_days
