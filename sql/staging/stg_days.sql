-- The calendar days that the build adds: the day being built, and the days without a run before it.
-- kind: staging
-- grain: one row per day
-- key: snapshot_date
-- column: snapshot_date DATE | The day.
-- column: starts_at TIMESTAMP | When the day begins in the lake's time zone, UTC.
-- column: has_run BOOLEAN | Whether a run began on the day.
with last_built as (
    select max(last_expected_date) as snapshot_date
    from before.dim_targets
),
-- generate_series is not standard SQL. Staging models run in DuckDB only, so they may use it.
days as (
    select
        cast(unnest(generate_series(
            coalesce(last_built.snapshot_date + 1, build.snapshot_date), build.snapshot_date, interval 1 day
        )) as date) as snapshot_date
    from tidy.build as build
    cross join last_built
)
select
    days.snapshot_date,
    timezone('UTC', timezone(build.timezone, cast(days.snapshot_date as timestamp))) as starts_at,
    days.snapshot_date = build.snapshot_date as has_run,
from days
cross join tidy.build as build
