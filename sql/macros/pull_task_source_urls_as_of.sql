-- Source addresses of the tasks, as known on a date.
-- kind: macro
-- grain: one row per target, task, role and position
-- example: select role, count(distinct url_fingerprint) as sources from pull_task_source_urls_as_of((select max(snapshot_date) from dim_dates)) group by all order by all
-- argument: as_of_date
-- key: project_id, region, task_id, role, position
-- column: task_id VARCHAR | The task's identifier.
-- column: role VARCHAR | primary or backup.
-- column: position BIGINT | Place in the list, from 0.
-- column: url VARCHAR | The address, masked.
-- column: state_date DATE | Day of the complete capture that showed the row.
-- column: snapshot_date DATE | The requested date.
-- like: target (project_id, region)
-- column: url_fingerprint VARCHAR | Keyed fingerprint of the whole address: equal for equal addresses.
select
    task_id,
    'primary' as role,
    unnest(range(len(source_urls))) as position,
    unnest(source_urls) as url,
    state_date,
    snapshot_date,
    project_id,
    region,
    unnest(source_fingerprints) as url_fingerprint,
from pull_tasks_as_of(as_of_date)
union all
select
    task_id,
    'backup' as role,
    unnest(range(len(backup_source_urls))) as position,
    unnest(backup_source_urls) as url,
    state_date,
    snapshot_date,
    project_id,
    region,
    unnest(backup_source_fingerprints) as url_fingerprint,
from pull_tasks_as_of(as_of_date)
