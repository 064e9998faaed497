-- Intervals of days on which an expected target was not complete. Past days cannot be captured again.
-- kind: merge
-- grain: one row per target and first day of a gap
-- example: select target_name, from_date, to_date, days, reasons from rpt_coverage_gaps order by from_date desc
-- key: project_id, region, from_date
-- column: target_name VARCHAR | Name of the target on the last day.
-- column: from_date DATE | First day that is not complete.
-- column: to_date DATE | Last day that is not complete, so far.
-- column: days BIGINT | Number of days.
-- column: is_open BOOLEAN | Whether the gap is still open: no complete day follows it yet.
-- column: coverages VARCHAR[] | Distinct coverages of the days: held, incomplete, failed, missing.
-- column: reasons VARCHAR[] | Distinct reasons, as in verdict_reason.
-- column: last_complete_date DATE | The target's last complete day before the gap; null if there is none.
-- like: target (project_id, region)
-- column: targets_complete BIGINT | Targets captured completely on the day when the row was last written.
-- column: targets_expected BIGINT | Targets expected on that day.
-- check: from_date <= to_date
-- check: days = to_date - from_date + 1
with standing as (
    select *
    from before.rpt_coverage_gaps
    where is_open
),
-- The days that the build adds. Days without a run come before the day with a run, and none of them is complete.
today as (
    select
        project_id,
        region,
        arg_max(target_name, snapshot_date) as target_name,
        min(snapshot_date) filter (coverage <> 'complete') as from_date,
        max(snapshot_date) filter (coverage <> 'complete') as to_date,
        bool_or(coverage = 'complete') as has_ended,
        arg_max(is_expected, snapshot_date) as is_expected,
        list(distinct coverage order by coverage) filter (coverage <> 'complete') as coverages,
        list(distinct verdict_reason order by verdict_reason)
            filter (coverage <> 'complete' and verdict_reason is not null) as reasons,
    from stg_target_days
    group by all
)
select
    coalesce(today.target_name, standing.target_name) as target_name,
    coalesce(standing.from_date, today.from_date) as from_date,
    coalesce(today.to_date, standing.to_date) as to_date,
    coalesce(today.to_date, standing.to_date) - coalesce(standing.from_date, today.from_date) + 1 as days,
    coalesce(today.is_expected and not today.has_ended, false) as is_open,
    list_sort(list_distinct(coalesce(standing.coverages, []) || coalesce(today.coverages, []))) as coverages,
    list_sort(list_distinct(coalesce(standing.reasons, []) || coalesce(today.reasons, []))) as reasons,
    coalesce(standing.last_complete_date, targets.last_complete_date) as last_complete_date,
    coalesce(standing.project_id, today.project_id) as project_id,
    coalesce(standing.region, today.region) as region,
    build.targets_complete,
    build.targets_expected,
from today
full join standing
    on today.project_id = standing.project_id and today.region = standing.region
left join before.dim_targets as targets
    on today.project_id = targets.project_id and today.region = targets.region
cross join stg_build as build
where standing.from_date is not null or today.from_date is not null
