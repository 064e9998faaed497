-- What the answers of the day being built held that was not expected, one row per field and rule, texts left out.
-- kind: staging
-- grain: one row per target, field and rule
-- key: project_id, region, field, rule
-- column: snapshot_date DATE | The day.
-- like: target (project_id, region)
-- column: field VARCHAR | The API's field; what does not look like a name is masked.
-- column: rule VARCHAR | What was not as expected.
-- column: occurrences BIGINT | How often it was seen that day.
-- column: example_task_id VARCHAR | A task that it was seen at; null when the task had no id.
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
