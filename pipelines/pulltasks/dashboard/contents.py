"""The data of the page: rows of the warehouse's models, in a compact form.

Lives here: the order in which they are read, and what they have in common: lists of targets and days.
Does not live here: targets (targets), numbers (numbers), tasks (lives), other tables (tables), any look (page/).

Days, targets and hours are given by their position in lists, times as seconds since 1970 (UTC). Unknown values are
null or missing, never zero: the page shows the two differently.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pulltasks.dashboard.bounds import Bounds
from pulltasks.dashboard.lives import read_lives
from pulltasks.dashboard.numbers import read_numbers
from pulltasks.dashboard.tables import TABLES, read_table
from pulltasks.dashboard.targets import TARGETS, with_labels
from pulltasks.warehouse.read.status import read_newest_complete

if TYPE_CHECKING:
    import duckdb

    from pulltasks.settings import Limits


def read_overview(
    connection: duckdb.DuckDBPyConnection,
    timezone: str,
    limits: Limits,
    display_timezone: str | None = None,
    bounds: Bounds | None = None,
) -> dict[str, Any]:
    """Return what the verdict and the numbers of the page are made of, ready to be written as JSON.

    The main keys: `targets` and `days` are the lists whose positions other values use; the others are described in
    `read_numbers`.

    Args:
        connection: a published warehouse; nothing is written to it.
        timezone: IANA name of the zone in which snapshot dates are counted.
        display_timezone: IANA name of the zone in which times are shown; `timezone` if it is None.
        limits: the ages of the lake and of targets above which the page warns.
        bounds: how much is read at most.
    """
    con, bounds = connection, bounds or Bounds()
    targets = with_labels(_rows(con, TARGETS))
    _number(con, targets, bounds)
    ((captured_at,),) = con.execute("select epoch(max(finished_at))::bigint from rpt_snapshot_coverage").fetchall()
    newest = read_newest_complete(con)
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
        "newest_complete": {"day": newest.day, "finished_at": round(newest.finished_at.timestamp())}
        if newest
        else None,
        "targets": targets,
        "days": [str(day) for (day,) in con.execute("select snapshot_date from shown_days order by all").fetchall()],
        **read_numbers(con, _places(targets)),
    }


def read_contents(
    connection: duckdb.DuckDBPyConnection,
    timezone: str,
    limits: Limits,
    display_timezone: str | None = None,
    bounds: Bounds | None = None,
) -> dict[str, Any]:
    """Return all data of the page: those of `read_overview`, and the lists.

    `lives` is described in `read_lives`; `tables` has one entry per table of `TABLES`.
    """
    bounds = bounds or Bounds()
    overview = read_overview(connection, timezone, limits, display_timezone, bounds)
    places = _places(overview["targets"])
    return {
        **overview,
        "lives": read_lives(connection, bounds),
        "tables": {table.name: read_table(connection, table, places, bounds) for table in TABLES},
    }


def _number(con: duckdb.DuckDBPyConnection, targets: list[dict[str, Any]], bounds: Bounds) -> None:
    """Number targets and days in temporary tables, so that all queries give the same numbers."""
    con.execute(
        "create or replace temp table shown_targets as "
        "select unnest($1::varchar[]) as project_id, unnest($2::varchar[]) as region, "
        "unnest(range(len($1::varchar[]))) as position",
        [[row["project_id"] for row in targets], [row["region"] for row in targets]],
    )
    con.execute(
        "create or replace temp table shown_days as "
        "select snapshot_date, observed_at, row_number() over (order by snapshot_date) - 1 as position from dim_dates "
        "where snapshot_date > (select through_date from meta_build) - $days",
        {"days": bounds.days},
    )


def _places(targets: list[dict[str, Any]]) -> dict[str, int]:
    return {f"{row['project_id']}/{row['region']}": place for place, row in enumerate(targets)}


def _rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[dict[str, Any]]:
    found = connection.execute(query)
    names = [column[0] for column in found.description]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]
