-- How the listing of each target ended on the day being built.
-- A complete listing that lacks more than max_drop_ratio of the tasks known before (and at least 20) is held: until it is
-- accepted, or a complete listing of a later day confirms it (lacks no such part of what it listed), the last state stands.
-- So is one that shows none of up to 19 tasks, unless the service says of each that it does not know it any more, or such
-- a fall from the same tasks was accepted before.
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
-- column: coverage VARCHAR | complete, held, incomplete, failed, or missing when there was no capture.
-- column: proof VARCHAR | by_chain or by_agreement when complete.
-- column: verdict_reason VARCHAR | Why the capture is not complete or is held; or what is worth knowing of one that is complete.
-- column: evidence VARCHAR | Which premises of the proof were tested, in a sentence; null unless complete, and for days of earlier versions.
-- column: error_code VARCHAR | The service's code, where it refused.
-- column: error_message VARCHAR | What went wrong and what to do about it, masked.
-- column: task_count BIGINT | Tasks listed; null unless complete.
-- column: tasks_seen BIGINT | Distinct tasks that any answer showed; null when there was no capture.
-- column: lost_count BIGINT | Tasks of the last state that a complete listing lacks; null where there is no complete listing.
-- column: held_task_ids VARCHAR[] | Tasks that a held capture listed; else null.
-- column: accepted_task_ids VARCHAR[] | Tasks known before, where an operator accepted that none of them is listed; else null.
-- column: requests BIGINT | Requests that were sent.
-- column: retries BIGINT | Of these, the ones sent again after a fault.
-- column: answer_bytes BIGINT | Size of all answers, decompressed; null without a capture and for days of earlier versions.
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
-- check: coverage in ('complete', 'held', 'incomplete', 'failed', 'missing')
-- check: coverage <> 'complete' or proof is not null
with state as (
    select
        known.project_id,
        known.region,
        count(*) as known_count,
        count(*) filter (listed.task_id is null) as lost_count,
        min(known.task_id, 20) as first_ids,
    from before.dim_pull_tasks as known
    left join tidy.pull_tasks as listed
        on known.project_id = listed.project_id and known.region = listed.region and known.task_id = listed.task_id
    where known.is_current
    group by all
),
-- What the capture that waits to be confirmed listed, and the day's listing lacks all the same.
unconfirmed as (
    select waiting.project_id, waiting.region, count(*) as held_count, count(*) filter (listed.task_id is null) as lost_count
    from (
        select project_id, region, unnest(held_task_ids) as task_id
        from before.dim_targets
        where held_since_date is not null
    ) as waiting
    left join tidy.pull_tasks as listed
        on waiting.project_id = listed.project_id and waiting.region = listed.region
        and waiting.task_id = listed.task_id
    group by all
),
listings as (
    select project_id, region, list(task_id order by task_id) as task_ids
    from tidy.pull_tasks
    group by all
),
-- The verdicts, held against the rows that there are: a day whose rows are not the tasks of its verdict is not complete,
-- whoever wrote its tables.
counted as (
    select
        captures.*,
        coalesce(len(listings.task_ids), 0) as rows_count,
        captures.verdict = 'complete' and captures.task_count is distinct from rows_count as differs,
    from tidy.captures as captures
    left join listings using (project_id, region)
),
judged as (
    select
        * replace (
            case when differs then 'incomplete' else verdict end as verdict,
            case when not differs then proof end as proof,
            case when differs then 'rows_differ_from_verdict' else verdict_reason end as verdict_reason
        )
    from counted
),
captures as (
    select
        today.*,
        case when today.verdict = 'complete' then coalesce(state.lost_count, 0) end as lost_count,
        state.known_count,
        today.verdict = 'complete' and today.rows_count = 0 and state.known_count < 20 as falls_to_nothing,
        case when falls_to_nothing and today.drop_accepted then state.first_ids end as accepted_task_ids,
        today.verdict = 'complete' and not coalesce(today.drop_accepted, false)
        and (
            (
                state.lost_count >= 20
                and state.lost_count > coalesce(today.max_drop_ratio, 0.5) * state.known_count
                and (
                    targets.held_since_date is null
                    or (
                        unconfirmed.lost_count >= 20
                        and unconfirmed.lost_count > coalesce(today.max_drop_ratio, 0.5) * unconfirmed.held_count
                    )
                )
            )
            or (
                falls_to_nothing
                and targets.held_since_date is null
                and not list_has_all(coalesce(today.gone, []), state.first_ids)
                and not list_has_all(coalesce(targets.accepted_task_ids, []), state.first_ids)
            )
        ) as is_held,
    from judged as today
    left join state on today.project_id = state.project_id and today.region = state.region
    left join unconfirmed
        on today.project_id = unconfirmed.project_id and today.region = unconfirmed.region
    left join before.dim_targets as targets
        on today.project_id = targets.project_id and today.region = targets.region
)
select
    snapshot_date,
    project_id,
    region,
    name as target_name,
    endpoint,
    query_region,
    is_listed as is_expected,
    case when is_held then 'held' else coalesce(verdict, 'missing') end as coverage,
    proof,
    case when is_held then 'lost_many_tasks' else verdict_reason end as verdict_reason,
    mask_text(evidence) as evidence,
    mask_text(error_code) as error_code,
    case
        when is_held
            then 'the listing is complete and lacks ' || lost_count || ' of the ' || known_count || ' tasks known before; '
                || 'they stand until a complete listing of a later day confirms it, or you do: '
                || 'pulltasks snapshot --accept-drop --target ' || project_id || '/' || region
        when differs
            then 'its tables hold ' || rows_count || ' tasks and its capture judged ' || task_count || ': it counts as '
                || 'incomplete; make it again from its raw file, if that is there: '
                || 'pulltasks rebuild --from ' || snapshot_date || ' --to ' || snapshot_date
        else mask_text(error_message)
    end as error_message,
    case when verdict = 'complete' and is_held is not true then task_count end as task_count,
    task_count as tasks_seen,
    lost_count,
    case when is_held then coalesce(listings.task_ids, []) end as held_task_ids,
    accepted_task_ids,
    requests,
    retries,
    answer_bytes,
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
from captures
left join listings using (project_id, region)
