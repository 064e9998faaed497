-- How reliably each target was captured: complete and expected days in the last 7, 30 and 90 days, and the last error.
-- kind: table
-- grain: one row per expected target
-- example: select target_name, days_complete_30, days_expected_30, longest_gap_days, last_error_reason from rpt_target_reliability order by days_expected_30 - days_complete_30 desc
-- key: project_id, region
-- like: target (target_name)
-- column: days_complete_7 BIGINT | Days of the last 7 with a complete capture.
-- column: days_expected_7 BIGINT | Days of the last 7 on which the target was expected.
-- column: days_complete_30 BIGINT | Days of the last 30 with a complete capture.
-- column: days_expected_30 BIGINT | Days of the last 30 on which the target was expected.
-- column: days_complete_90 BIGINT | Days of the last 90 with a complete capture.
-- column: days_expected_90 BIGINT | Days of the last 90 on which the target was expected.
-- column: longest_gap_days BIGINT | Longest run of days of the last 90 that are not complete; 0 if all are complete.
-- column: last_complete_date DATE | Newest complete day; null if there is none.
-- column: last_error_date DATE | Newest day of the last 90 that is not complete; null if there is none.
-- column: last_error_coverage VARCHAR | How that day ended: held, incomplete, failed or missing.
-- column: last_error_reason VARCHAR | Reason, as in verdict_reason.
-- like: target (project_id, region)
-- column: targets_complete BIGINT | Targets captured completely on the last day.
-- column: targets_expected BIGINT | Targets expected on the last day.
-- check: days_complete_7 <= days_expected_7 and days_complete_30 <= days_expected_30 and days_complete_90 <= days_expected_90
-- check: (longest_gap_days = 0) = (last_error_date is null)
with days as (
    select
        days.*,
        build.snapshot_date - days.snapshot_date as age_days,
        days.coverage = 'complete' as is_complete,
        -- Successive days that are not complete have the same number of complete days before them.
        count(case when days.coverage = 'complete' then 1 end) over (
            partition by days.project_id, days.region order by days.snapshot_date
        ) as complete_before,
    from fct_target_days as days
    cross join stg_build as build
    where days.is_expected and days.snapshot_date > build.snapshot_date - 90
),
gaps as (
    select project_id, region, complete_before, count(*) filter (not is_complete) as gap_days
    from days
    group by project_id, region, complete_before
),
longest as (
    select project_id, region, max(gap_days) as longest_gap_days
    from gaps
    group by project_id, region
)
select
    targets.target_name,
    count(*) filter (days.is_complete and days.age_days < 7) as days_complete_7,
    count(*) filter (days.age_days < 7) as days_expected_7,
    count(*) filter (days.is_complete and days.age_days < 30) as days_complete_30,
    count(*) filter (days.age_days < 30) as days_expected_30,
    count(*) filter (days.is_complete) as days_complete_90,
    count(*) as days_expected_90,
    longest.longest_gap_days,
    targets.last_complete_date,
    max(days.snapshot_date) filter (not days.is_complete) as last_error_date,
    arg_max(days.coverage, days.snapshot_date) filter (not days.is_complete) as last_error_coverage,
    arg_max(days.verdict_reason, days.snapshot_date) filter (not days.is_complete) as last_error_reason,
    targets.project_id,
    targets.region,
    build.targets_complete,
    build.targets_expected,
from dim_targets as targets
inner join days
    on targets.project_id = days.project_id and targets.region = days.region
inner join longest
    on targets.project_id = longest.project_id and targets.region = longest.region
cross join stg_build as build
where targets.is_expected
group by all
