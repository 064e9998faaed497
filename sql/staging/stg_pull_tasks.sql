-- New and changed tasks of the day being built, with their lists, and with all secrets masked.
-- kind: staging
-- grain: one row per target and task
-- parts: tasks
-- key: project_id, region, task_id
-- column: task_id VARCHAR | The task's identifier.
-- like: tidy.pull_tasks (status)
-- column: destination VARCHAR | Where the stream is pushed to, from either form: host/application/stream, masked.
-- like: tidy.pull_tasks (start_time, end_time, source_type)
-- column: source_urls VARCHAR[] | Source addresses in order, masked.
-- column: backup_source_urls VARCHAR[] | Backup addresses in order, masked.
-- column: source_hosts VARCHAR[] | Distinct hosts of the source addresses, in alphabetical order.
-- column: backup_source_hosts VARCHAR[] | Distinct hosts of the backup addresses, in alphabetical order.
-- column: destination_host VARCHAR | Host that the stream is pushed to, from either form; null if none can be shown.
-- like: tidy.pull_tasks (create_time)
-- column: callback_url VARCHAR | Address that receives the callbacks, masked.
-- column: callback_events VARCHAR[] | Events that trigger a callback; null or empty means all.
-- column: callback_host VARCHAR | Host of callback_url; null if none can be shown.
-- like: tidy.pull_tasks (callback_events_specified)
-- column: domain VARCHAR | Ingest domain of the destination; empty if destination_url is used (see destination_host).
-- like: tidy.pull_tasks (app_name, stream_name)
-- column: push_args VARCHAR | Arguments appended to the push address, with masked values.
-- column: destination_url VARCHAR | Full destination, masked; if empty, domain, app_name and stream_name are used.
-- like: tidy.pull_tasks (task_region, backup_source_type)
-- like: tidy.pull_tasks (vod_loop_time, vod_start_video_index, vod_start_video_time, vod_refresh_type)
-- like: target (project_id, region)
-- column: extra VARCHAR | Fields without a column of their own, as JSON with masked values.
-- column: create_time_raw VARCHAR | The text of create_time if it is not a valid time, masked; else null.
-- column: start_time_raw VARCHAR | The text of start_time if it is not a valid time, masked; else null.
-- column: end_time_raw VARCHAR | The text of end_time if it is not a valid time, masked; else null.
-- column: destination_fingerprint VARCHAR | Keyed fingerprint of destination: equal for tasks that push to one stream.
-- column: source_fingerprints VARCHAR[] | Keyed fingerprints of source_urls, in order: equal for equal addresses.
-- column: backup_source_fingerprints VARCHAR[] | Keyed fingerprints of backup_source_urls, in order.
-- column: destination_url_fingerprint VARCHAR | Keyed fingerprint of destination_url if it is set.
-- column: push_args_fingerprint VARCHAR | Keyed fingerprint of push_args if it is set.
-- column: callback_url_fingerprint VARCHAR | Keyed fingerprint of callback_url if it is set.
-- column: extra_fingerprint VARCHAR | Keyed fingerprint of extra if it is set.
-- column: hidden_fingerprint VARCHAR | Keyed fingerprint of partly masked names and times; null if none is masked.
-- column: content_hash VARCHAR | Keyed hash of the whole task as received; any change in the task changes it.
with fresh as (
    select project_id, region, task_id
    from stg_listed_tasks
    where not is_standing
),
places as (
    select urls.*, regexp_extract(urls.url, '^[A-Za-z][A-Za-z0-9+.-]*://[^/?#@]*') as place
    from tidy.pull_task_source_urls as urls
    semi join fresh
        on urls.project_id = fresh.project_id and urls.region = fresh.region and urls.task_id = fresh.task_id
),
-- Before a source is fingerprinted, scheme and host become lower case and a default port is removed.
source_urls as (
    select
        project_id,
        region,
        task_id,
        role,
        position,
        mask_stream_url(url) as shown,
        host_of(shown) as host,
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
    from places
),
-- list_grade_up and list_select sort a list after it is collected, at half the cost of `list(... order by ...)`. Like
-- try and url_decode below, they are not standard SQL. Staging models run in DuckDB only, so they may use them.
addresses as (
    select
        project_id,
        region,
        task_id,
        role,
        list_grade_up(list(position)) as in_order,
        list_select(list(shown), in_order) as urls,
        list_select(list(url_fingerprint), in_order) as fingerprints,
        list_sort(list_distinct(list(host))) as hosts,
    from source_urls
    group by project_id, region, task_id, role
),
events as (
    select
        events.project_id,
        events.region,
        events.task_id,
        list_select(list(mask_name(events.event)), list_grade_up(list(events.position))) as callback_events,
    from tidy.pull_task_callback_events as events
    semi join fresh
        on events.project_id = fresh.project_id and events.region = fresh.region and events.task_id = fresh.task_id
    group by all
),
-- Many tasks share few callback addresses: each address is masked once.
receivers as (
    select
        callback_url,
        mask_url(callback_url) as shown,
        host_of(shown) as host,
        fingerprint(nullif(callback_url, '')) as url_fingerprint,
    from (select distinct callback_url from tidy.pull_tasks)
),
-- Both ways to name a destination become one form: host without user, scheme and default port; decoded path; no
-- arguments.
named as (
    select
        tasks.*,
        listed.status as shown_status,
        listed.source_type as shown_source_type,
        listed.content_hash as keyed_content_hash,
        coalesce(tasks.destination_url, '') <> '' as is_by_url,
        mask_name(tasks.domain) as shown_domain,
        mask_name(tasks.app_name) as shown_app_name,
        mask_stream_name(tasks.stream_name) as shown_stream_name,
        mask_stream_url(tasks.destination_url) as shown_url,
        regexp_replace(trim(tasks.destination_url), '^([A-Za-z][A-Za-z0-9+.-]*:)?/*', '') as without_scheme,
        case
            -- An SRT address names the stream in its arguments, so they stay.
            when is_by_url and tasks.destination_url ilike 'srt:%' then regexp_replace(without_scheme, '^[^/]*@', '')
            when is_by_url then regexp_replace(regexp_replace(without_scheme, '[?#].*$', '', 's'), '^[^/]*@', '')
            when coalesce(tasks.domain, '') <> '' or coalesce(tasks.stream_name, '') <> ''
                then coalesce(tasks.domain, '') || '/' || coalesce(trim(tasks.app_name, '/'), '') || '/'
                    || coalesce(split_part(tasks.stream_name, '?', 1), '')
        end as address,
    from tidy.pull_tasks as tasks
    inner join stg_listed_tasks as listed
        on tasks.project_id = listed.project_id and tasks.region = listed.region and tasks.task_id = listed.task_id
        and not listed.is_standing
),
placed as (
    select
        *,
        split_part(address, '/', 1) as host,
        substr(address, len(host) + 1) as given_path,
        case when is_by_url then coalesce(try(url_decode(given_path)), given_path) else given_path end as path,
        rtrim(regexp_replace(lower(host), ':(1935|443)$', ''), '.')
        || rtrim(case when contains(path, '//') then regexp_replace(path, '/+', '/', 'g') else path end, '/') as place,
    from named
)
select
    tasks.project_id,
    tasks.region,
    tasks.task_id,
    tasks.shown_status as status,
    tasks.create_time,
    mask_raw(tasks.create_time_raw) as create_time_raw,
    mask_name(tasks.task_region) as task_region,
    tasks.shown_source_type as source_type,
    tasks.shown_domain as domain,
    tasks.shown_app_name as app_name,
    tasks.shown_stream_name as stream_name,
    mask_args(tasks.push_args) as push_args,
    fingerprint(nullif(tasks.push_args, '')) as push_args_fingerprint,
    tasks.shown_url as destination_url,
    fingerprint(nullif(tasks.destination_url, '')) as destination_url_fingerprint,
    case
        when tasks.is_by_url
            then regexp_replace(
                regexp_replace(
                    regexp_replace(
                        hide_path(tasks.shown_url),
                        '^([A-Za-z][A-Za-z0-9+.-]*:)?(//)?([*]{3}@)?', ''
                    ),
                    '[?#; ].*$', '', 's'
                ),
                ':(1935|443)(/|$)', '\2'
            )
        when tasks.place is not null
            then lower(coalesce(tasks.shown_domain, '')) || '/' || coalesce(tasks.shown_app_name, '') || '/'
                || coalesce(tasks.shown_stream_name, '')
    end as destination,
    host_of(destination) as destination_host,
    fingerprint(tasks.place) as destination_fingerprint,
    tasks.start_time,
    mask_raw(tasks.start_time_raw) as start_time_raw,
    tasks.end_time,
    mask_raw(tasks.end_time_raw) as end_time_raw,
    tasks.callback_events_specified,
    case
        when tasks.callback_events_specified then coalesce(events.callback_events, [])
    end as callback_events,
    receivers.shown as callback_url,
    receivers.host as callback_host,
    receivers.url_fingerprint as callback_url_fingerprint,
    mask_name(tasks.backup_source_type) as backup_source_type,
    coalesce(sources.urls, []) as source_urls,
    coalesce(sources.hosts, []) as source_hosts,
    coalesce(sources.fingerprints, []) as source_fingerprints,
    coalesce(backups.urls, []) as backup_source_urls,
    coalesce(backups.hosts, []) as backup_source_hosts,
    coalesce(backups.fingerprints, []) as backup_source_fingerprints,
    mask_name(tasks.vod_loop_time) as vod_loop_time,
    tasks.vod_start_video_index,
    tasks.vod_start_video_time,
    mask_name(tasks.vod_refresh_type) as vod_refresh_type,
    mask_json(tasks.extra) as extra,
    fingerprint(tasks.extra) as extra_fingerprint,
    case
        when coalesce(tasks.create_time_raw, '') || coalesce(tasks.start_time_raw, '')
            || coalesce(tasks.end_time_raw, '') <> ''
            or tasks.shown_domain <> tasks.domain or tasks.shown_app_name <> tasks.app_name
            or tasks.shown_stream_name <> tasks.stream_name
            then fingerprint(concat_ws(
                '|', tasks.create_time_raw, tasks.start_time_raw, tasks.end_time_raw,
                tasks.domain, tasks.app_name, tasks.stream_name
            ))
    end as hidden_fingerprint,
    tasks.keyed_content_hash as content_hash,
from placed as tasks
left join receivers
    on tasks.callback_url = receivers.callback_url
left join addresses as sources
    on tasks.project_id = sources.project_id and tasks.region = sources.region and tasks.task_id = sources.task_id
    and sources.role = 'primary'
left join addresses as backups
    on tasks.project_id = backups.project_id and tasks.region = backups.region and tasks.task_id = backups.task_id
    and backups.role = 'backup'
left join events
    on tasks.project_id = events.project_id and tasks.region = events.region and tasks.task_id = events.task_id
