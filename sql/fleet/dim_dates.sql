-- Every calendar day from the first to the last day of any lake, with the coverage over all lakes.
-- A lake that has not reached a day counts the targets that it last expected, none of them as complete. A day that no
-- lake knows begins when the day before it ends.
with lakes as (
    select lake, min(snapshot_date) as first_date, arg_max(targets_expected, snapshot_date) as targets_expected
    from lakes_dim_dates
    group by lake
),
calendar as (
    select cast(day_at as date) as snapshot_date
    from (
        select unnest(generate_series(first_date, last_date, interval 1 day)) as day_at
        from (select min(snapshot_date) as first_date, max(snapshot_date) as last_date from lakes_dim_dates)
    )
),
known as (
    select
        snapshot_date,
        min(starts_at) as starts_at,
        bool_or(has_run) as has_run,
        max(observed_at) as observed_at,
    from lakes_dim_dates
    group by snapshot_date
),
-- Monday of the week: all columns about weeks are computed from it.
weeks as (
    select
        calendar.snapshot_date,
        known.starts_at,
        known.has_run,
        known.observed_at,
        -- The last earlier day that a lake knows, and its start.
        max(known.snapshot_date) over up_to as known_date,
        max(known.starts_at) over up_to as known_start,
        calendar.snapshot_date - cast((calendar.snapshot_date - date '0001-01-01') % 7 as integer) as monday,
    from calendar
    left join known
        on calendar.snapshot_date = known.snapshot_date
    window up_to as (order by calendar.snapshot_date)
),
covered as (
    select
        weeks.snapshot_date,
        cast(sum(coalesce(own.targets_complete, 0)) as bigint) as targets_complete,
        cast(sum(coalesce(own.targets_expected, lakes.targets_expected)) as bigint) as targets_expected,
    from weeks
    inner join lakes
        on weeks.snapshot_date >= lakes.first_date
    left join lakes_dim_dates as own
        on lakes.lake = own.lake and weeks.snapshot_date = own.snapshot_date
    group by weeks.snapshot_date
)
select
    weeks.snapshot_date,
    coalesce(
        weeks.starts_at,
        weeks.known_start + interval 1 day * cast(weeks.snapshot_date - weeks.known_date as integer)
    ) as starts_at,
    cast(year(weeks.snapshot_date) as bigint) as year,
    cast(quarter(weeks.snapshot_date) as bigint) as quarter,
    cast(month(weeks.snapshot_date) as bigint) as month,
    cast(day(weeks.snapshot_date) as bigint) as day_of_month,
    cast(year(weeks.monday + 3) as bigint) as iso_year,
    cast(floor((dayofyear(weeks.monday + 3) - 1) / 7.0) + 1 as bigint) as iso_week,
    cast(weeks.snapshot_date - weeks.monday + 1 as bigint) as iso_weekday,
    weeks.snapshot_date - cast(day(weeks.snapshot_date) - 1 as integer) as month_start_date,
    weeks.monday as week_start_date,
    coalesce(weeks.has_run, false) as has_run,
    weeks.observed_at,
    covered.targets_complete,
    covered.targets_expected,
    covered.targets_complete = covered.targets_expected as is_complete,
from weeks
inner join covered
    on weeks.snapshot_date = covered.snapshot_date
