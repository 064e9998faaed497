-- Every target that was ever expected, with its latest coverage.
-- kind: merge
-- grain: one row per target
-- example: select target_name, last_coverage, last_complete_date from dim_targets where is_expected
-- key: project_id, region
-- coverage: not needed, because a row is about one target, and last_coverage is its coverage
-- like: target (target_name)
-- column: last_coverage VARCHAR | How the last expected day ended: complete, held, incomplete, failed or missing.
-- column: last_verdict_reason VARCHAR | Reason, if that day is not complete.
-- column: last_complete_date DATE | Last day with a complete capture; null if there is none.
-- column: last_complete_task_count BIGINT | Tasks in that capture; null after the target left the list.
-- column: is_expected BOOLEAN | Whether the newest target list names the target.
-- column: held_since_date DATE | First day of the current hold (listings that lost many tasks); null if not held.
-- column: first_expected_date DATE | First day on which the target was expected.
-- column: last_expected_date DATE | Last day on which the target was expected.
-- like: target (project_id, region)
-- column: endpoint VARCHAR | Endpoint that the requests are sent to.
-- column: query_region VARCHAR | Value of the region parameter in the requests.
-- column: offset_unit VARCHAR | Unit of the offset parameter as last observed: rows, pages or unknown.
-- column: accepted_task_ids VARCHAR[] | Tasks whose loss a person accepted; they are not looked up again; null if none.
-- check: first_expected_date <= last_expected_date
-- check: last_complete_date is null or last_complete_date <= last_expected_date
select
    coalesce(today.project_id, known.project_id) as project_id,
    coalesce(today.region, known.region) as region,
    case when today.project_id is null then known.target_name else today.target_name end as target_name,
    coalesce(today.endpoint, known.endpoint) as endpoint,
    coalesce(today.query_region, known.query_region) as query_region,
    coalesce(today.is_expected, false) as is_expected,
    coalesce(known.first_expected_date, today.snapshot_date) as first_expected_date,
    coalesce(today.snapshot_date, known.last_expected_date) as last_expected_date,
    case
        when today.coverage = 'complete' then today.snapshot_date
        else known.last_complete_date
    end as last_complete_date,
    case
        when not coalesce(today.is_expected, false) then null
        when today.coverage = 'complete' then today.task_count
        when known.is_expected then known.last_complete_task_count
    end as last_complete_task_count,
    case
        when today.coverage = 'held' then coalesce(known.held_since_date, today.snapshot_date)
        when today.coverage is distinct from 'complete' and coalesce(today.is_expected, false)
            then known.held_since_date
    end as held_since_date,
    case
        when today.accepted_task_ids is null then known.accepted_task_ids
        else list_sort(list_distinct(list_concat(coalesce(known.accepted_task_ids, []), today.accepted_task_ids)))
    end as accepted_task_ids,
    coalesce(nullif(today.offset_unit, 'unknown'), known.offset_unit, 'unknown') as offset_unit,
    coalesce(today.coverage, known.last_coverage) as last_coverage,
    case when today.project_id is null then known.last_verdict_reason else today.verdict_reason end
        as last_verdict_reason,
from stg_captures as today
full join before.dim_targets as known
    on today.project_id = known.project_id and today.region = known.region
