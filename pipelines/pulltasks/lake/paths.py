"""The path of each file of a lake: names only, the disk is not read.

Lives here: the paths below a lake's root, and reading dates and numbers out of file names.
Does not live here: which files exist (lake), writing them (files), their contents (raw, manifests, …).
"""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING

from pulltasks.names import REGION_PATTERN

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

EXPOSED = "exposed"  # in the file name of a build that shows secrets
# The open tables: one file per table, the file that names the newest version, and the same beside each version.
TABLE_FILE, LATEST, TABLES_OF_VERSION = "data.parquet", "latest.json", "tables.json"
KEPT_VERSIONS = 3
DATE, MONTH = "snapshot_date=", "snapshot_month="
# DuckDB reads these characters in a file name as a pattern; every other character may be part of a path.
PATTERN = re.compile(r"[][*?\\]")
PROJECT = re.compile(r"[0-9a-f]{32}")
RAW_FILE = re.compile(REGION_PATTERN + r"\.ndjson\.zst")
_SEQUENCE = re.compile(r"-([0-9]{6,})-[0-9]{8}T[0-9]{6}Z-")


class At:
    """A path below the root of the lake, as an attribute."""

    def __init__(self, *parts: str) -> None:
        self._parts = parts

    def __get__(self, paths: Paths, _: object = None) -> Path:
        return paths.root.joinpath(*self._parts)


class Paths:
    """All paths below one root."""

    raw = At("raw")
    tidy = At("tidy")
    manifests = At("tidy", "manifests")
    warehouse = At("warehouse")
    published = At("warehouse", "pulltasks.duckdb")
    dashboard = At("warehouse", "dashboard.html")
    bases_folder = At("bases")
    published_folder = At("published")
    open_tables = At("published", "tables")
    latest_tables = At("published", LATEST)
    redaction_key = At("redaction.key")
    redaction_key_checksum = At("redaction.key.sha256")
    run_log = At("runs.ndjson")
    manners = At("manners.json")
    alerts = At("alerts")
    alerts_sent = At("alerts", "sent.json")
    errors = At("errors")
    forgotten = At("forgotten")
    # A random id tells this lake from others, even after it was moved or restored.
    id = At("lake.id")
    backup = At("backup")
    backup_state = At("backup", "state.json")
    readers_state = At("backup", "readers.json")
    # This file exists while the lake is being restored; such a lake is refused.
    restoring = At("backup", "restoring")
    # One folder for all unfinished files, so that the leftovers of a killed run are in one place.
    unfinished_folder = At(".unfinished")

    def __init__(self, root: Path) -> None:
        self.root = root

    def targets_file(self, day: date) -> Path:
        """Return the path of the target list of `day`."""
        return self.raw / f"{DATE}{day}" / "targets.json"

    def raw_file(self, day: date, project_id: str, region: str) -> Path:
        """Return the path of the raw file of one target and day."""
        return self.raw / f"{DATE}{day}" / project_id / f"{region}.ndjson.zst"

    def target_of(self, raw_file: Path) -> tuple[str, str]:
        """Return the `(project_id, region)` that the path of a raw file names."""
        return (raw_file.parent.name, raw_file.name.removesuffix(".ndjson.zst"))

    def tidy_file(self, table: str, day: date) -> Path:
        """Return the path of one table of `day`."""
        return self.tidy / table / "daily" / f"{DATE}{day}" / "data.parquet"

    def manifest_file(self, day: date) -> Path:
        """Return the path of the manifest of `day`: the names and hashes of its tidy files."""
        return self.manifests / f"{DATE}{day}.json"

    def month_file(self, table: str, month: date) -> Path:
        """Return the path of one table of a closed month; `month` is its first day."""
        return self.tidy / table / "monthly" / f"{MONTH}{month:%Y-%m}" / "data.parquet"

    def month_manifest_file(self, month: date) -> Path:
        """Return the path of a month's manifest; while it exists, the month's files replace those of its days."""
        return self.manifests / f"{MONTH}{month:%Y-%m}.json"

    def build(self, build_id: str) -> Path:
        """Return the path of a build."""
        return self.warehouse.resolve() / f"pulltasks-{build_id}.duckdb"

    def base(self, through: date) -> Path:
        """Return the path of the base whose last day is `through`."""
        return self.bases_folder / f"through_date={through}.duckdb"

    def private_folders(self) -> list[Path]:
        """Return the folders that only the lake's owner may read, whether they exist or not."""
        own = (self.alerts, self.errors, self.forgotten, self.backup, self.unfinished_folder)
        return [self.raw, self.tidy, self.bases_folder, *own]


def sequence_of(build: Path) -> int:
    """Return the sequence number of a build; 0 for a file with another name."""
    match = _SEQUENCE.search(build.name)
    return int(match[1]) if match else 0


def month_of(day: date) -> date:
    """Return the first day of the month of `day`."""
    return day.replace(day=1)


def dates_in(names: Iterable[str], prefix: str = DATE) -> list[date]:
    """Return the dates in names, in order; names of another form are skipped."""
    found = []
    for name in names:
        text = name.removeprefix(prefix)
        try:
            day = date.fromisoformat(text)
        except ValueError:
            continue
        found += [day] if str(day) == text else []  # 20261119 is a date too, but not a name that pulltasks writes
    return sorted(found)
