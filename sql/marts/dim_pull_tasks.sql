-- The last known state of every task that a complete capture ever listed.
-- A target that was not captured completely leaves its tasks as they were; state_date says how old that is.
-- kind: incremental
-- grain: one row per target and task
-- example: select target_name, task_id, source_urls, state_date from dim_pull_tasks where is_current and len(backup_source_urls) = 0
-- key: project_id, region, task_id
-- column: project_id VARCHAR | Project of the target.
-- column: region VARCHAR | Region of the target.
-- column: target_name VARCHAR | Name of the target when the row was last written.
-- column: task_id VARCHAR | The task's identifier.
-- column: is_current BOOLEAN | Listed by the last complete capture of a target that is still expected.
-- column: state_date DATE | Day of the last complete capture that listed the task: how old the state is.
-- column: first_seen_date DATE | Day of the first complete capture that listed the task.
-- column: last_seen_date DATE | Last day on which any capture showed the task.
-- column: absence_noticed_date DATE | Day of the complete capture that first lacked it, or on which its target left.
-- column: status VARCHAR | State of the task in the service's own words; an open vocabulary.
-- column: create_time TIMESTAMP | When the task was created, UTC.
-- column: create_time_raw VARCHAR | Not null where create_time held no time; the text is masked.
-- column: task_region VARCHAR | Region in which the task runs, as the answer names it.
-- column: source_type VARCHAR | PullLivePushLive or PullVodPushLive.
-- column: domain VARCHAR | Ingest domain that the stream is pushed to.
-- column: app_name VARCHAR | Application name at the destination.
-- column: stream_name VARCHAR | Stream name at the destination.
-- column: push_args VARCHAR | Arguments appended to the push address, values masked.
-- column: destination_url VARCHAR | Full destination, masked; empty or null when domain, app and stream are used.
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
-- column: source_fingerprints VARCHAR[] | Keyed fingerprints of the source addresses: equal for equal addresses.
-- column: backup_source_urls VARCHAR[] | Backup addresses in order, masked.
-- column: backup_source_fingerprints VARCHAR[] | Keyed fingerprints of the backup addresses, in order.
-- column: vod_loop_time VARCHAR | Rounds that the file list is played: -1 without end, N rounds, empty default.
-- column: vod_start_video_index BIGINT | Position in source_urls that playing starts at, from 0.
-- column: vod_start_video_time BIGINT | Second of that file that playing starts at.
-- column: vod_refresh_type VARCHAR | How a changed task moves to its new files.
-- column: extra VARCHAR | Fields that no column here knows, as JSON with masked values.
-- column: content_hash VARCHAR | Keyed hash of the whole task as received: changes with anything in it.
-- check: first_seen_date <= state_date and state_date <= last_seen_date
-- check: is_current = (absence_noticed_date is null)
with targets as (
    select project_id, region, target_name, coverage, is_expected, snapshot_date
    from stg_captures
),
listed as (
    select
        tasks.project_id,
        tasks.region,
        targets.target_name,
        tasks.task_id,
        targets.is_expected as is_current,
        targets.snapshot_date as state_date,
        coalesce(before.first_seen_date, targets.snapshot_date) as first_seen_date,
        targets.snapshot_date as last_seen_date,
        case when not targets.is_expected then targets.snapshot_date end as absence_noticed_date,
        tasks.* exclude (project_id, region, task_id),
    from stg_pull_tasks as tasks
    inner join targets
        on tasks.project_id = targets.project_id and tasks.region = targets.region and targets.coverage = 'complete'
    left join dim_pull_tasks as before
        on tasks.project_id = before.project_id and tasks.region = before.region and tasks.task_id = before.task_id
),
-- Tasks known from before that the day does not list: gone, dropped with their target, or just seen.
not_listed as (
    select
        before.*,
        targets.coverage,
        coalesce(targets.is_expected, false) as is_expected,
        seen.task_id is not null as is_seen,
        build.snapshot_date,
    from dim_pull_tasks as before
    cross join tidy.build as build
    left join targets on before.project_id = targets.project_id and before.region = targets.region
    left join stg_pull_tasks as seen
        on before.project_id = seen.project_id and before.region = seen.region and before.task_id = seen.task_id
    anti join listed
        on before.project_id = listed.project_id and before.region = listed.region
        and before.task_id = listed.task_id
),
-- Absence is noticed by a complete capture, or by the target's going out of the list; by nothing else.
changed as (
    select
        * exclude (coverage, is_expected, is_seen, snapshot_date) replace (
            false as is_current,
            snapshot_date as absence_noticed_date
        )
    from not_listed
    where is_current and (coverage = 'complete' or not is_expected)
    union all by name
    select
        * exclude (coverage, is_expected, is_seen, snapshot_date) replace (snapshot_date as last_seen_date)
    from not_listed
    where is_seen and is_expected and coverage <> 'complete'
)
select * from listed
union all by name
select * from changed
