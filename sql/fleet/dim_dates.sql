-- Every calendar day that any of the lakes holds, and how much of it all of them together know.
-- A lake that has not come to a day counts what it expected last, and none of it as complete.
with lakes as (
    select lake, min(snapshot_date) as first_date, arg_max(targets_expected, snapshot_date) as targets_expected
    from lakes_dim_dates
    group by lake
),
days as (
    select
        snapshot_date,
        min(starts_at) as starts_at,
        min(year) as year,
        min(quarter) as quarter,
        min(month) as month,
        min(day_of_month) as day_of_month,
        min(iso_year) as iso_year,
        min(iso_week) as iso_week,
        min(iso_weekday) as iso_weekday,
        min(month_start_date) as month_start_date,
        min(week_start_date) as week_start_date,
        bool_or(has_run) as has_run,
        max(observed_at) as observed_at,
    from lakes_dim_dates
    group by snapshot_date
),
covered as (
    select
        days.snapshot_date,
        cast(sum(coalesce(own.targets_complete, 0)) as bigint) as targets_complete,
        cast(sum(coalesce(own.targets_expected, lakes.targets_expected)) as bigint) as targets_expected,
    from days
    inner join lakes
        on days.snapshot_date >= lakes.first_date
    left join lakes_dim_dates as own
        on lakes.lake = own.lake and days.snapshot_date = own.snapshot_date
    group by days.snapshot_date
)
select
    days.snapshot_date,
    days.starts_at,
    days.year,
    days.quarter,
    days.month,
    days.day_of_month,
    days.iso_year,
    days.iso_week,
    days.iso_weekday,
    days.month_start_date,
    days.week_start_date,
    days.has_run,
    days.observed_at,
    covered.targets_complete,
    covered.targets_expected,
    covered.targets_complete = covered.targets_expected as is_complete,
from days
inner join covered
    on days.snapshot_date = covered.snapshot_date
