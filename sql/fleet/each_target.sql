-- Every target once. If a target moved from one lake to another, the row comes from its current lake.
select
    project_id,
    region,
    target_name,
    endpoint,
    query_region,
    is_expected,
    first_expected_date,
    last_expected_date,
    last_complete_date,
    last_complete_task_count,
    held_since_date,
    accepted_task_ids,
    offset_unit,
    last_coverage,
    last_verdict_reason,
from (
    select
        *,
        row_number() over (
            partition by project_id, region
            order by case when is_expected then 0 else 1 end, last_expected_date desc, lake
        ) as place,
    from dim_targets
)
where place = 1
