"""What the page of a lake holds, over three days; no test by itself."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import date, timedelta
from typing import TYPE_CHECKING

import pytest

from desk import Desk
from pulltasks.dashboard.contents import read_contents
from pulltasks.sandbox.accounts import AccessKey
from pulltasks.sandbox.server import Sandbox, serving
from pulltasks.settings import Limits
from pulltasks.warehouse.read.published import open_published

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    import duckdb

    from pulltasks.dashboard.bounds import Bounds
    from pulltasks.lake.lake import Lake

DAY = date(2026, 11, 22)
DAYS = [DAY - timedelta(days=n) for n in (2, 1, 0)]
LIMITS = Limits(lake=timedelta(hours=26), target=timedelta(hours=50))


def of(lake, bounds: Bounds | None = None) -> tuple[dict, duckdb.DuckDBPyConnection]:
    connection = open_published(lake)
    return read_contents(connection, "UTC", LIMITS, bounds=bounds), connection


@contextmanager
def lake_of(sandbox: Sandbox, folder: Path, days: Iterable[date]) -> Iterator[Lake]:
    """The lake of some days, made in a fixture that outlives the environment of one test."""
    with serving(sandbox) as url, pytest.MonkeyPatch.context() as patch:
        patch.setenv("HUAWEICLOUD_SDK_AK", AccessKey().ak)
        patch.setenv("HUAWEICLOUD_SDK_SK", AccessKey().sk)
        desk = Desk(sandbox, url, folder, sandbox.places)
        for day in days:
            desk.run(day)
        yield desk.lake
