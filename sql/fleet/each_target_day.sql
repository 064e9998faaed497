-- Every day of a target once. If two lakes listed it on the same day, the row comes from the lake with the complete
-- capture. Days that the expecting lake has not reached are added, up to the newest day of all lakes.
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
    select
        dates.snapshot_date,
        targets.project_id,
        targets.region,
        max(targets.target_name) as target_name,
        max(targets.last_complete_date) as last_complete_date,
    from dim_targets as targets
    inner join lakes
        on targets.lake = lakes.lake
    inner join dim_dates as dates
        on dates.snapshot_date > lakes.last_date
    anti join once
        on dates.snapshot_date = once.snapshot_date and targets.project_id = once.project_id
        and targets.region = once.region
    where targets.is_expected
    group by dates.snapshot_date, targets.project_id, targets.region
),
days as (
    select snapshot_date, project_id, region, target_name, last_complete_date
    from once
    union all
    select snapshot_date, project_id, region, target_name, last_complete_date
    from late
)
select
    days.snapshot_date,
    days.target_name,
    case when once.place is null then 'missing' else once.coverage end as coverage,
    case when once.place is null then true else once.is_expected end as is_expected,
    once.proof,
    case when once.place is null then 'no_run' else once.verdict_reason end as verdict_reason,
    once.evidence,
    once.error_code,
    once.error_message,
    once.task_count,
    once.tasks_seen,
    once.lost_count,
    days.last_complete_date,
    once.requests,
    once.retries,
    once.sweeps,
    once.drift_repairs,
    once.offset_unit,
    once.order_witness,
    once.gone_count,
    once.unlisted_count,
    once.unchecked_count,
    once.clock_skew_seconds,
    once.answer_bytes,
    once.duration_seconds,
    once.started_at,
    once.finished_at,
    days.project_id,
    days.region,
from days
left join once
    on days.snapshot_date = once.snapshot_date and days.project_id = once.project_id and days.region = once.region
