"""The tables of the page: the model of each, its columns and its order.

Lives here: one entry per table.
Does not live here: reading rows (contents), the meaning of columns (the headers in sql/), their words (words.toml).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A table of the page.

    Attributes:
        name: its name in the page.
        model: the model of its rows.
        covers: the coverage of its rows: the `state` of targets as last known, `changes` since their complete listing
            before, `all` targets whatever the filter, or a `record`, whose rows have their own dates.
        columns: its columns with the kind by which they are shown and sorted; `target` means project_id, region and
            target_name together, `targets` a list of `project_id/region`.
        query: the SQL that returns these columns, the most important rows first.
    """

    name: str
    model: str
    covers: str
    columns: dict[str, str]
    query: str


TABLES = (
    Table(
        "changes",
        "fct_pull_task_changes",
        "changes",
        {
            "destination": "address",
            "target": "target",
            "change": "word",
            "field": "text",
            "value_before": "address",
            "value_after": "address",
            "reason": "word",
            "previous_complete_date": "day",
            "task_id": "id",
        },
        "select * from fct_pull_task_changes where snapshot_date = (select through_date from meta_build) "
        "order by change = 'changed', change, project_id, region, task_id, field",
    ),
    Table(
        "conflicts",
        "rpt_stream_conflicts",
        "state",
        {
            "destination": "address",
            "timing": "word",
            "overlap_start_time": "time",
            "overlap_end_time": "time",
            "task_count": "number",
            "tasks_enabled": "number",
            "target_keys": "targets",
            "task_ids": "ids",
            "state_date": "day",
        },
        "from rpt_stream_conflicts order by case timing when 'now' then 0 when 'coming' then 1 else 2 end, "
        "overlap_start_time nulls first, destination",
    ),
    Table(
        "expiring",
        "rpt_expiring_tasks",
        "state",
        {
            "destination": "address",
            "target": "target",
            "status": "status",
            "ends": "word",
            "end_time": "time",
            "hours_to_end": "number",
            "source_type": "text",
            "task_id": "id",
            "state_date": "day",
        },
        "select * replace (round(hours_to_end, 1) as hours_to_end) from rpt_expiring_tasks "
        "order by ends = 'past_end', abs(hours_to_end), project_id, region, task_id",
    ),
    Table(
        "no_backup",
        "rpt_tasks_without_backup",
        "state",
        {
            "destination": "address",
            "target": "target",
            "status": "status",
            "start_time": "time",
            "end_time": "time",
            "first_source": "address",
            "source_count": "number",
            "task_id": "id",
            "state_date": "day",
        },
        "select *, source_urls[1] as first_source, coalesce(len(source_urls), 0) as source_count "
        "from rpt_tasks_without_backup order by start_time desc nulls last, project_id, region, task_id",
    ),
    Table(
        "tonight",
        "dim_pull_tasks",
        "state",
        {
            "destination": "address",
            "target": "target",
            "status": "status",
            "start_time": "time",
            "end_time": "time",
            "no_backup": "flag",
            "shares_source": "flag",
            "in_conflict": "flag",
            "task_id": "id",
            "state_date": "day",
        },
        """
        with named as (
            select
                project_id, region, task_id,
                unnest(source_fingerprints || backup_source_fingerprints) as url_fingerprint,
            from dim_pull_tasks
            where is_current
        ),
        sharing as (
            select distinct project_id, region, task_id
            from named
            semi join rpt_source_reuse using (url_fingerprint)
        ),
        conflicting as (
            select destination_fingerprint, unnest(task_ids) as task_id
            from rpt_stream_conflicts
            where timing <> 'over'
        )
        select
            tasks.*,
            len(tasks.backup_source_urls) = 0 as no_backup,
            sharing.task_id is not null as shares_source,
            conflicting.task_id is not null as in_conflict,
        from dim_pull_tasks as tasks
        cross join (select observed_at from dim_dates order by snapshot_date desc limit 1) as build
        left join sharing
            on tasks.project_id = sharing.project_id and tasks.region = sharing.region
            and tasks.task_id = sharing.task_id
        left join conflicting
            on tasks.destination_fingerprint = conflicting.destination_fingerprint
            and tasks.task_id = conflicting.task_id
        where tasks.is_current
            and coalesce(tasks.start_time_raw, '') = ''
            and coalesce(tasks.end_time_raw, '') = ''
            and coalesce(tasks.start_time < date_trunc('hour', build.observed_at) + interval 24 hour, true)
            and coalesce(tasks.end_time > date_trunc('hour', build.observed_at), true)
        order by start_time desc nulls last, project_id, region, task_id
        """,
    ),
    Table(
        "sources",
        "rpt_source_reuse",
        "all",
        {
            "url": "address",
            "task_count": "number",
            "primary_count": "number",
            "backup_count": "number",
            "target_count": "number",
            "oldest_state_date": "day",
        },
        "from rpt_source_reuse order by task_count desc, url_fingerprint",
    ),
    Table(
        "receivers",
        "rpt_callback_receivers",
        "all",
        {
            "callback_url": "address",
            "task_count": "number",
            "target_count": "number",
            "events": "list",
            "oldest_state_date": "day",
        },
        "from rpt_callback_receivers order by task_count desc, callback_url_fingerprint",
    ),
    Table(
        "reliability",
        "rpt_target_reliability",
        "record",
        {
            "target": "target",
            "days_complete_7": "number",
            "days_expected_7": "number",
            "days_complete_30": "number",
            "days_expected_30": "number",
            "days_complete_90": "number",
            "days_expected_90": "number",
            "longest_gap_days": "number",
            "last_error_date": "day",
            "last_error_coverage": "coverage",
            "last_error_reason": "reason",
        },
        "from rpt_target_reliability order by days_expected_30 - days_complete_30 desc, "
        "days_expected_90 - days_complete_90 desc, project_id, region",
    ),
    Table(
        "gaps",
        "rpt_coverage_gaps",
        "record",
        {
            "target": "target",
            "from_date": "day",
            "to_date": "day",
            "days": "number",
            "is_open": "flag",
            "coverages": "words",
            "reasons": "reasons",
            "last_complete_date": "day",
        },
        "from rpt_coverage_gaps order by to_date desc, days desc, project_id, region",
    ),
    Table(
        "surprises",
        "rpt_data_quality",
        "record",
        {
            "target": "target",
            "field": "text",
            "rule": "text",
            "last_occurrences": "number",
            "first_date": "day",
            "last_date": "day",
            "example_task_id": "id",
        },
        "from rpt_data_quality order by last_date desc, field, rule, project_id, region",
    ),
)
