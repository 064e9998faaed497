-- Changes between two successive complete captures of a target, field by field.
-- The first complete capture of a target has no predecessor and adds no rows. Days in between that are not complete are
-- unknown, so a change happened at some time after previous_complete_date.
-- kind: append
-- grain: one row per target, day, task and changed field
-- example: select snapshot_date, change, count(distinct task_id) as tasks from fct_pull_task_changes group by all order by all
-- key: snapshot_date, project_id, region, task_id, field
-- parts: stg_changed_tasks
-- column: snapshot_date DATE | Day of the complete capture that shows the change.
-- column: target_name VARCHAR | Name of the target on that day.
-- column: task_id VARCHAR | The task's identifier.
-- column: change VARCHAR | added, removed, returned or changed.
-- column: field VARCHAR | Field that changed; other if no column shows it; null if the whole task came or went.
-- column: value_before VARCHAR | Old value, masked, lists as JSON; only the addresses that differ, all if reordered.
-- column: value_after VARCHAR | New value, in the same form; equal to the old value if only masked parts differ.
-- column: reason VARCHAR | For a removed task: gone, unlisted or unchecked; else null.
-- column: destination VARCHAR | Where the stream is pushed to after the change, masked; for a removed task, before it.
-- column: previous_complete_date DATE | Day of the target's previous complete capture.
-- column: status_before VARCHAR | The task's old status, whichever field changed; null for an added task.
-- column: status_after VARCHAR | The task's new status; null for a removed task.
-- column: start_time_before TIMESTAMP | Old scheduled start, UTC.
-- column: start_time_after TIMESTAMP | New scheduled start, UTC.
-- column: end_time_before TIMESTAMP | Old scheduled end, UTC.
-- column: end_time_after TIMESTAMP | New scheduled end, UTC.
-- like: target (project_id, region)
-- column: targets_complete BIGINT | Targets captured completely on that day.
-- column: targets_expected BIGINT | Targets expected on that day.
-- check: change in ('added', 'removed', 'returned', 'changed')
-- check: (change = 'changed') = (field is not null)
-- check: (change = 'removed') = (reason is not null)
-- check: previous_complete_date < snapshot_date
with complete as (
    select
        captures.snapshot_date,
        captures.project_id,
        captures.region,
        captures.target_name,
        targets.last_complete_date as previous_complete_date,
        tidy.gone,
        tidy.unlisted,
        build.targets_complete,
        build.targets_expected,
    from stg_captures as captures
    inner join tidy.captures as tidy
        on captures.project_id = tidy.project_id and captures.region = tidy.region
    inner join before.dim_targets as targets
        on captures.project_id = targets.project_id and captures.region = targets.region
        and targets.last_complete_date is not null
    cross join stg_build as build
    where captures.coverage = 'complete'
),
keys as (
    select project_id, region, task_id, change
    from stg_changed_tasks
    where part = (select part from tidy.build)
),
pairs as (
    select
        complete.*,
        keys.task_id,
        keys.change,
        case when keys.change = 'removed' then known.destination else today.destination end as destination,
        known.status as status_before,
        today.status as status_after,
        known.start_time as start_time_before,
        today.start_time as start_time_after,
        known.end_time as end_time_before,
        today.end_time as end_time_after,
        known,
        today,
    from keys
    inner join complete on keys.project_id = complete.project_id and keys.region = complete.region
    left join before.dim_pull_tasks as known
        on keys.change in ('changed', 'removed', 'returned')
        and keys.project_id = known.project_id and keys.region = known.region and keys.task_id = known.task_id
    left join stg_pull_tasks as today
        on keys.change <> 'removed'
        and keys.project_id = today.project_id and keys.region = today.region and keys.task_id = today.task_id
),
-- Of each list, the addresses that only one side has. If only the order changed, all of them.
-- Lambdas with an index, and unnest of a list of structs below, are not standard SQL. This model reads staging models,
-- which exist in DuckDB only, so it may use them.
differing as (
    select
        *,
        list_filter(known.source_urls, lambda url, i: not coalesce(
            list_contains(today.source_fingerprints, known.source_fingerprints[i]), false
        )) as sources_gone,
        list_filter(today.source_urls, lambda url, i: not coalesce(
            list_contains(known.source_fingerprints, today.source_fingerprints[i]), false
        )) as sources_new,
        list_filter(known.backup_source_urls, lambda url, i: not coalesce(
            list_contains(today.backup_source_fingerprints, known.backup_source_fingerprints[i]), false
        )) as backups_gone,
        list_filter(today.backup_source_urls, lambda url, i: not coalesce(
            list_contains(known.backup_source_fingerprints, today.backup_source_fingerprints[i]), false
        )) as backups_new,
        len(sources_gone) + len(sources_new) = 0 as sources_moved,
        len(backups_gone) + len(backups_new) = 0 as backups_moved,
        case when sources_moved then known.source_urls else sources_gone end as sources_before,
        case when sources_moved then today.source_urls else sources_new end as sources_after,
        case when backups_moved then known.backup_source_urls else backups_gone end as backups_before,
        case when backups_moved then today.backup_source_urls else backups_new end as backups_after,
    from pairs
    where change = 'changed'
),
fields as (
    select
        * exclude (known, today),
        unnest([
            {'field': 'status', 'differs': known.status is distinct from today.status,
                'value_before': known.status, 'value_after': today.status},
            {'field': 'create_time', 'differs': known.create_time is distinct from today.create_time,
                'value_before': cast(known.create_time as varchar), 'value_after': cast(today.create_time as varchar)},
            {'field': 'task_region', 'differs': known.task_region is distinct from today.task_region,
                'value_before': known.task_region, 'value_after': today.task_region},
            {'field': 'source_type', 'differs': known.source_type is distinct from today.source_type,
                'value_before': known.source_type, 'value_after': today.source_type},
            {'field': 'source_urls', 'differs': known.source_fingerprints is distinct from today.source_fingerprints
                or known.source_urls is distinct from today.source_urls,
                'value_before': cast(to_json(sources_before) as varchar),
                'value_after': cast(to_json(sources_after) as varchar)},
            {'field': 'domain', 'differs': known.domain is distinct from today.domain,
                'value_before': known.domain, 'value_after': today.domain},
            {'field': 'app_name', 'differs': known.app_name is distinct from today.app_name,
                'value_before': known.app_name, 'value_after': today.app_name},
            {'field': 'stream_name', 'differs': known.stream_name is distinct from today.stream_name,
                'value_before': known.stream_name, 'value_after': today.stream_name},
            {'field': 'push_args', 'differs': known.push_args is distinct from today.push_args
                or known.push_args_fingerprint is distinct from today.push_args_fingerprint,
                'value_before': known.push_args, 'value_after': today.push_args},
            {'field': 'destination_url', 'differs': known.destination_url is distinct from today.destination_url
                or known.destination_url_fingerprint is distinct from today.destination_url_fingerprint,
                'value_before': known.destination_url, 'value_after': today.destination_url},
            {'field': 'start_time', 'differs': known.start_time is distinct from today.start_time
                or known.start_time_raw is distinct from today.start_time_raw,
                'value_before': coalesce(cast(known.start_time as varchar), known.start_time_raw),
                'value_after': coalesce(cast(today.start_time as varchar), today.start_time_raw)},
            {'field': 'end_time', 'differs': known.end_time is distinct from today.end_time
                or known.end_time_raw is distinct from today.end_time_raw,
                'value_before': coalesce(cast(known.end_time as varchar), known.end_time_raw),
                'value_after': coalesce(cast(today.end_time as varchar), today.end_time_raw)},
            {'field': 'callback_events', 'differs': known.callback_events is distinct from today.callback_events,
                'value_before': cast(to_json(known.callback_events) as varchar),
                'value_after': cast(to_json(today.callback_events) as varchar)},
            {'field': 'callback_url', 'differs': known.callback_url is distinct from today.callback_url
                or known.callback_url_fingerprint is distinct from today.callback_url_fingerprint,
                'value_before': known.callback_url, 'value_after': today.callback_url},
            {'field': 'backup_source_type',
                'differs': known.backup_source_type is distinct from today.backup_source_type,
                'value_before': known.backup_source_type, 'value_after': today.backup_source_type},
            {'field': 'backup_source_urls',
                'differs': known.backup_source_fingerprints is distinct from today.backup_source_fingerprints
                or known.backup_source_urls is distinct from today.backup_source_urls,
                'value_before': cast(to_json(backups_before) as varchar),
                'value_after': cast(to_json(backups_after) as varchar)},
            {'field': 'vod_loop_time', 'differs': known.vod_loop_time is distinct from today.vod_loop_time,
                'value_before': known.vod_loop_time, 'value_after': today.vod_loop_time},
            {'field': 'vod_start_video_index',
                'differs': known.vod_start_video_index is distinct from today.vod_start_video_index,
                'value_before': cast(known.vod_start_video_index as varchar),
                'value_after': cast(today.vod_start_video_index as varchar)},
            {'field': 'vod_start_video_time',
                'differs': known.vod_start_video_time is distinct from today.vod_start_video_time,
                'value_before': cast(known.vod_start_video_time as varchar),
                'value_after': cast(today.vod_start_video_time as varchar)},
            {'field': 'vod_refresh_type', 'differs': known.vod_refresh_type is distinct from today.vod_refresh_type,
                'value_before': known.vod_refresh_type, 'value_after': today.vod_refresh_type},
            {'field': 'extra', 'differs': known.extra is distinct from today.extra
                or known.extra_fingerprint is distinct from today.extra_fingerprint,
                'value_before': known.extra, 'value_after': today.extra},
            {'field': 'other', 'differs': known.hidden_fingerprint is distinct from today.hidden_fingerprint
                and known.create_time_raw is not distinct from today.create_time_raw
                and known.start_time_raw is not distinct from today.start_time_raw
                and known.end_time_raw is not distinct from today.end_time_raw
                and known.domain is not distinct from today.domain
                and known.app_name is not distinct from today.app_name
                and known.stream_name is not distinct from today.stream_name,
                'value_before': null, 'value_after': null},
        ]) as one
    from differing
),
changed as (
    select
        * exclude (
            one, sources_gone, sources_new, backups_gone, backups_new, sources_moved, backups_moved,
            sources_before, sources_after, backups_before, backups_after
        ),
        one.field,
        one.value_before,
        one.value_after,
    from fields
    where one.differs
),
whole as (
    select
        * exclude (known, today),
        -- The hash differs, but no column shows the difference: for example, a field was absent and is null now.
        case when change = 'changed' then 'other' end as field,
        cast(null as varchar) as value_before,
        cast(null as varchar) as value_after,
    from pairs
    anti join changed
        on pairs.project_id = changed.project_id and pairs.region = changed.region and pairs.task_id = changed.task_id
),
together as (
    select * from changed
    union all by name
    select * from whole
)
select
    snapshot_date,
    target_name,
    task_id,
    change,
    field,
    value_before,
    value_after,
    case
        when change <> 'removed' then null
        when list_contains(gone, task_id) then 'gone'
        when list_contains(unlisted, task_id) then 'unlisted'
        else 'unchecked'
    end as reason,
    destination,
    previous_complete_date,
    status_before,
    status_after,
    start_time_before,
    start_time_after,
    end_time_before,
    end_time_after,
    project_id,
    region,
    targets_complete,
    targets_expected,
from together
