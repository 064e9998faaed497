"""Lakes of a fleet, made without a request: some targets each, one redaction key, open tables; no test by itself."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from pulltasks.config import from_environment
from pulltasks.lake.files import sha256_of
from pulltasks.lake.lake import Lake
from pulltasks.lake.manifests import stale_dates
from pulltasks.lake.normalise import normalise_day
from pulltasks.lake.paths import TABLE_FILE
from pulltasks.lake.redaction_key import KEY_BYTES
from pulltasks.lake.run_log import RunLine, add_run
from pulltasks.sandbox.archive import write_archive
from pulltasks.sandbox.data import Place
from pulltasks.warehouse.build.open_tables import Latest, TableColumn, write_tables
from pulltasks.warehouse.build.publish import build_and_publish
from pulltasks.warehouse.sql.models import load_models

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

KEY = "5f" * KEY_BYTES
NORTH = (Place("a" * 32, "cn-north-4", 60, "beijing"), Place("b" * 32, "cn-north-1", 25, "old-beijing"))
SOUTH = (Place("c" * 32, "ap-southeast-3", 80, "singapore"),)
EAST = (Place("d" * 32, "cn-east-3", 40, "shanghai"), Place("e" * 32, "cn-east-3", 12, "event"))
ALL = (*NORTH, *SOUTH, *EAST)
LAKES = {"north": NORTH, "south": SOUTH, "east": EAST}


def days_from(first: date, count: int) -> list[date]:
    return [first + timedelta(days=n) for n in range(count)]


def archived(folder: Path, places: Sequence[Place], days: Iterable[date], zone: str = "Asia/Shanghai") -> Lake:
    """A lake that holds the days, published with its open tables."""
    lake = Lake(folder)
    lake.prepare()
    if not lake.redaction_key.is_file():
        lake.redaction_key.write_text(KEY)
    with lake.lock():
        for day in write_archive(lake, places, days):
            add_run(lake, _run_of(day, len(places)))
        published(lake, zone)
    return lake


def _run_of(day: date, targets: int) -> RunLine:
    began = datetime.combine(day, time(1), UTC)
    return RunLine(
        run_id=f"run-{day}",
        verb="snapshot",
        outcome="complete",
        snapshot_date=day,
        began_at=began,
        ended_at=began + timedelta(minutes=2),
        targets_complete=targets,
        targets_expected=targets,
        targets_asked=targets,
        requests=targets,
        software_version="sandbox",
    )


def published(lake: Lake, zone: str = "Asia/Shanghai") -> None:
    """Build what is there, and write the open tables; the caller holds the lock."""
    for day in stale_dates(lake):
        normalise_day(lake, day)
    settings = from_environment().warehouse.model_copy(update={"display_timezone": zone})
    build_and_publish(lake, load_models(), settings, datetime.now(UTC))
    write_tables(lake, load_models(), "UTC")


def three_lakes(folder: Path, first: date, count: int) -> dict[str, Lake]:
    """Gaps in each; the south's last listing lost most of its tasks, and is held; the east is a day late, and its open
    tables are those of another version: a column less, one more, one of another type, and a table less."""
    days = days_from(first, count)
    lakes = {name: archived(folder / name / "lake", places, days) for name, places in LAKES.items() if name != "east"}
    fewer = [replace(place, task_count=place.task_count // 8) for place in SOUTH]
    archived(lakes["south"].root, fewer, [days[-1] + timedelta(days=1)])
    archived(lakes["north"].root, NORTH, [days[-1] + timedelta(days=1)])
    lakes["east"] = archived(folder / "east" / "lake", EAST, days)
    make_older(lakes["east"])
    return lakes


def make_older(lake: Lake) -> None:
    """Let the newest open tables of a lake look like those of another version of pulltasks."""
    latest = msgspec.json.decode(lake.latest_tables.read_bytes(), type=Latest)
    tables = dict(latest.tables)
    shutil.rmtree(lake.open_tables / "current" / "rpt_status_vocabulary")
    del tables["rpt_status_vocabulary"]
    path = lake.open_tables / "current" / "dim_pull_tasks" / TABLE_FILE
    rows = pq.read_table(path).drop_columns(["vod_refresh_type"])
    place = rows.schema.get_field_index("vod_start_video_time")
    rows = rows.set_column(place, "vod_start_video_time", rows.column(place).cast(pa.string()))
    rows = rows.append_column("of_tomorrow", pa.array(["new"] * rows.num_rows))
    for each in (path, lake.open_tables / latest.version / "dim_pull_tasks" / TABLE_FILE):
        each.unlink()
        pq.write_table(rows, each)
    table = tables["dim_pull_tasks"]
    kept = [column for column in table.columns if column.name != "vod_refresh_type"]
    kept = [
        TableColumn(name=c.name, type="VARCHAR", description=c.description) if c.name == "vod_start_video_time" else c
        for c in kept
    ]
    tables["dim_pull_tasks"] = msgspec.structs.replace(
        table,
        columns=[*kept, TableColumn(name="of_tomorrow", type="VARCHAR", description="What a later version adds.")],
        sha256=sha256_of(path),
        bytes=path.stat().st_size,
    )
    lake.latest_tables.write_bytes(msgspec.json.encode(msgspec.structs.replace(latest, tables=tables)))
