"""Where each file of a lake lies: names alone, nothing is looked at.

Lives here: the paths below a lake's root, and what the names of files say.
Does not live here: which files are there (lake), how they are written (files), what is in them (raw, manifests, …).
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
# What DuckDB takes for a pattern in the name of a file; every other character may be part of a path.
PATTERN = re.compile(r"[][*?\\]")
PROJECT = re.compile(r"[0-9a-f]{32}")
RAW_FILE = re.compile(REGION_PATTERN + r"\.ndjson\.zst")
_SEQUENCE = re.compile(r"-([0-9]{6,})-[0-9]{8}T[0-9]{6}Z-")


class At:
    """A place below the root of the lake."""

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
    charts = At("dashboard")
    # Tells this lake from others, wherever it is moved or restored to.
    id = At("lake.id")
    backup = At("backup")
    backup_state = At("backup", "state.json")
    readers_state = At("backup", "readers.json")
    # There while the lake is being restored: until then it is not a lake.
    restoring = At("backup", "restoring")
    # One folder for everything unfinished: what a killed run leaves is found in one place.
    unfinished_folder = At(".unfinished")

    def __init__(self, root: Path) -> None:
        self.root = root

    def targets_file(self, day: date) -> Path:
        """What was to be listed on `day`."""
        return self.raw / f"{DATE}{day}" / "targets.json"

    def raw_file(self, day: date, project_id: str, region: str) -> Path:
        """The capture of one target on `day`."""
        return self.raw / f"{DATE}{day}" / project_id / f"{region}.ndjson.zst"

    def target_of(self, raw_file: Path) -> tuple[str, str]:
        """`(project_id, region)` of a capture's file."""
        return (raw_file.parent.name, raw_file.name.removesuffix(".ndjson.zst"))

    def tidy_file(self, table: str, day: date) -> Path:
        """One table of `day`."""
        return self.tidy / table / "daily" / f"{DATE}{day}" / "data.parquet"

    def manifest_file(self, day: date) -> Path:
        """The names and hashes of the tidy files of `day`."""
        return self.manifests / f"{DATE}{day}.json"

    def month_file(self, table: str, month: date) -> Path:
        """One table of a closed month, named by its first day."""
        return self.tidy / table / "monthly" / f"{MONTH}{month:%Y-%m}" / "data.parquet"

    def month_manifest_file(self, month: date) -> Path:
        """The names and hashes of a month's files; while it is there, they stand for the files of its days."""
        return self.manifests / f"{MONTH}{month:%Y-%m}.json"

    def build(self, build_id: str) -> Path:
        """The file of a build."""
        return self.warehouse.resolve() / f"pulltasks-{build_id}.duckdb"

    def base(self, through: date) -> Path:
        """An earlier build whose last day is `through`, kept to build upon."""
        return self.bases_folder / f"through_date={through}.duckdb"

    def chart_library(self, version: str) -> Path:
        """The script that draws the page's charts, as a version of it was put together; may be deleted."""
        return self.charts / f"charts-{version}.js"

    def private_folders(self) -> list[Path]:
        """Folders that are for the lake's owner alone, whether they are there or not."""
        own = (self.alerts, self.errors, self.forgotten, self.backup, self.charts, self.unfinished_folder)
        return [self.raw, self.tidy, self.bases_folder, *own]


def sequence_of(build: Path) -> int:
    """Return the sequence number of a build; 0 for a file with another name."""
    match = _SEQUENCE.search(build.name)
    return int(match[1]) if match else 0


def month_of(day: date) -> date:
    """The first day of the month."""
    return day.replace(day=1)


def dates_in(names: Iterable[str], prefix: str = DATE) -> list[date]:
    """The dates that names tell, in order; what somebody else put there is left alone."""
    found = []
    for name in names:
        text = name.removeprefix(prefix)
        try:
            day = date.fromisoformat(text)
        except ValueError:
            continue
        found += [day] if str(day) == text else []  # 20261119 is a date as well, and no name of ours
    return sorted(found)
