-- Source addresses of tasks that do not stand as they stood before the day being built, masked, each with a fingerprint of the whole address; for that, scheme and
-- host are in lower case and a usual port is left out.
-- kind: staging
-- grain: one row per target, task, role and position
-- key: project_id, region, task_id, role, position
-- column: project_id VARCHAR | Project of the target.
-- column: region VARCHAR | Region of the target.
-- column: task_id VARCHAR | The task's identifier.
-- column: role VARCHAR | primary or backup.
-- column: position BIGINT | Place in the list, from 0.
-- column: url VARCHAR | The address, masked.
-- column: url_fingerprint VARCHAR | Keyed fingerprint of the whole address: equal for equal addresses.
-- check: role in ('primary', 'backup')
with fresh as (
    select project_id, region, task_id
    from stg_listed_tasks
    where not is_standing
),
addresses as (
    select *, regexp_extract(url, '^[A-Za-z][A-Za-z0-9+.-]*://[^/?#@]*') as place
    from tidy.pull_task_source_urls as urls
    semi join fresh
        on urls.project_id = fresh.project_id and urls.region = fresh.region and urls.task_id = fresh.task_id
)
select
    project_id,
    region,
    task_id,
    role,
    position,
    mask_stream_url(url) as url,
    fingerprint(nullif(
        case
            when regexp_matches(place, ':[0-9]+$')
                then regexp_replace(
                    lower(place), '^(rtmp://.*):1935$|^(https://.*):443$|^(http://.*):80$', '\1\2\3'
                )
            else lower(place)
        end || substr(url, len(place) + 1),
        ''
    )) as url_fingerprint,
from addresses
