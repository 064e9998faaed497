"""What the history must say, held against the tidy tables themselves; no test by itself."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import duckdb

from pulltasks import masking
from pulltasks.lake import redaction_key
from pulltasks.lake.tidy import tidy_rows
from pulltasks.sql_literals import escaped
from pulltasks.tables import PULL_TASK_CALLBACK_EVENTS, PULL_TASK_SOURCE_URLS, PULL_TASKS, TABLES
from pulltasks.warehouse.read.published import open_published
from pulltasks.warehouse.sql.models import load_models

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date
    from pathlib import Path

    from pulltasks.lake.lake import Lake

# macro, the tidy table that it must give back, the table that says how its columns are masked
MACROS = (
    ("pull_tasks_as_of", PULL_TASKS, "stg_pull_tasks"),
    ("pull_task_source_urls_as_of", PULL_TASK_SOURCE_URLS, "masked_urls"),
    ("pull_task_callback_events_as_of", PULL_TASK_CALLBACK_EVENTS, "masked_events"),
)
MASKED_LISTS = """
create view masked_urls as select * replace (mask_stream_url(url) as url) from tidy.pull_task_source_urls;
create view masked_events as select * replace (mask_name(event) as event) from tidy.pull_task_callback_events;
"""


@contextmanager
def masked_day(lake: Lake, day: date) -> Iterator[duckdb.DuckDBPyConnection]:
    """The tidy tables of a day, masked as the staging models mask them, and the warehouse beside them as `w`."""
    with duckdb.connect() as connection:
        masking.install(connection)
        masking.set_key(connection, redaction_key.read_or_make_key(lake, may_make=False))
        connection.execute(f"attach '{escaped(lake.published.resolve())}' as w (read_only)")
        connection.execute("attach ':memory:' as tidy")
        for table in TABLES:
            # only what snapshot_date says: a month's file holds other days as well
            rows = tidy_rows(table, lake.files(table.name, day, day))
            connection.execute(
                f"create view tidy.main.{table.name} as select * from ({rows}) where snapshot_date = date '{day}'"
            )
        connection.execute(
            "create table stg_listed_tasks as select project_id, region, task_id, "
            "mask_name(status) as status, mask_name(source_type) as source_type, "
            "fingerprint(content_hash) as content_hash, false as is_standing from tidy.pull_tasks"
        )
        connection.execute(f"create table stg_pull_tasks as {load_models()['stg_pull_tasks'].sql}; {MASKED_LISTS}")
        yield connection


def differences(lake: Lake, day: date) -> dict[str, tuple[int, int]]:
    """Per macro how many rows of the tidy day it lacks, and how many it invents, for targets complete on that day."""
    found = {}
    with masked_day(lake, day) as connection:
        complete = connection.sql(
            f"select project_id, region from w.rpt_snapshot_coverage where snapshot_date = date '{day}' "
            "and coverage = 'complete'"
        ).fetchall()
        connection.execute("create table complete (project_id varchar, region varchar)")
        if complete:
            connection.executemany("insert into complete values (?, ?)", complete)
        for macro, table, staging in MACROS:
            masked = set(connection.sql(f"from {staging}").columns)
            names = [name for name in table.schema.names if name != "capture_id"]
            keys = ", ".join(table.key[1:])
            expected = (
                f"select {', '.join(('m.' if n in masked else 't.') + n for n in names)} from tidy.{table.name} as t "
                f"join {staging} as m using ({keys}) semi join complete as c "
                "on t.project_id = c.project_id and t.region = c.region"
            )
            connection.execute("use w")
            given = f"from {macro}(date '{day}') where state_date = date '{day}'"
            connection.execute(f"create or replace temp table given as select {', '.join(names)} {given}")
            connection.execute("use memory")
            connection.execute(f"create or replace temp table expected as {expected}")
            lacking = connection.sql("select count(*) from (from expected except all from given)").fetchall()
            invented = connection.sql("select count(*) from (from given except all from expected)").fetchall()
            found[macro] = (lacking[0][0], invented[0][0])
    return found


def contents(path: Path) -> dict[str, list[tuple]]:
    """Everything that stands in a warehouse but when it was made."""
    with duckdb.connect(str(path), read_only=True) as connection:
        names = [name for (name,) in connection.sql("select table_name from duckdb_tables()").fetchall()]
        return {
            name: sorted(connection.sql(f"from {name}").fetchall(), key=str)
            for name in names
            if name not in {"meta_build", "meta_runs"}
        }


def coverage(lake: Lake, day: date) -> dict[tuple[str, str], str]:
    """Return the published coverage of a day, by `(project_id, region)`."""
    with open_published(lake) as connection:
        rows = connection.execute(
            "select project_id, region, coverage from rpt_snapshot_coverage where snapshot_date = $1", [day]
        ).fetchall()
    return {(project, region): state for project, region, state in rows}
