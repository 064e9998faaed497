-- How long each task stayed in each status. A spell joins successive states with the same status.
-- Days on which the target is not complete belong to the spell; days_unknown counts them, because the status on them is
-- unknown. This is a view: filter by the tasks that you need.
-- kind: view
-- grain: one row per target, task and first day of a spell
-- example: select status, count(*) as spells, cast(median(days) as integer) as median_days from fct_status_spells group by all order by all
-- key: project_id, region, task_id, from_date
-- coverage: not needed, because a row is about one task, and days_unknown counts the days that are not complete
-- column: target_name VARCHAR | Name of the target when the row was last written.
-- column: task_id VARCHAR | The task's identifier.
-- column: status VARCHAR | State of the task in the service's own words.
-- column: from_date DATE | Day of the first complete capture that showed the status.
-- column: to_date DATE | Day on which its end was noticed, exclusive; null while it is current.
-- column: days BIGINT | Days from from_date to to_date; up to and including the last day while it is current.
-- column: days_unknown BIGINT | Days among these on which the target was not captured completely.
-- like: target (project_id, region)
with states as (
    select
        *,
        status is distinct from lag(status) over of_task
        or valid_from_date is distinct from lag(valid_to_date) over of_task
            as is_begin,
    from dim_pull_task_versions
    window of_task as (partition by project_id, region, task_id order by valid_from_date)
),
numbered as (
    select
        *,
        count(case when is_begin then 1 end) over (
            partition by project_id, region, task_id order by valid_from_date
        ) as spell,
    from states
),
spells as (
    select
        project_id,
        region,
        task_id,
        spell,
        arg_max(target_name, valid_from_date) as target_name,
        any_value(status) as status,
        min(valid_from_date) as from_date,
        case when bool_and(valid_to_date is not null) then max(valid_to_date) end as to_date,
    from numbered
    group by project_id, region, task_id, spell
)
select
    spells.target_name,
    spells.task_id,
    spells.status,
    spells.from_date,
    spells.to_date,
    coalesce(spells.to_date, last_day.snapshot_date + 1) - spells.from_date as days,
    count(unknown.snapshot_date) as days_unknown,
    spells.project_id,
    spells.region,
from spells
cross join (select max(snapshot_date) as snapshot_date from dim_dates) as last_day
left join fct_target_days as unknown
    on spells.project_id = unknown.project_id
    and spells.region = unknown.region
    and unknown.coverage <> 'complete'
    and unknown.snapshot_date >= spells.from_date
    and (spells.to_date is null or unknown.snapshot_date < spells.to_date)
group by all
