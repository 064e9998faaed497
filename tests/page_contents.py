"""What the page of a lake holds, over three days; no test by itself."""

from __future__ import annotations

from datetime import date, timedelta
from typing import TYPE_CHECKING

from pulltasks.dashboard.contents import read_contents
from pulltasks.settings import Limits
from pulltasks.warehouse.read.published import open_published

if TYPE_CHECKING:
    import duckdb

    from pulltasks.dashboard.bounds import Bounds

DAY = date(2026, 11, 22)
DAYS = [DAY - timedelta(days=n) for n in (2, 1, 0)]
LIMITS = Limits(lake=timedelta(hours=26), target=timedelta(hours=50))


def of(lake, bounds: Bounds | None = None) -> tuple[dict, duckdb.DuckDBPyConnection]:
    connection = open_published(lake)
    return read_contents(connection, "UTC", LIMITS, bounds=bounds), connection
