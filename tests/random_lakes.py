"""Open tables of rows that no service would give: nulls everywhere, odd texts, times that collide; no test by itself.

Only what a table's key says holds. What two engines make of such rows is the same, or one of them reads the SQL otherwise.
"""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from pulltasks.lake.files import sha256_of
from pulltasks.lake.paths import LATEST, TABLE_FILE
from pulltasks.warehouse.build.open_tables import Latest, OpenTable, TableColumn, described
from pulltasks.warehouse.sql.meta import META_BUILD, META_RUNS
from pulltasks.warehouse.sql.models import load_models

if TYPE_CHECKING:
    from pathlib import Path

TYPES = {
    "VARCHAR": pa.string(),
    "BIGINT": pa.int64(),
    "BOOLEAN": pa.bool_(),
    "DATE": pa.date32(),
    "DOUBLE": pa.float64(),
    "TIMESTAMP": pa.timestamp("us"),
    "VARCHAR[]": pa.list_(pa.string()),
}
FIRST = date(2026, 10, 30)  # clocks of Europe and America go back in this time
TEXTS = (
    None,
    "",
    "a",
    "B",
    "ä",
    "é",
    "enable",
    "SUSPEND",
    "auto-Pause",
    "\u017fuspend",
    "停止",
    "😀",
    "it's",
    "back\\slash",
)
OF_COLUMN: dict[str, tuple[Any, ...]] = {
    "region": ("cn-north-4", "ap-southeast-3"),
    "task_id": tuple("123456"),
    "coverage": ("complete", "complete", "complete", "held", "incomplete", "failed", "missing"),
    "source_type": (None, "PullLivePushLive", "PullVodPushLive"),
    "start_time_raw": (None, None, None, "", "soon"),
    "end_time_raw": (None, None, None, "", "later"),
    "destination_fingerprint": (None, "d1", "d2", "d3"),
    "callback_url_fingerprint": (None, "c1", "c2"),
}
MODELS = load_models()


def random_lake(folder: Path, seed: int, number: int) -> Path:
    """One lake of a fleet, whose projects are its own."""
    dice = random.Random(f"{seed}|{number}")
    tables = {}
    for name, (description, words) in described(MODELS).items():
        types = _types(name, words)
        rows = _rows(dice, name, types, number)
        arrays = [pa.array([row[column] for row in rows], TYPES[kind]) for column, kind in types.items()]
        path = folder / "published" / "tables" / "current" / name / TABLE_FILE
        path.parent.mkdir(parents=True)
        pq.write_table(pa.table(arrays, names=list(types)), path)
        tables[name] = OpenTable(
            file=f"v/{name}/{TABLE_FILE}",
            rows=len(rows),
            bytes=path.stat().st_size,
            sha256=sha256_of(path),
            description=description,
            columns=[TableColumn(name=column, type=kind, description="") for column, kind in types.items()],
        )
    latest = Latest(
        version="v",
        built_at=datetime(2026, 11, 12, tzinfo=UTC),
        first_date=FIRST,
        through_date=FIRST,
        software_version="0",
        timezone="UTC",
        tables=tables,
    )
    (folder / "published" / LATEST).write_bytes(msgspec.json.encode(latest))
    return folder


def _types(name: str, words: dict[str, str]) -> dict[str, str]:
    if name in (META_BUILD, META_RUNS):
        return (
            dict.fromkeys(words, "VARCHAR") | {"snapshot_date": "DATE"}
            if name == META_RUNS
            else dict.fromkeys(words, "VARCHAR")
        )
    return {column.name: column.type for column in MODELS[name].columns}


def _rows(dice: random.Random, name: str, types: dict[str, str], number: int) -> list[dict[str, Any]]:
    if name == META_BUILD:
        return [{column: "Asia/Shanghai" if column == "display_timezone" else "x" for column in types}]
    if name == "dim_dates":
        days = [FIRST + timedelta(days=n) for n in range(number, dice.randrange(number + 3, 14))]
        return [
            {column: _value(dice, column, kind, number) for column, kind in types.items()}
            | {
                "snapshot_date": day,
                "starts_at": datetime(day.year, day.month, day.day) - timedelta(hours=8),
                "observed_at": datetime(day.year, day.month, day.day, 3, 30),
            }
            for day in days
        ]
    key = MODELS[name].key if name != META_RUNS else ("run_id",)
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for _ in range(
        dice.choice((0, 3, 40, 80)) if name not in ("dim_pull_tasks", "dim_targets", "fct_target_days") else 60
    ):
        row = {column: _value(dice, column, kind, number) for column, kind in types.items()}
        found[tuple(str(row[column]) for column in key)] = row
    return list(found.values())


def _value(dice: random.Random, column: str, kind: str, number: int) -> Any:
    if column == "project_id":
        return f"{number}{dice.choice('ab')}"
    if column in OF_COLUMN:
        return dice.choice(OF_COLUMN[column])
    if column in ("snapshot_date", "valid_from_date", "state_date"):
        return FIRST + timedelta(days=dice.randrange(13))
    if kind.endswith("[]"):
        pool = ("f1", "f2", "f3", "TaskStart", "TaskExit", None)
        return dice.choice((None, [], [dice.choice(pool) for _ in range(dice.randrange(4))]))
    moment = datetime.combine(FIRST, datetime.min.time()) + timedelta(
        minutes=dice.randrange(0, 14 * 24 * 60, 30), microseconds=dice.choice((0, 0, 0, 1, 999_999))
    )
    return {
        "VARCHAR": dice.choice(TEXTS),
        "BIGINT": dice.choice((None, 0, 1, 2, 7)),
        "BOOLEAN": dice.choice((True, True, False, None)),
        "DATE": dice.choice((None, moment.date())),
        "TIMESTAMP": dice.choice((None, moment, moment, datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59))),
        "DOUBLE": dice.choice((None, 0.5, -1.0)),
    }[kind]
