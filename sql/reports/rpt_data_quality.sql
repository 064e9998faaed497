-- Unexpected values in the API's answers: unknown fields, wrong types, and unreadable numbers, times and texts.
-- Nothing is lost: the values are in the tidy tables and in the raw archive.
-- kind: merge
-- grain: one row per target, field and rule
-- example: select field, rule, first_date, last_date, last_occurrences from rpt_data_quality order by last_date desc
-- key: project_id, region, field, rule
-- column: target_name VARCHAR | Name of the target when the value was last seen.
-- column: field VARCHAR | The API's field, masked if it does not look like a name; (answer) for answers as a whole.
-- column: rule VARCHAR | unknown_field, wrong_type, unreadable_number, not_unicode, name_not_unicode, unreadable_time, time_without_zone, null_element, task_without_id, task_id_not_unicode, byte_order_mark, old_encoding, unknown_answer_field (beside the list), repeated_key (twice in an object) or left_out.
-- column: first_date DATE | First day on which it was seen.
-- column: last_date DATE | Last day on which it was seen.
-- column: last_occurrences BIGINT | Number of times seen on that day.
-- column: example_task_id VARCHAR | A task with it on that day; null if the task had no id.
-- like: target (project_id, region)
-- column: targets_complete BIGINT | Targets captured completely on that day.
-- column: targets_expected BIGINT | Targets expected on that day.
-- check: first_date <= last_date
-- check: last_occurrences > 0
select
    captures.target_name,
    today.field,
    today.rule,
    coalesce(known.first_date, today.snapshot_date) as first_date,
    today.snapshot_date as last_date,
    today.occurrences as last_occurrences,
    today.example_task_id,
    today.project_id,
    today.region,
    build.targets_complete,
    build.targets_expected,
from stg_data_quality as today
inner join stg_captures as captures
    on today.project_id = captures.project_id and today.region = captures.region
left join before.rpt_data_quality as known
    on today.project_id = known.project_id and today.region = known.region
    and today.field = known.field and today.rule = known.rule
cross join stg_build as build
