-- Events that tasks name for their callbacks, of those that do not stand as they stood before the day being built.
-- kind: staging
-- grain: one row per target, task and position
-- key: project_id, region, task_id, position
-- column: project_id VARCHAR | Project of the target.
-- column: region VARCHAR | Region of the target.
-- column: task_id VARCHAR | The task's identifier.
-- column: position BIGINT | Place in the list, from 0.
-- column: event VARCHAR | Name of the event.
with fresh as (
    select project_id, region, task_id
    from stg_listed_tasks
    where not is_standing
)
select
    project_id,
    region,
    task_id,
    position,
    mask_name(event) as event,
from tidy.pull_task_callback_events as events
semi join fresh
    on events.project_id = fresh.project_id and events.region = fresh.region and events.task_id = fresh.task_id
