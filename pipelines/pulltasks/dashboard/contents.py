"""The data of the page: rows of the warehouse's models, in a compact form.

Lives here: the queries of numbers and charts, the limits, the layout of rows for the page.
Does not live here: the tables (tables), the look of anything (page/), the meaning of numbers (sql/).

Days, targets and hours are given by their position in lists, times as seconds since 1970 (UTC). Unknown values are
null or missing, never zero: the page shows the two differently.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from pulltasks.dashboard.lives import read_lives
from pulltasks.dashboard.tables import TABLES
from pulltasks.reasons import reason_of
from pulltasks.warehouse.read.status import read_newest_complete

if TYPE_CHECKING:
    from collections.abc import Mapping

    import duckdb

    from pulltasks.dashboard.tables import Table
    from pulltasks.settings import Limits

# Days of history in the charts, and rows per table; the page says where a table was cut.
DAYS = 92
ROWS = 10_000
# Bytes of addresses per table: the page is opened in a browser and sent by mail.
TEXT = 2_000_000
HOURS = 8 * 24
TONIGHT_HOURS = 24


# Every target that was ever expected; those of the last day come first, sorted by name.
_TARGETS = """
with build as (select through_date from meta_build),
complete_before as (
    select project_id, region
    from rpt_snapshot_coverage
    where coverage = 'complete' and snapshot_date < (select through_date from build)
    group by all
),
known as (
    select project_id, region, count(*) as task_count, min(state_date) as oldest_state_date
    from dim_pull_tasks
    where is_current
    group by all
)
select
    targets.project_id,
    targets.region,
    targets.target_name,
    coalesce(today.is_expected, false) as is_expected,
    today.coverage,
    today.verdict_reason,
    today.error_message,
    targets.last_complete_date,
    epoch(last_complete.finished_at)::bigint as last_complete_at,
    case when targets.last_complete_date is not null then coalesce(known.task_count, 0) end as task_count,
    known.oldest_state_date,
    coalesce(today.coverage = 'complete', false) and complete_before.project_id is not null as has_known_changes,
from dim_targets as targets
cross join build
left join rpt_snapshot_coverage as today
    on targets.project_id = today.project_id and targets.region = today.region
    and today.snapshot_date = build.through_date
left join rpt_snapshot_coverage as last_complete
    on targets.project_id = last_complete.project_id and targets.region = last_complete.region
    and targets.last_complete_date = last_complete.snapshot_date
left join complete_before
    on targets.project_id = complete_before.project_id and targets.region = complete_before.region
left join known
    on targets.project_id = known.project_id and targets.region = known.region
order by
    not coalesce(today.is_expected, false),
    coalesce(targets.target_name, targets.project_id),
    targets.project_id,
    targets.region
"""
# One letter per day and target, the first one of its coverage; a dot if the target was not expected.
_COVERAGE = """
select
    targets.position,
    string_agg(
        case when coverage.is_expected then coverage.coverage[1] else '.' end, '' order by days.snapshot_date
    ) as letters,
from shown_targets as targets
cross join shown_days as days
left join rpt_snapshot_coverage as coverage
    on targets.project_id = coverage.project_id and targets.region = coverage.region
    and days.snapshot_date = coverage.snapshot_date
group by targets.position
order by targets.position
"""
# The reasons of days that are not complete, per target.
_REASONS = """
select
    targets.position,
    list(days.position order by days.position) as days,
    list(coverage.verdict_reason order by days.position) as reasons,
from rpt_snapshot_coverage as coverage
inner join shown_days as days on coverage.snapshot_date = days.snapshot_date
inner join shown_targets as targets
    on coverage.project_id = targets.project_id and coverage.region = targets.region
where coverage.coverage <> 'complete' and coverage.verdict_reason is not null
group by targets.position
order by targets.position
"""
# The number of tasks that changed, per day and target; days without changes are missing.
_CHANGED = """
select
    targets.position,
    list(days.position order by days.position) as days,
    list(counted.task_count order by days.position) as task_counts,
from (
    select snapshot_date, project_id, region, count(distinct task_id) as task_count
    from fct_pull_task_changes
    group by all
) as counted
inner join shown_days as days on counted.snapshot_date = days.snapshot_date
inner join shown_targets as targets on counted.project_id = targets.project_id and counted.region = targets.region
group by targets.position
order by targets.position
"""
_COUNTS = """
select
    targets.position,
    counts.status,
    counts.source_type,
    list(days.position order by days.position) as days,
    list(counts.task_count order by days.position) as task_counts,
from fct_daily_task_counts as counts
inner join shown_days as days on counts.snapshot_date = days.snapshot_date
inner join shown_targets as targets on counts.project_id = targets.project_id and counts.region = targets.region
where counts.task_count > 0
group by all
order by all
"""
_LOAD = """
select
    targets.position,
    list(cast((epoch(load.hour_start) - $begins_at) / 3600 as integer) order by load.hour_start) as hours,
    list(load.tasks_scheduled order by load.hour_start) as task_counts,
from rpt_schedule_load as load
inner join shown_targets as targets on load.project_id = targets.project_id and load.region = targets.region
where epoch(load.hour_start) >= $begins_at and epoch(load.hour_start) < $begins_at + 3600 * $hours
group by all
order by all
"""
# The numbers at a glance: (targets as project_id/region, count). Counted per set of targets, so that the page can add
# them up under any filter.
_COUNTS_BY_TARGETS = {
    "changes": "select [project_id || '/' || region], count(distinct task_id) from fct_pull_task_changes "
    "where snapshot_date = (select through_date from meta_build) group by all",
    "conflicts": "select target_keys, count(*) from rpt_stream_conflicts where timing <> 'over' group by all",
    "past_end": "select [project_id || '/' || region], count(*) from rpt_expiring_tasks "
    "where ends = 'past_end' group by all",
    "ends_soon": "select [project_id || '/' || region], count(*) from rpt_expiring_tasks "
    "where ends = 'within_24_hours' group by all",
    "no_backup": "select [project_id || '/' || region], count(*) from rpt_tasks_without_backup group by all",
}

# Some of these numbers a day and a week before the last day, per target, from the states of that day.
_BEFORE = """
select
    days.position as day,
    targets.position as target,
    count(*) filter (tasks.end_time <= dates.observed_at) as past_end,
    count(*) filter (
        tasks.end_time > dates.observed_at and tasks.end_time <= dates.observed_at + interval 24 hour
    ) as ends_soon,
    count(*) filter (
        len(list_filter(tasks.backup_source_fingerprints, lambda address: address is not null)) = 0
    ) as no_backup,
from dim_pull_task_versions as tasks
inner join shown_targets as targets on tasks.project_id = targets.project_id and tasks.region = targets.region
inner join dim_dates as dates
    on tasks.valid_from_date <= dates.snapshot_date
    and (tasks.valid_to_date is null or tasks.valid_to_date > dates.snapshot_date)
    and (select through_date from meta_build) - dates.snapshot_date in (1, 7)
inner join shown_days as days on dates.snapshot_date = days.snapshot_date
group by all
order by all
"""


def read_contents(
    connection: duckdb.DuckDBPyConnection, timezone: str, limits: Limits, display_timezone: str | None = None
) -> dict[str, Any]:
    """Return all data of the page, ready to be written as JSON.

    The main keys: `targets` and `days` are the lists whose positions other values use; `coverage` has one text per
    target, with one letter per day; `changed` and `counts` are rows `(target, …, days, task counts)`; `tallies` has
    `[(targets, count)]` per number; `lives` is described in `read_lives`; `tables` has one entry per table of `TABLES`.

    Args:
        connection: a published warehouse; nothing is written to it.
        timezone: IANA name of the zone in which snapshot dates are counted.
        display_timezone: IANA name of the zone in which times are shown; `timezone` if it is None.
        limits: the ages of the lake and of targets above which the page warns.
    """
    con = connection
    targets = _with_labels(_rows(con, _TARGETS))
    positions = {f"{row['project_id']}/{row['region']}": place for place, row in enumerate(targets)}
    # Temporary tables, so that all queries number targets and days in the same way.
    con.execute(
        "create or replace temp table shown_targets as "
        "select unnest($1::varchar[]) as project_id, unnest($2::varchar[]) as region, "
        "unnest(range(len($1::varchar[]))) as position",
        [[row["project_id"] for row in targets], [row["region"] for row in targets]],
    )
    con.execute(
        "create or replace temp table shown_days as "
        "select snapshot_date, row_number() over (order by snapshot_date) - 1 as position from dim_dates "
        "where snapshot_date > (select through_date from meta_build) - $days",
        {"days": DAYS},
    )
    begins_at, tonight_at, captured_at = _moments(con)
    return {
        "build": _rows(
            con,
            "select build_id, epoch(built_at)::bigint as built_at, first_date, through_date, software_version "
            "from meta_build",
        )[0],
        "zones": list(dict.fromkeys([display_timezone or timezone, timezone, "UTC"])),
        "max_age_seconds": round(limits.lake.total_seconds()),
        "max_target_age_seconds": round(limits.target.total_seconds()),
        "captured_at": captured_at,
        "newest_complete": _newest_complete(con),
        "targets": targets,
        "days": [str(day) for (day,) in con.execute("select snapshot_date from shown_days order by all").fetchall()],
        "coverage": [letters for _, letters in con.execute(_COVERAGE).fetchall()],
        "coverage_reasons": con.execute(_REASONS).fetchall(),
        "changed": con.execute(_CHANGED).fetchall(),
        "counts": con.execute(_COUNTS).fetchall(),
        "load": {
            "begins_at": begins_at,
            "hours": HOURS,
            "targets": con.execute(_LOAD, {"begins_at": begins_at, "hours": HOURS}).fetchall(),
        },
        "tonight": {"begins_at": tonight_at, "hours": TONIGHT_HOURS},
        "tallies": {name: _counts_by_targets(con, query, positions) for name, query in _COUNTS_BY_TARGETS.items()},
        "lives": read_lives(con),
        "before": con.execute(_BEFORE).fetchall(),
        "tables": {table.name: _table(con, table, positions) for table in TABLES},
    }


def _moments(con: duckdb.DuckDBPyConnection) -> tuple[int, int, int | None]:
    """Return the begin of the newest day, the hour of its newest capture, and the end of that; seconds since 1970."""
    # In a zone with half hours, the first full hour of the day: the hour before it belongs to the day before.
    ((begins_at,),) = con.execute(
        "select epoch(date_trunc('hour', starts_at + interval 59 minute + interval 59 second))::bigint "
        "from dim_dates order by snapshot_date desc limit 1"
    ).fetchall()
    ((tonight_at,),) = con.execute(
        "select epoch(date_trunc('hour', observed_at))::bigint from dim_dates order by snapshot_date desc limit 1"
    ).fetchall()
    ((captured_at,),) = con.execute("select epoch(max(finished_at))::bigint from rpt_snapshot_coverage").fetchall()
    return begins_at, tonight_at, captured_at


def _with_labels(targets: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the targets with a `label`, which has their id if others have the same name, and `who` has to act."""
    names = Counter(target["target_name"] for target in targets)

    def label(target: dict[str, Any]) -> str:
        name, target_id = target["target_name"], f"{target['project_id']}/{target['region']}"
        if not name:
            return target_id
        return name if names[name] == 1 else f"{name} ({target_id})"

    return [{**target, "label": label(target), "who": reason_of(target["verdict_reason"]).who} for target in targets]


def _newest_complete(connection: duckdb.DuckDBPyConnection) -> dict[str, Any] | None:
    found = read_newest_complete(connection)
    return {"day": found.day, "finished_at": round(found.finished_at.timestamp())} if found else None


def _counts_by_targets(
    connection: duckdb.DuckDBPyConnection, query: str, positions: Mapping[str, int]
) -> list[tuple[list[int], int]]:
    """Return `(targets, count)` per set of targets; targets are positions in the page's list."""
    rows = connection.execute(f"select * from ({query}) order by all").fetchall()
    return [([positions[key] for key in keys if key in positions], count) for keys, count in rows]


def _table(connection: duckdb.DuckDBPyConnection, table: Table, positions: Mapping[str, int]) -> dict[str, Any]:
    """Return the first rows of a table, one list per column, with the number of all rows as `total`."""
    joins, selected = "", []
    for name, kind in table.columns.items():
        if kind == "target":
            prefix = name.removesuffix("target")
            joins += (
                f" left join shown_targets as {name} on {name}.project_id = shown_rows.{prefix}project_id "
                f"and {name}.region = shown_rows.{prefix}region"
            )
            selected.append(f"{name}.position as {name}")
        elif kind == "time":
            selected.append(f"epoch(shown_rows.{name})::bigint as {name}")
        elif kind == "day":
            selected.append(f"shown_rows.{name}::varchar as {name}")
        else:
            selected.append(f"shown_rows.{name}")
    # Rows are numbered before the joins, which do not keep their order.
    lists = ", ".join(f"list({name} order by place) as {name}" for name in table.columns)
    found = _rows(
        connection,
        f"with all_rows as ({table.query}), "
        "in_order as (select *, row_number() over () as place, count(*) over () as total from all_rows), "
        f"shown_rows as (from in_order where place <= {ROWS}{_is_within(table)}), "
        f"named as (select place, total, {', '.join(selected)} from shown_rows{joins}) "
        f"select {lists}, coalesce(max(total), 0) as total from named",
    )[0]
    for name in [name for name, kind in table.columns.items() if kind == "targets"]:
        found[name] = [[positions[key] for key in keys if key in positions] for keys in found[name] or []]
    described = connection.execute(
        "select column_name, comment from duckdb_columns() "
        "where table_name = $1 and database_name = current_database()",
        [table.model],
    ).fetchall()
    descriptions = dict(described)
    return {
        "columns": [
            {"name": name, "kind": kind, "description": descriptions.get(name)} for name, kind in table.columns.items()
        ],
        "values": [found[name] or [] for name in table.columns],
        "model": table.model,
        "query": " ".join(table.query.split()),
        "covers": table.covers,
        "total": found["total"],
    }


def _is_within(table: Table) -> str:
    """Return the SQL condition that keeps a table's addresses within `TEXT` bytes; the first row is always kept."""
    texts = [f"coalesce(strlen({name}::varchar), 0)" for name, kind in table.columns.items() if kind == "address"]
    if not texts:
        return ""
    before = "over (order by place rows between unbounded preceding and 1 preceding)"
    return f" qualify coalesce(sum({' + '.join(texts)}) {before}, 0) <= {TEXT}"


def _rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    found = connection.execute(query)
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
