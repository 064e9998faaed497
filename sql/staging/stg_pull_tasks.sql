-- Tasks of the day being built, lists folded in, everything secret masked.
-- Leaves the portable subset of SQL: list(... order by ...).
-- kind: staging
-- grain: one row per target and task
-- key: project_id, region, task_id
-- column: project_id VARCHAR | Project of the target.
-- column: region VARCHAR | Region of the target.
-- column: task_id VARCHAR | The task's identifier.
-- column: status VARCHAR | State of the task in the service's own words.
-- column: create_time TIMESTAMP | When the task was created, UTC.
-- column: create_time_raw VARCHAR | Not null where create_time held no time; the text is masked.
-- column: task_region VARCHAR | Region in which the task runs, as the answer names it.
-- column: source_type VARCHAR | PullLivePushLive or PullVodPushLive.
-- column: domain VARCHAR | Ingest domain that the stream is pushed to.
-- column: app_name VARCHAR | Application name at the destination.
-- column: stream_name VARCHAR | Stream name at the destination.
-- column: push_args VARCHAR | Arguments appended to the push address, values masked.
-- column: destination_url VARCHAR | Full destination, masked.
-- column: destination_fingerprint VARCHAR | Keyed fingerprint of destination_url where it is set.
-- column: start_time TIMESTAMP | When the task is scheduled to start, UTC.
-- column: start_time_raw VARCHAR | Not null where start_time held no time; the text is masked.
-- column: end_time TIMESTAMP | When the task is scheduled to end, UTC.
-- column: end_time_raw VARCHAR | Not null where end_time held no time; the text is masked.
-- column: callback_events_specified BOOLEAN | False when callback_events was absent or null: all events then.
-- column: callback_events VARCHAR[] | Events that are called back; null or empty means all.
-- column: callback_url VARCHAR | Receiver of the callbacks, masked.
-- column: backup_source_type VARCHAR | Type of the backup source.
-- column: source_urls VARCHAR[] | Source addresses in order, masked.
-- column: source_fingerprints VARCHAR[] | Keyed fingerprints of the source addresses, in order.
-- column: backup_source_urls VARCHAR[] | Backup addresses in order, masked.
-- column: backup_source_fingerprints VARCHAR[] | Keyed fingerprints of the backup addresses, in order.
-- column: vod_loop_time VARCHAR | Rounds that the file list is played: -1 without end, N rounds, empty default.
-- column: vod_start_video_index BIGINT | Position in source_urls that playing starts at, from 0.
-- column: vod_start_video_time BIGINT | Second of that file that playing starts at.
-- column: vod_refresh_type VARCHAR | How a changed task moves to its new files.
-- column: extra VARCHAR | Fields that no column here knows, as JSON with masked values.
-- column: content_hash VARCHAR | Keyed hash of the whole task as received: changes with anything in it.
with sources as (
    select
        project_id,
        region,
        task_id,
        list(url order by position) filter (role = 'primary') as source_urls,
        list(url_fingerprint order by position) filter (role = 'primary') as source_fingerprints,
        list(url order by position) filter (role = 'backup') as backup_source_urls,
        list(url_fingerprint order by position) filter (role = 'backup') as backup_source_fingerprints,
    from stg_pull_task_source_urls
    group by all
),
events as (
    select
        project_id,
        region,
        task_id,
        list(event order by position) as callback_events,
    from stg_pull_task_callback_events
    group by all
)
select
    tasks.project_id,
    tasks.region,
    tasks.task_id,
    tasks.status,
    tasks.create_time,
    mask_raw(tasks.create_time_raw) as create_time_raw,
    tasks.task_region,
    tasks.source_type,
    tasks.domain,
    tasks.app_name,
    mask_stream_name(tasks.stream_name) as stream_name,
    mask_args(tasks.push_args) as push_args,
    mask_url(tasks.destination_url) as destination_url,
    fingerprint(nullif(tasks.destination_url, '')) as destination_fingerprint,
    tasks.start_time,
    mask_raw(tasks.start_time_raw) as start_time_raw,
    tasks.end_time,
    mask_raw(tasks.end_time_raw) as end_time_raw,
    tasks.callback_events_specified,
    case
        when tasks.callback_events_specified then coalesce(events.callback_events, [])
    end as callback_events,
    mask_url(tasks.callback_url) as callback_url,
    tasks.backup_source_type,
    coalesce(sources.source_urls, []) as source_urls,
    coalesce(sources.source_fingerprints, []) as source_fingerprints,
    coalesce(sources.backup_source_urls, []) as backup_source_urls,
    coalesce(sources.backup_source_fingerprints, []) as backup_source_fingerprints,
    tasks.vod_loop_time,
    tasks.vod_start_video_index,
    tasks.vod_start_video_time,
    tasks.vod_refresh_type,
    mask_json(tasks.extra) as extra,
    fingerprint(tasks.content_hash) as content_hash,
from tidy.pull_tasks as tasks
left join sources using (project_id, region, task_id)
left join events using (project_id, region, task_id)
