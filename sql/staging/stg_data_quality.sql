-- Unexpected values in the API answers of the day being built, counted per field and rule, without the values.
-- kind: staging
-- grain: one row per target, field and rule
-- key: project_id, region, field, rule
-- column: snapshot_date DATE | The day.
-- like: target (project_id, region)
-- column: field VARCHAR | The API's field; masked if it does not look like a name.
-- column: rule VARCHAR | The expectation that was not met.
-- column: occurrences BIGINT | Number of times seen on the day.
-- column: example_task_id VARCHAR | A task with the unexpected value; null if the task had no id.
select
    snapshot_date,
    project_id,
    region,
    mask_field(field) as field,
    rule,
    cast(sum(occurrences) as bigint) as occurrences,
    min(task_id) as example_task_id,
from tidy.data_quality
group by all
