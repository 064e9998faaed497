-- The days that the build adds, for every expected target, and how each day ended.
-- Days without a run inherit the previous target list.
-- kind: staging
-- grain: one row per expected target and day
-- key: snapshot_date, project_id, region
-- column: snapshot_date DATE | The day.
-- like: target (target_name)
-- column: coverage VARCHAR | complete, held, incomplete, failed or missing.
-- column: is_expected BOOLEAN | Whether the day's newest target list names the target.
-- column: proof VARCHAR | by_chain or by_agreement if complete; else null.
-- column: verdict_reason VARCHAR | Why the day is held or not complete; a note if it is complete.
-- column: evidence VARCHAR | Tested premises of the proof, in a sentence; null unless complete, or from an old version.
-- column: error_code VARCHAR | The service's error code, if it refused.
-- column: error_message VARCHAR | What went wrong and what to do.
-- column: task_count BIGINT | Tasks listed; null unless complete.
-- column: tasks_seen BIGINT | Distinct tasks in all answers; there may be more unless complete.
-- column: lost_count BIGINT | Known tasks that a complete listing lacks; null without a complete listing.
-- column: last_complete_date DATE | Newest complete day up to this one: the age of what was known on the day.
-- like: stg_captures (requests, retries, sweeps, drift_repairs, offset_unit, order_witness, gone_count, unlisted_count)
-- like: stg_captures (unchecked_count, clock_skew_seconds, answer_bytes)
-- column: duration_seconds DOUBLE | Duration of the capture, in seconds.
-- like: stg_captures (started_at, finished_at)
-- like: target (project_id, region)
select
    today.snapshot_date,
    today.project_id,
    today.region,
    today.target_name,
    today.coverage,
    today.is_expected,
    today.proof,
    case when today.coverage = 'missing' then 'no_capture' else today.verdict_reason end as verdict_reason,
    today.evidence,
    today.error_code,
    today.error_message,
    today.task_count,
    today.tasks_seen,
    today.lost_count,
    case
        when today.coverage = 'complete' then today.snapshot_date else targets.last_complete_date
    end as last_complete_date,
    today.requests,
    today.retries,
    today.sweeps,
    today.drift_repairs,
    today.offset_unit,
    today.order_witness,
    today.gone_count,
    today.unlisted_count,
    today.unchecked_count,
    today.clock_skew_seconds,
    today.answer_bytes,
    (epoch_us(today.finished_at) - epoch_us(today.started_at)) / 1000000.0 as duration_seconds,
    today.started_at,
    today.finished_at,
from stg_captures as today
left join before.dim_targets as targets
    on today.project_id = targets.project_id and today.region = targets.region
union all by name
select
    days.snapshot_date,
    targets.project_id,
    targets.region,
    targets.target_name,
    'missing' as coverage,
    true as is_expected,
    'no_run' as verdict_reason,
    targets.last_complete_date,
from stg_days as days
cross join before.dim_targets as targets
where not days.has_run and targets.is_expected
