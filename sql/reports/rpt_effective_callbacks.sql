-- Callback events that each listed task really subscribes to. An absent, null or empty list of events means all events.
-- kind: view
-- grain: one row per target, task and event
-- example: select event, count(*) as tasks from rpt_effective_callbacks where has_receiver group by all order by all
-- key: project_id, region, task_id, event
-- column: target_name VARCHAR | Name of the target.
-- column: task_id VARCHAR | The task's identifier.
-- column: source_type VARCHAR | PullLivePushLive or PullVodPushLive.
-- column: callback_url VARCHAR | Address that receives the callbacks, masked; null or empty if there is none.
-- column: event VARCHAR | Name of the event.
-- column: is_named BOOLEAN | Whether the task names the event; false if it names none and gets all.
-- column: has_receiver BOOLEAN | Whether the task has a callback_url.
-- column: state_date DATE | Day of the capture that showed this.
-- like: target (project_id, region)
-- column: targets_complete BIGINT | Targets captured completely on the last day (the coverage of the row).
-- column: targets_expected BIGINT | Targets expected on the last day.
with build as (
    select snapshot_date, observed_at, targets_complete, targets_expected
    from dim_dates
    order by snapshot_date desc
    limit 1
),
all_events as (
    select unnest(['TaskStart', 'TaskExit', 'TaskAlarm']) as event, false as is_vod_only
    union all
    select unnest(['VodSourceFileStart', 'VodSourceFileFinish', 'ResetTaskConfig']) as event, true as is_vod_only
),
listed as (
    select
        project_id,
        region,
        target_name,
        task_id,
        source_type,
        callback_url,
        callback_events,
        callback_events_specified and len(callback_events) > 0 as names_events,
        state_date,
    from dim_pull_tasks
    where is_current
),
subscriptions as (
    select *, unnest(list_distinct(callback_events)) as event
    from listed
    where names_events
    union all
    select listed.*, all_events.event
    from listed
    inner join all_events on not all_events.is_vod_only or listed.source_type = 'PullVodPushLive'
    where not listed.names_events
)
select
    target_name,
    task_id,
    source_type,
    callback_url,
    event,
    names_events as is_named,
    coalesce(callback_url, '') <> '' as has_receiver,
    state_date,
    project_id,
    region,
    build.targets_complete,
    build.targets_expected,
from subscriptions
cross join build
where event is not null
