-- Every day of a target once: of two lakes that asked it on one day the one that proved it; and, up to the newest day of
-- all lakes, the days to which the lake that expects it has not come.
with lakes as (
    select lake, max(snapshot_date) as last_date
    from lakes_dim_dates
    group by lake
),
in_order as (
    select
        *,
        row_number() over (
            partition by snapshot_date, project_id, region
            order by case when coverage = 'complete' then 0 else 1 end, case when is_expected then 0 else 1 end, lake
        ) as place,
    from fct_target_days
),
once as (
    select *
    from in_order
    where place = 1
),
late as (
    select dates.snapshot_date, targets.project_id, targets.region, targets.target_name, targets.last_complete_date
    from dim_targets as targets
    inner join lakes
        on targets.lake = lakes.lake
    inner join dim_dates as dates
        on dates.snapshot_date > lakes.last_date
    anti join once
        on dates.snapshot_date = once.snapshot_date and targets.project_id = once.project_id
        and targets.region = once.region
    where targets.is_expected
)
select
    snapshot_date,
    project_id,
    region,
    target_name,
    coverage,
    is_expected,
    proof,
    verdict_reason,
    evidence,
    error_code,
    error_message,
    task_count,
    tasks_seen,
    lost_count,
    last_complete_date,
    requests,
    retries,
    sweeps,
    drift_repairs,
    offset_unit,
    order_witness,
    gone_count,
    unlisted_count,
    unchecked_count,
    clock_skew_seconds,
    answer_bytes,
    duration_seconds,
    started_at,
    finished_at,
from once
union all
select
    snapshot_date,
    project_id,
    region,
    max(target_name) as target_name,
    'missing' as coverage,
    true as is_expected,
    cast(null as varchar) as proof,
    'no_run' as verdict_reason,
    cast(null as varchar) as evidence,
    cast(null as varchar) as error_code,
    cast(null as varchar) as error_message,
    cast(null as bigint) as task_count,
    cast(null as bigint) as tasks_seen,
    cast(null as bigint) as lost_count,
    max(last_complete_date) as last_complete_date,
    cast(null as bigint) as requests,
    cast(null as bigint) as retries,
    cast(null as bigint) as sweeps,
    cast(null as bigint) as drift_repairs,
    cast(null as varchar) as offset_unit,
    cast(null as varchar) as order_witness,
    cast(null as bigint) as gone_count,
    cast(null as bigint) as unlisted_count,
    cast(null as bigint) as unchecked_count,
    cast(null as bigint) as clock_skew_seconds,
    cast(null as bigint) as answer_bytes,
    cast(null as double) as duration_seconds,
    cast(null as timestamp) as started_at,
    cast(null as timestamp) as finished_at,
from late
group by snapshot_date, project_id, region
