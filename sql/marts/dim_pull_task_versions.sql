-- Every state of a task in complete captures, with the days on which it was valid.
-- A day without a complete capture neither begins nor ends a version; a task counts as absent from the complete capture
-- that noticed it. This is a view over dim_pull_task_past_versions (past states) and dim_pull_tasks (current states).
-- kind: view
-- grain: one row per target, task and first day of a state
-- example: select task_id, valid_from_date, valid_to_date, end_reason, status from dim_pull_task_versions order by task_id, valid_from_date
-- key: project_id, region, task_id, valid_from_date
-- coverage: not needed, because a row is about one task, and only complete captures begin or end it
-- column: target_name VARCHAR | Name of the target when the row was last written.
-- like: stg_pull_tasks (task_id, status)
-- column: valid_from_date DATE | Day of the first complete capture that showed this state.
-- column: valid_to_date DATE | Day on which its end was noticed, exclusive; null while it is current.
-- column: last_seen_date DATE | Last day on which any capture showed the task in this state.
-- column: end_reason VARCHAR | changed, gone, unlisted, unchecked or target_dropped; null while it is current.
-- like: stg_pull_tasks
select *
from dim_pull_task_past_versions
union all by name
select
    * exclude (is_current, state_date, first_seen_date, absence_noticed_date),
    cast(null as date) as valid_to_date,
    cast(null as varchar) as end_reason,
from dim_pull_tasks
where is_current
