-- Callback events that tasks name, as known on a date. A task without rows gets all events.
-- kind: macro
-- grain: one row per target, task and position
-- example: select event, count(*) as tasks from pull_task_callback_events_as_of((select max(snapshot_date) from dim_dates)) group by all order by all
-- argument: as_of_date
-- key: project_id, region, task_id, position
-- column: task_id VARCHAR | The task's identifier.
-- column: position BIGINT | Place in the list, from 0.
-- column: event VARCHAR | Name of the event.
-- column: state_date DATE | Day of the complete capture that showed the row.
-- column: snapshot_date DATE | The requested date.
-- like: target (project_id, region)
select
    task_id,
    unnest(range(len(callback_events))) as position,
    unnest(callback_events) as event,
    state_date,
    snapshot_date,
    project_id,
    region,
from pull_tasks_as_of(as_of_date)
