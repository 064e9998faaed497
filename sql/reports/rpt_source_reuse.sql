-- Source addresses that more than one listed task pulls from.
-- kind: table
-- grain: one row per source address
-- example: select url, task_count, target_count from rpt_source_reuse order by task_count desc
-- key: url_fingerprint
-- column: url VARCHAR | The address, masked.
-- column: task_count BIGINT | Listed tasks that name the address.
-- column: primary_count BIGINT | Tasks among these that name it as a main source.
-- column: backup_count BIGINT | Tasks among these that name it as a backup source.
-- column: target_count BIGINT | Targets that these tasks belong to.
-- column: example_task_ids VARCHAR[] | Up to 10 of the tasks.
-- column: oldest_state_date DATE | Oldest state_date among the tasks.
-- column: targets_complete BIGINT | Targets captured completely on the last day (the coverage of the row).
-- column: targets_expected BIGINT | Targets expected on the last day.
-- column: url_fingerprint VARCHAR | Keyed fingerprint of the whole address.
-- check: task_count > 1
with listed as (
    select *
    from dim_pull_tasks
    where is_current
),
-- Most addresses are named once: only repeated ones are compared in full. hash is not standard SQL;
-- fleet/dialects.py replaces it for Spark.
named_again as (
    select hash(url_fingerprint) as hashed
    from (
        select unnest(source_fingerprints) as url_fingerprint from listed
        union all
        select unnest(backup_source_fingerprints) as url_fingerprint from listed
    )
    group by all
    having count(*) > 1
),
addresses as (
    select
        project_id,
        region,
        task_id,
        state_date,
        'primary' as role,
        unnest(source_urls) as url,
        unnest(source_fingerprints) as url_fingerprint,
    from listed
    union all
    select
        project_id,
        region,
        task_id,
        state_date,
        'backup' as role,
        unnest(backup_source_urls) as url,
        unnest(backup_source_fingerprints) as url_fingerprint,
    from listed
),
tasks as (
    select
        url_fingerprint,
        project_id,
        region,
        task_id,
        min(url) as url,
        min(state_date) as state_date,
        bool_or(role = 'primary') as is_primary,
        bool_or(role = 'backup') as is_backup,
    from addresses
    semi join named_again on hash(addresses.url_fingerprint) = named_again.hashed
    where url_fingerprint is not null
    group by all
)
select
    min(tasks.url) as url,
    count(*) as task_count,
    count(*) filter (tasks.is_primary) as primary_count,
    count(*) filter (tasks.is_backup) as backup_count,
    count(distinct (tasks.project_id, tasks.region)) as target_count,
    list(tasks.task_id order by tasks.project_id, tasks.region, tasks.task_id)[1:10] as example_task_ids,
    min(tasks.state_date) as oldest_state_date,
    min(build.targets_complete) as targets_complete,
    min(build.targets_expected) as targets_expected,
    tasks.url_fingerprint,
from tasks
cross join stg_build as build
group by tasks.url_fingerprint
having count(*) > 1
