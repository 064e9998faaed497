-- Every target that was ever expected, and how it stands.
-- kind: merge
-- grain: one row per target
-- example: select target_name, last_coverage, last_complete_date from dim_targets where is_expected
-- key: project_id, region
-- coverage: not needed, because a row is about one target, and last_coverage says how that stands
-- like: target
-- column: endpoint VARCHAR | Address that is asked.
-- column: query_region VARCHAR | Value of the region parameter that is sent.
-- column: is_expected BOOLEAN | Whether the newest target list names it.
-- column: first_expected_date DATE | First day on which it was to be listed.
-- column: last_expected_date DATE | Last day on which it was to be listed.
-- column: last_complete_date DATE | Last day whose capture is complete; null when there is none.
-- column: last_complete_task_count BIGINT | Tasks in that capture; null once the target has left the list.
-- column: held_since_date DATE | Day of the first of the complete captures that lost many tasks and are held; else null.
-- column: accepted_task_ids VARCHAR[] | Tasks whose loss a person accepted: nobody is asked for them again; null where there are none.
-- column: offset_unit VARCHAR | What the offset parameter was last found to count: rows, pages or unknown.
-- column: last_coverage VARCHAR | How the last expected day ended: complete, held, incomplete, failed or missing.
-- column: last_verdict_reason VARCHAR | Why, when it is not complete.
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
        when today.coverage is distinct from 'complete' and coalesce(today.is_expected, false) then known.held_since_date
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
