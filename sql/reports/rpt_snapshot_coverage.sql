-- Every day on which a target was expected, and how it ended; days without a run inherit the list before them.
-- kind: incremental
-- grain: one row per expected target and day
-- key: snapshot_date, project_id, region
-- column: snapshot_date DATE | The day.
-- column: project_id VARCHAR | Project of the target.
-- column: region VARCHAR | Region of the target.
-- column: target_name VARCHAR | Name of the target in the configuration.
-- column: coverage VARCHAR | complete, incomplete, failed or missing.
-- column: is_expected BOOLEAN | Whether the day's newest target list names the target.
-- column: proof VARCHAR | by_chain or by_agreement when complete.
-- column: verdict_reason VARCHAR | Why the day is not complete.
-- column: error_code VARCHAR | The service's code, where it refused.
-- column: error_message VARCHAR | What went wrong and what to do about it.
-- column: task_count BIGINT | Tasks listed; null unless complete.
-- column: tasks_seen BIGINT | Distinct tasks that any answer showed; less than all unless complete.
-- column: last_complete_date DATE | Newest complete day up to this one: how old what is known was then.
-- column: requests BIGINT | Requests that were sent.
-- column: retries BIGINT | Of these, the ones sent again after a fault.
-- column: started_at TIMESTAMP | When the capture began, UTC.
-- column: finished_at TIMESTAMP | When the capture ended, UTC.
-- check: coverage in ('complete', 'incomplete', 'failed', 'missing')
-- check: (coverage = 'complete') = (task_count is not null)
-- check: (coverage = 'complete') = (last_complete_date is not distinct from snapshot_date)
with last_built as (
    select *
    from rpt_snapshot_coverage
    where snapshot_date = (select max(snapshot_date) from rpt_snapshot_coverage) and is_expected
),
days_without_run as (
    select cast(unnest(generate_series(
        (select max(snapshot_date) + 1 from last_built),
        (select snapshot_date - 1 from tidy.build),
        interval 1 day
    )) as date) as snapshot_date
)
select
    days_without_run.snapshot_date,
    last_built.project_id,
    last_built.region,
    last_built.target_name,
    'missing' as coverage,
    true as is_expected,
    cast(null as varchar) as proof,
    'no_run' as verdict_reason,
    cast(null as varchar) as error_code,
    cast(null as varchar) as error_message,
    cast(null as bigint) as task_count,
    cast(null as bigint) as tasks_seen,
    last_built.last_complete_date,
    cast(null as bigint) as requests,
    cast(null as bigint) as retries,
    cast(null as timestamp) as started_at,
    cast(null as timestamp) as finished_at,
from days_without_run
cross join last_built
where days_without_run.snapshot_date is not null
union all
select
    today.snapshot_date,
    today.project_id,
    today.region,
    today.target_name,
    today.coverage,
    today.is_expected,
    today.proof,
    case when today.coverage = 'missing' then 'no_capture' else today.verdict_reason end as verdict_reason,
    today.error_code,
    today.error_message,
    today.task_count,
    today.tasks_seen,
    targets.last_complete_date,
    today.requests,
    today.retries,
    today.started_at,
    today.finished_at,
from stg_captures as today
inner join dim_targets as targets
    on today.project_id = targets.project_id and today.region = targets.region
