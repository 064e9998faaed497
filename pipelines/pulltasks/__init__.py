"""pulltasks: a daily, provably complete record of Huawei Cloud Live's pull tasks.

Lives here: the functions for analysts, `open_warehouse` and `open_fleet`, and for the lake's owner, `tidy_files`.
Does not live here: anything that needs Dagster (assets/).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pulltasks.warehouse.read.warehouse import Warehouse

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

__all__ = ["Warehouse", "open_fleet", "open_warehouse", "tidy_files"]


def tidy_files(table: str, first: date | str, last: date | str, lake: str | Path | None = None) -> list[str]:
    """Return the Parquet files of a tidy table from one snapshot date to another, both included, in order of date.

    A closed month is one file, which may have days outside the range: filter by `snapshot_date`. Never read the folders
    by a pattern: after a month was closed, both its file and those of its days may exist.

    Args:
        table: `pull_tasks`, `pull_task_source_urls`, `pull_task_callback_events`, `captures` or `data_quality`.
        first: a snapshot date, or its text such as `2026-11-16`.
        last: likewise.
        lake: the lake's folder; by default that of the configuration.

    Raises:
        ValueError: when the table does not exist.
        ConfigError: when the configuration cannot be used.
    """
    from datetime import date as day

    from pulltasks.lake.lake import Lake
    from pulltasks.tables import TABLES

    if table not in (names := [each.name for each in TABLES]):
        raise ValueError(f"{table!r} is not a tidy table; the tables are {', '.join(names)}")
    if lake is None:
        from pulltasks.config import load

        lake = load(need_targets=False).lake.root
    begin, end = (day.fromisoformat(str(each)) for each in (first, last))
    return [str(path) for path in Lake(Path(lake)).files(table, begin, end)]


def open_warehouse(path: str | Path | None = None) -> Warehouse:
    """Open the newest published warehouse.

    Args:
        path: the file (`…/warehouse/pulltasks.duckdb`); by default that of the configuration.

    Raises:
        NoWarehouse: when there is no such file, or nothing has been published.
        ConfigError: when the configuration cannot be used.
    """
    from pulltasks.errors import NoWarehouse
    from pulltasks.lake.lake import Lake
    from pulltasks.warehouse.read.published import open_file, open_published

    if path is not None:
        file = Path(path)
        if not (file.is_file() or file.is_symlink()):
            raise NoWarehouse(
                f"{file}: there is no such file; give the published file of a lake (…/warehouse/pulltasks.duckdb), or "
                "no path for that of pulltasks.toml"
            )
        return Warehouse(open_file(file))
    from pulltasks.config import load

    return Warehouse(open_published(Lake(load(need_targets=False).lake.root)))


def open_fleet(lakes: str | Path | Sequence[str | Path]) -> Warehouse:
    """Open the newest open tables of many lakes as one: the same tables, reports and macros, over all lakes.

    Args:
        lakes: folders, or URLs of readers' buckets (read with the `[publish]` of the configuration);
            each may have a name, `NAME=PATH_OR_URL`, which is its value of the column `lake`.

    Raises:
        FleetError: when a lake has no open tables, or two would have the same name.
        BackupError: when a bucket cannot be read.
    """
    from pulltasks.backup.rclone import Rclone, rclone_at
    from pulltasks.fleet.lakes import NEWEST, read_lakes
    from pulltasks.fleet.opened import Fleet

    def reach(url: str) -> Rclone:
        from pulltasks.config import load

        return rclone_at(url, load(need_targets=False))

    # Settings are loaded only for a bucket: folders need no configuration.
    given = [lakes] if isinstance(lakes, str | Path) else lakes
    return Fleet(read_lakes([str(lake) for lake in given], reach, NEWEST))
