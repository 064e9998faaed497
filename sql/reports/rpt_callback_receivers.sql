-- Addresses that receive callbacks, with the number of listed tasks that send to them.
-- kind: table
-- grain: one row per receiver
-- example: select callback_url, task_count, events from rpt_callback_receivers order by task_count desc
-- key: callback_url_fingerprint
-- column: callback_url VARCHAR | The address, masked.
-- column: task_count BIGINT | Listed tasks that send callbacks to the address.
-- column: target_count BIGINT | Targets that these tasks belong to.
-- column: events VARCHAR[] | Events that at least one task sends; a task that names none sends all.
-- column: oldest_state_date DATE | Oldest state_date among the tasks.
-- column: targets_complete BIGINT | Targets captured completely on the last day (the coverage of the row).
-- column: targets_expected BIGINT | Targets expected on the last day.
-- column: callback_url_fingerprint VARCHAR | Keyed fingerprint of the whole address.
with tasks as (
    select project_id, region, task_id, callback_url, callback_url_fingerprint, state_date
    from dim_pull_tasks
    where is_current and callback_url_fingerprint is not null
),
events as (
    select
        tasks.callback_url_fingerprint,
        list(distinct effective.event order by effective.event) as events,
    from tasks
    inner join rpt_effective_callbacks as effective
        on tasks.project_id = effective.project_id and tasks.region = effective.region
        and tasks.task_id = effective.task_id
    group by all
)
select
    min(tasks.callback_url) as callback_url,
    count(*) as task_count,
    count(distinct (tasks.project_id, tasks.region)) as target_count,
    coalesce(min(events.events), []) as events,
    min(tasks.state_date) as oldest_state_date,
    min(build.targets_complete) as targets_complete,
    min(build.targets_expected) as targets_expected,
    tasks.callback_url_fingerprint,
from tasks
cross join stg_build as build
left join events
    on tasks.callback_url_fingerprint = events.callback_url_fingerprint
group by tasks.callback_url_fingerprint
