-- How the listing of each target ended on the day being built.
-- kind: staging
-- grain: one row per target that was to be listed
-- key: project_id, region
-- column: snapshot_date DATE | Day on which the run began.
-- column: project_id VARCHAR | Project of the target.
-- column: region VARCHAR | Region of the target.
-- column: target_name VARCHAR | Name of the target in the configuration.
-- column: endpoint VARCHAR | Address that was asked.
-- column: query_region VARCHAR | Value of the region parameter that was sent.
-- column: is_expected BOOLEAN | Whether the day's newest target list names the target.
-- column: coverage VARCHAR | complete, incomplete, failed, or missing when there was no capture.
-- column: proof VARCHAR | by_chain or by_agreement when complete.
-- column: verdict_reason VARCHAR | Why the capture is not complete.
-- column: error_code VARCHAR | The service's code, where it refused.
-- column: error_message VARCHAR | What went wrong and what to do about it, masked.
-- column: task_count BIGINT | Tasks listed; null unless complete.
-- column: tasks_seen BIGINT | Distinct tasks that any answer showed; null when there was no capture.
-- column: requests BIGINT | Requests that were sent.
-- column: retries BIGINT | Of these, the ones sent again after a fault.
-- column: sweeps BIGINT | Passes over the pages.
-- column: drift_repairs BIGINT | Pages that were read only to bridge gaps or to settle doubts.
-- column: offset_unit VARCHAR | What the offset parameter was found to count: rows, pages or unknown.
-- column: order_witness VARCHAR | Field by which the pages were found sorted, or assumed.
-- column: gone_count BIGINT | Tasks of the last complete capture that the service does not know any more.
-- column: unlisted_count BIGINT | Tasks of the last complete capture that the service knows and does not list.
-- column: unchecked_count BIGINT | Tasks of the last complete capture that are not listed and were not asked for.
-- column: clock_skew_seconds BIGINT | By how much this machine's clock was corrected, in seconds.
-- column: started_at TIMESTAMP | When the capture began, UTC.
-- column: finished_at TIMESTAMP | When the capture ended, UTC.
-- column: capture_id VARCHAR | Identifier of the capture; null when there was none.
-- check: coverage in ('complete', 'incomplete', 'failed', 'missing')
-- check: coverage <> 'complete' or proof is not null
select
    snapshot_date,
    project_id,
    region,
    name as target_name,
    endpoint,
    query_region,
    is_listed as is_expected,
    coalesce(verdict, 'missing') as coverage,
    proof,
    verdict_reason,
    error_code,
    mask_text(error_message) as error_message,
    case when verdict = 'complete' then task_count end as task_count,
    task_count as tasks_seen,
    requests,
    retries,
    sweeps,
    drift_repairs,
    offset_unit,
    order_witness,
    len(gone) as gone_count,
    len(unlisted) as unlisted_count,
    len(unchecked) as unchecked_count,
    clock_skew_seconds,
    started_at,
    finished_at,
    capture_id,
from tidy.captures
