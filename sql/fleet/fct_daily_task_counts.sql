-- The rows of all lakes, each with what all of them together know of its day.
select
    counts.lake,
    counts.snapshot_date,
    counts.project_id,
    counts.region,
    counts.target_name,
    counts.coverage,
    counts.status,
    counts.source_type,
    counts.task_count,
    dates.targets_complete,
    dates.targets_expected,
from lakes_fct_daily_task_counts as counts
inner join dim_dates as dates
    on counts.snapshot_date = dates.snapshot_date
