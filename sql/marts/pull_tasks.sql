-- The tasks that are listed now, with the columns that are asked for most; dim_pull_tasks has all columns.
-- If a target was not captured completely, its tasks are the last known ones; state_date is the date of their state.
-- kind: view
-- grain: one row per target and listed task
-- example: select target_name, status, count(*) as tasks, min(state_date) as known_as_of from pull_tasks group by all order by all
-- key: project_id, region, task_id
-- coverage: not needed, because a row is about one task, and state_date is the date of its state
-- like: dim_pull_tasks (target_name, task_id, status, destination, start_time, end_time, source_type)
-- column: source_url VARCHAR | First source address, masked; source_urls has all.
-- like: dim_pull_tasks (state_date)
-- column: has_backup BOOLEAN | Whether the task names a backup source.
-- like: dim_pull_tasks (source_hosts, destination_host, create_time, valid_from_date, first_seen_date, last_seen_date)
-- like: dim_pull_tasks (source_urls, backup_source_urls, callback_url, callback_events, project_id, region)
select
    target_name,
    task_id,
    status,
    destination,
    start_time,
    end_time,
    source_type,
    case when len(source_urls) > 0 then source_urls[1] end as source_url,
    state_date,
    len(list_filter(backup_source_fingerprints, lambda address: address is not null)) > 0 as has_backup,
    source_hosts,
    destination_host,
    create_time,
    valid_from_date,
    first_seen_date,
    last_seen_date,
    source_urls,
    backup_source_urls,
    callback_url,
    callback_events,
    project_id,
    region,
from dim_pull_tasks
where is_current
