-- How the listing of each target ended on the day being built.
-- A complete listing is held if it lacks all tasks known before, or at least 20 of them and more than max_drop_ratio.
-- The last state then remains until the tasks are listed again, the service confirms by id that they are gone, or a
-- person accepts the loss. The accepted tasks are remembered.
-- kind: staging
-- grain: one row per target that was to be listed
-- key: project_id, region
-- column: snapshot_date DATE | Day on which the run began.
-- like: target
-- like: tidy.captures (endpoint, query_region)
-- column: is_expected BOOLEAN | Whether the day's newest target list names the target.
-- column: coverage VARCHAR | complete, held, incomplete, failed, or missing when there was no capture.
-- column: proof VARCHAR | by_chain or by_agreement if complete; else null.
-- column: verdict_reason VARCHAR | Why the capture is held or not complete; a note if it is complete.
-- column: evidence VARCHAR | Tested premises of the proof, in a sentence; null unless complete, or from an old version.
-- column: error_code VARCHAR | The service's error code, if it refused; null if the text does not look like a code.
-- column: error_message VARCHAR | What went wrong and what to do, in pulltasks' own words.
-- column: task_count BIGINT | Tasks listed; null unless complete.
-- column: tasks_seen BIGINT | Distinct tasks in all answers; null without a capture.
-- column: lost_count BIGINT | Known tasks that a complete listing lacks; null without a complete listing.
-- column: accepted_task_ids VARCHAR[] | Tasks whose loss a person accepted on the day; null if none.
-- like: tidy.captures (requests, retries)
-- column: answer_bytes BIGINT | Decompressed size of all answers; null without a capture or from an old version.
-- column: sweeps BIGINT | Passes over the pages.
-- column: drift_repairs BIGINT | Extra pages read to bridge gaps or to resolve doubts.
-- column: offset_unit VARCHAR | Unit of the offset parameter as observed: rows, pages or unknown.
-- column: order_witness VARCHAR | Field by which the pages are sorted, observed or assumed.
-- column: gone_count BIGINT | Tasks of the last complete capture that the service no longer knows.
-- column: unlisted_count BIGINT | Tasks of the last complete capture that the service knows but does not list.
-- column: unchecked_count BIGINT | Tasks of the last complete capture that are not listed and were not looked up by id.
-- column: clock_skew_seconds BIGINT | Correction of this machine's clock, in seconds.
-- like: tidy.captures (started_at, finished_at, capture_id)
-- check: coverage in ('complete', 'held', 'incomplete', 'failed', 'missing')
-- check: coverage <> 'complete' or proof is not null
with answers as (
    -- What the service answered about known tasks that the day's listing lacks, when asked for them by id.
    select project_id, region, unnest(gone) as task_id, 'gone' as answer
    from tidy.captures
    union all
    select project_id, region, unnest(unlisted) as task_id, 'exists' as answer
    from tidy.captures
),
-- Tasks whose loss a person accepted: on an earlier day, or earlier on this day for another listing.
accepted as (
    select project_id, region, unnest(accepted_task_ids) as task_id
    from before.dim_targets
    union
    select project_id, region, unnest(accepted_task_ids) as task_id
    from tidy.captures
),
-- The last state, task by task, compared with the day's listing. Tasks whose loss was accepted do not count below.
tasks as (
    select
        known.project_id,
        known.region,
        known.task_id,
        accepted.task_id is null as counts,
        listed.task_id is null as is_lost,
        answers.answer,
    from before.dim_pull_tasks as known
    left join tidy.pull_tasks as listed
        on known.project_id = listed.project_id and known.region = listed.region and known.task_id = listed.task_id
    left join accepted
        on known.project_id = accepted.project_id and known.region = accepted.region
        and known.task_id = accepted.task_id
    left join answers
        on known.project_id = answers.project_id and known.region = answers.region and known.task_id = answers.task_id
    where known.is_current
),
state as (
    select
        project_id,
        region,
        count(*) as known_count,
        count(*) filter (is_lost) as lost_count,
        count(*) filter (counts) as counting_count,
        count(*) filter (counts and is_lost) as counting_lost_count,
        count(*) filter (counts and is_lost and answer = 'gone') as said_gone_count,
        count(*) filter (counts and is_lost and answer = 'exists') as said_existing_count,
    from tasks
    group by all
),
-- The verdicts, compared with the actual rows. A day with another number of rows than its verdict is not complete,
-- no matter who wrote its tables.
counted as (
    select
        captures.*,
        coalesce(listings.listed_count, 0) as rows_count,
        captures.verdict = 'complete' and captures.task_count is distinct from rows_count as differs,
    from tidy.captures as captures
    left join (
        select project_id, region, count(*) as listed_count
        from tidy.pull_tasks
        group by all
    ) as listings
        on captures.project_id = listings.project_id and captures.region = listings.region
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
        targets.held_since_date,
        state.known_count,
        state.said_gone_count,
        state.said_existing_count,
        -- Earlier versions stored no count: they asked for the first 20.
        coalesce(today.asked_count, least(20, state.lost_count)) as ids_asked_count,
        case when today.verdict = 'complete' then coalesce(state.lost_count, 0) end as lost_count,
        -- A loss: all tasks, or at least 20 and more than the ratio.
        coalesce(today.verdict = 'complete' and state.counting_lost_count > 0 and (
            state.counting_lost_count = state.counting_count
            or (
                state.counting_lost_count >= 20
                and state.counting_lost_count > coalesce(today.max_drop_ratio, 0.5) * state.counting_count
            )
        ), false) as is_loss,
        -- Evidence: of the tasks asked for, none exists and at least half are gone; these are at least 5, or all that
        -- the listing lacks.
        said_existing_count = 0
        and said_gone_count * 2 >= ids_asked_count
        and said_gone_count >= least(5, state.counting_lost_count) as is_borne_out,
        is_loss and coalesce(today.drop_accepted, false) as is_accepted,
        is_loss and not is_borne_out and not is_accepted as is_held,
    from judged as today
    left join state on today.project_id = state.project_id and today.region = state.region
    left join before.dim_targets as targets
        on today.project_id = targets.project_id and today.region = targets.region
),
-- Only evidence or a person confirms a loss. Seeing the same loss again on a later day confirms nothing.
accepted_now as (
    select tasks.project_id, tasks.region, list(tasks.task_id order by tasks.task_id) as task_ids
    from tasks
    inner join captures
        on tasks.project_id = captures.project_id and tasks.region = captures.region and captures.is_accepted
    where tasks.counts and tasks.is_lost
    group by all
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
    case
        when is_held and said_existing_count > 0 then 'list_lacks_known_tasks'
        when is_held then 'lost_many_tasks'
        else verdict_reason
    end as verdict_reason,
    case when asked_count is not null then evidence end as evidence,
    case when regexp_full_match(error_code, '[A-Za-z]{2,8}\.[0-9]{4,12}') then error_code end as error_code,
    case
        when is_held
            then 'held since ' || coalesce(held_since_date, snapshot_date) || ': the listing is complete and lacks '
                || lost_count || ' of the ' || known_count || ' tasks known before; '
                || case
                    when said_existing_count > 0
                        then 'asked for ' || ids_asked_count || ' of them by id, the service still knows '
                            || said_existing_count
                    else 'asked for ' || ids_asked_count || ' of them by id, the service says that '
                        || said_gone_count || ' are gone'
                end
                || '. The last known state remains until they are listed again or the service says that they are gone. '
                || 'If they have really ended, accept it: '
                || 'pulltasks snapshot --accept-drop --target ' || project_id || '/' || region
        when differs
            then 'its tables hold ' || rows_count || ' tasks and its capture judged ' || task_count || ': it counts as '
                || 'incomplete; make it again from its raw file, if that is there: '
                || 'pulltasks rebuild --from ' || snapshot_date || ' --to ' || snapshot_date
        when asked_count is not null then error_message
        -- An earlier version quoted the service here. Only the advice at the end was ours.
        else nullif(regexp_extract(error_message, '; ([^;]*)$', 1), '')
    end as error_message,
    case when verdict = 'complete' and is_held is not true then task_count end as task_count,
    task_count as tasks_seen,
    lost_count,
    nullif(
        list_sort(list_distinct(
            list_concat(coalesce(captures.accepted_task_ids, []), coalesce(accepted_now.task_ids, []))
        )),
        []
    ) as accepted_task_ids,
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
left join accepted_now using (project_id, region)
