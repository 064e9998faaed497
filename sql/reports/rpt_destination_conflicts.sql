-- Pairs of listed tasks that push to one stream at overlapping times.
-- An open end overlaps everything after it, a missing start everything before; a time that cannot be read leaves its task
-- out, as does an end that is not after its start. Where more than 21 tasks share a stream,
-- each is paired with the 20 that start next.
-- kind: table
-- grain: one row per pair of tasks
-- example: select destination, task_id, other_task_id, overlap_start_time, overlap_end_time from rpt_destination_conflicts order by all
-- key: project_id, region, task_id, other_project_id, other_region, other_task_id
-- column: destination VARCHAR | The stream that both push to, masked.
-- column: destination_fingerprint VARCHAR | Keyed fingerprint of the stream.
-- column: tasks_on_destination BIGINT | Listed tasks that push to the stream at any time.
-- column: project_id VARCHAR | Project of the task that starts first.
-- column: region VARCHAR | Region of its target.
-- column: target_name VARCHAR | Name of its target.
-- column: task_id VARCHAR | The task that starts first.
-- column: status VARCHAR | Its state in the service's own words.
-- column: start_time TIMESTAMP | When it is scheduled to start, UTC; null when not given.
-- column: end_time TIMESTAMP | When it is scheduled to end, UTC; null when not given: open.
-- column: other_project_id VARCHAR | Project of the other task.
-- column: other_region VARCHAR | Region of its target.
-- column: other_target_name VARCHAR | Name of its target.
-- column: other_task_id VARCHAR | The other task.
-- column: other_status VARCHAR | Its state in the service's own words.
-- column: other_start_time TIMESTAMP | When it is scheduled to start, UTC; null when not given.
-- column: other_end_time TIMESTAMP | When it is scheduled to end, UTC; null when not given: open.
-- column: overlap_start_time TIMESTAMP | From when both push, UTC; null when neither start is given.
-- column: overlap_end_time TIMESTAMP | Until when both push, UTC; null when neither end is given.
-- column: state_date DATE | Older of the two days that the tasks are known from.
-- column: targets_complete BIGINT | Targets captured completely on the last day: what the row covers.
-- column: targets_expected BIGINT | Targets that were to be captured on the last day.
-- check: overlap_start_time is null or overlap_end_time is null or overlap_start_time < overlap_end_time
with listed as (
    select
        project_id,
        region,
        target_name,
        task_id,
        status,
        start_time,
        end_time,
        state_date,
        destination,
        destination_fingerprint,
        coalesce(start_time, timestamp '0001-01-01') as starts,
        coalesce(end_time, timestamp '9999-12-31') as ends,
        count(*) over (partition by destination_fingerprint) as tasks_on_destination,
    from dim_pull_tasks
    where is_current
        and destination_fingerprint is not null
        and coalesce(start_time_raw, '') = ''
        and coalesce(end_time_raw, '') = ''
    qualify tasks_on_destination > 1
),
in_order as (
    select
        *,
        row_number() over (
            partition by destination_fingerprint
            order by start_time nulls first, project_id, region, task_id
        ) as place,
    from listed
)
select
    one.destination,
    one.destination_fingerprint,
    one.tasks_on_destination,
    one.project_id,
    one.region,
    one.target_name,
    one.task_id,
    one.status,
    one.start_time,
    one.end_time,
    other.project_id as other_project_id,
    other.region as other_region,
    other.target_name as other_target_name,
    other.task_id as other_task_id,
    other.status as other_status,
    other.start_time as other_start_time,
    other.end_time as other_end_time,
    other.start_time as overlap_start_time,
    least(one.end_time, other.end_time) as overlap_end_time,
    least(one.state_date, other.state_date) as state_date,
    build.targets_complete,
    build.targets_expected,
from in_order as one
inner join in_order as other
    on one.destination_fingerprint = other.destination_fingerprint
    and other.place > one.place
    and other.place <= one.place + 20
    and other.starts < least(one.ends, other.ends)
    -- One project may list one task in several regions: it is in no conflict with itself.
    and (one.project_id, one.task_id) is distinct from (other.project_id, other.task_id)
cross join stg_build as build
