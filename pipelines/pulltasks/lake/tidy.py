"""Read the tidy tables.

Lives here: a select over the files of a table, a connection to all tables, how the listings of days ended.
Does not live here: writing them (normalise, parquet, compaction).
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, NamedTuple

import duckdb

from pulltasks.errors import LakeError, NoWarehouse
from pulltasks.sql_literals import escaped

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from pulltasks.lake.lake import Lake
    from pulltasks.tables import Table


def open_tidy(lake: Lake) -> duckdb.DuckDBPyConnection:
    """Return a connection with views of the tidy tables of all dates, secrets included, for the lake's owner.

    Raises:
        NoWarehouse: when there are no tidy tables.
        LakeError: when they cannot be read.
    """
    from pulltasks.tables import TABLES  # imports Arrow, which a query of the published file does not need

    # what DuckDB spills to disk is as secret as the tables, so it goes into their private folder
    connection = duckdb.connect(":memory:", config={"temp_directory": str(lake.tidy / ".spill")})
    for table in TABLES:
        files = lake.files(table.name, date.min, date.max)
        if not files:
            raise NoWarehouse(f"{lake.root}: there are no tidy tables yet; run `pulltasks snapshot` first")
        _execute(connection, f"create view {table.name} as {tidy_rows(table, files)}")
    return connection


def read_service_messages(lake: Lake, day: date) -> dict[tuple[str, str], str]:
    """Return the service's messages when it refused targets on a day, unmasked, by `(project_id, region)`.

    Raises:
        LakeError: when the tidy tables cannot be read.
    """
    rows = open_tidy(lake).execute(
        "select project_id, region, service_message from captures where snapshot_date = $1 and service_message <> ''",
        [day],
    )
    return {(project_id, region): message for project_id, region, message in rows.fetchall()}


class DayVerdict(NamedTuple):
    """How the listing of an expected target ended on a day: a verdict, or missing; without texts of the service."""

    target: str
    verdict: str
    reason: str | None
    task_count: int
    requests: int
    finished_at: datetime | None


def read_verdicts(lake: Lake, days: Collection[date]) -> dict[date, list[DayVerdict]]:
    """Return how the listings of some days ended, by day, from the tidy tables; a day without them is not in it.

    Raises:
        LakeError: when the tables cannot be read.
    """
    from pulltasks.tables import CAPTURES

    files = list(dict.fromkeys(path for day in days for path in lake.files(CAPTURES.name, day, day)))
    found: dict[date, list[DayVerdict]] = {}
    if not files:
        return found
    with duckdb.connect() as connection:
        rows = _execute(
            connection,
            f"""
            select
                snapshot_date, project_id, region, name, coalesce(verdict, 'missing'), verdict_reason,
                coalesce(task_count, 0), coalesce(requests, 0), finished_at
            from ({tidy_rows(CAPTURES, files)})
            where snapshot_date in (select unnest($1::date[])) and is_listed is distinct from false
            order by snapshot_date, verdict = 'complete', project_id, region
            """,
            [list(days)],
        ).fetchall()
    for day, project_id, region, name, verdict, reason, tasks, requests, finished_at in rows:
        ended = finished_at.replace(tzinfo=UTC) if finished_at else None
        target = name or f"{project_id}/{region}"
        found.setdefault(day, []).append(DayVerdict(target, verdict, reason, tasks, requests, ended))
    return found


def tidy_rows(table: Table, files: Sequence[Path]) -> str:
    """Return a select over files of one tidy table; a column that an older file lacks is null there."""
    # the empty select gives every column its name and type, even if no file has it
    columns = ", ".join(f'cast(null as {c.sql_type}) as "{c.name}"' for c in table.columns)
    names = ", ".join(f"'{escaped(path)}'" for path in files)
    return (  # no injection: column names are constants of the code, paths are escaped
        f"select {columns} where false union all by name "
        f"from read_parquet([{names}], hive_partitioning = false, union_by_name = true)"
    )


def _execute(
    connection: duckdb.DuckDBPyConnection, statement: str, values: Sequence[object] = ()
) -> duckdb.DuckDBPyConnection:
    try:
        return connection.execute(statement, values)
    except duckdb.Error as error:
        raise LakeError(f"the tidy tables cannot be read ({error}); `pulltasks rebuild` writes them again") from None
