-- Status words that the service uses for tasks, with the days on which they were seen. No document lists them.
-- Words from captures that are not complete count too.
-- kind: merge
-- grain: one row per target, status and source type
-- example: select status, min(first_date) as first_date, max(last_date) as last_date from rpt_status_vocabulary group by all order by all
-- key: project_id, region, status, source_type
-- column: target_name VARCHAR | Name of the target when the word was last seen.
-- column: status VARCHAR | The status word; null for tasks without a status.
-- column: source_type VARCHAR | Source type of the tasks; null for tasks without a source type.
-- column: first_date DATE | First day on which it was seen.
-- column: last_date DATE | Last day on which it was seen.
-- column: last_task_count BIGINT | Tasks seen with the word on that day.
-- column: last_coverage VARCHAR | How the target's capture of that day ended; if not complete, there may be more tasks.
-- like: target (project_id, region)
-- column: targets_complete BIGINT | Targets captured completely on that day.
-- column: targets_expected BIGINT | Targets expected on that day.
-- check: first_date <= last_date
with today as (
    select project_id, region, status, source_type, count(*) as task_count
    from stg_listed_tasks
    group by all
)
select
    captures.target_name,
    today.status,
    today.source_type,
    coalesce(known.first_date, captures.snapshot_date) as first_date,
    captures.snapshot_date as last_date,
    today.task_count as last_task_count,
    captures.coverage as last_coverage,
    today.project_id,
    today.region,
    build.targets_complete,
    build.targets_expected,
from today
inner join stg_captures as captures
    on today.project_id = captures.project_id and today.region = captures.region
left join before.rpt_status_vocabulary as known
    on today.project_id = known.project_id and today.region = known.region
    and today.status is not distinct from known.status
    and today.source_type is not distinct from known.source_type
cross join stg_build as build
