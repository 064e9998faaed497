-- Every calendar day from the first snapshot to the last, with its coverage.
-- kind: append
-- grain: one row per day
-- example: select snapshot_date, targets_complete, targets_expected from dim_dates where not is_complete order by all
-- key: snapshot_date
-- column: snapshot_date DATE | The day.
-- column: starts_at TIMESTAMP | When the day begins in the lake's time zone, UTC.
-- column: year BIGINT | Year.
-- column: quarter BIGINT | Quarter of the year, 1 to 4.
-- column: month BIGINT | Month of the year, 1 to 12.
-- column: day_of_month BIGINT | Day of the month, 1 to 31.
-- column: iso_year BIGINT | Year of the ISO week.
-- column: iso_week BIGINT | ISO week, 1 to 53.
-- column: iso_weekday BIGINT | Day of the ISO week: 1 is Monday, 7 is Sunday.
-- column: month_start_date DATE | First day of the month.
-- column: week_start_date DATE | Monday of the week.
-- column: has_run BOOLEAN | Whether a run began on the day.
-- column: observed_at TIMESTAMP | When the day's last capture began, UTC; null if no run began.
-- column: targets_complete BIGINT | Targets captured completely on that day.
-- column: targets_expected BIGINT | Targets expected on that day.
-- column: is_complete BOOLEAN | Whether every expected target was captured completely.
-- check: targets_complete <= targets_expected
-- check: is_complete = (targets_complete = targets_expected)
with counts as (
    select
        snapshot_date,
        count(*) filter (coverage = 'complete' and is_expected) as targets_complete,
        count(*) filter (is_expected) as targets_expected,
    from stg_target_days
    group by all
)
select
    days.snapshot_date,
    days.starts_at,
    year(days.snapshot_date) as year,
    quarter(days.snapshot_date) as quarter,
    month(days.snapshot_date) as month,
    day(days.snapshot_date) as day_of_month,
    isoyear(days.snapshot_date) as iso_year,
    week(days.snapshot_date) as iso_week,
    isodow(days.snapshot_date) as iso_weekday,
    cast(date_trunc('month', days.snapshot_date) as date) as month_start_date,
    cast(date_trunc('week', days.snapshot_date) as date) as week_start_date,
    days.has_run,
    build.observed_at,
    coalesce(counts.targets_complete, 0) as targets_complete,
    coalesce(counts.targets_expected, 0) as targets_expected,
    coalesce(counts.targets_complete, 0) = coalesce(counts.targets_expected, 0) as is_complete,
from stg_days as days
left join counts
    on days.snapshot_date = counts.snapshot_date
left join stg_build as build
    on days.snapshot_date = build.snapshot_date
