-- Each target has as many current tasks as its last complete capture listed.
select
    targets.project_id,
    targets.region,
    targets.last_complete_task_count as expected,
    count(tasks.task_id) as found,
from dim_targets as targets
left join dim_pull_tasks as tasks
    on targets.project_id = tasks.project_id and targets.region = tasks.region and tasks.is_current
where targets.is_expected
group by all
having coalesce(targets.last_complete_task_count, 0) <> count(tasks.task_id)
