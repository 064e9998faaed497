-- Events that tasks name for their callbacks, on the day being built.
-- kind: staging
-- grain: one row per target, task and position
-- key: project_id, region, task_id, position
-- column: project_id VARCHAR | Project of the target.
-- column: region VARCHAR | Region of the target.
-- column: task_id VARCHAR | The task's identifier.
-- column: position BIGINT | Place in the list, from 0.
-- column: event VARCHAR | Name of the event.
select
    project_id,
    region,
    task_id,
    position,
    mask_name(event) as event,
from tidy.pull_task_callback_events
