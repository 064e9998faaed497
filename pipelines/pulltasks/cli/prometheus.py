"""The state of a lake in the text format that Prometheus reads (version 0.0.4).

Lives here: names, help and values of the metrics.
Does not live here: the state itself (warehouse.read.status), ages and limits (alerts), the verb (main).
"""

from __future__ import annotations

import os
from collections import defaultdict
from typing import TYPE_CHECKING

from pulltasks.lake.run_log import read_runs
from pulltasks.warehouse.read.status import age_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    import duckdb

    from pulltasks.lake.lake import Lake
    from pulltasks.warehouse.read.status import Freshness, Status

_COLUMNS = ("task_count", "requests", "retries", "duration_seconds", "answer_bytes")
_OF_TARGETS = {
    "complete": "1 if the target is complete on the newest day, else 0.",
    "age_seconds": "Seconds since the target's last complete capture ended.",
    "tasks": "Tasks that the target listed on the newest published day.",
    "requests": "Requests that its capture of that day sent.",
    "retries": "Of these, the ones sent again after a fault.",
    "duration_seconds": "Seconds from the begin of that capture to its end.",
    "answer_bytes": "Bytes of the answers of that capture.",
}
_OF_REGIONS = {"targets": "Targets of a region by coverage on the newest day."} | {
    name: f"Sum over them. Of each: {_OF_TARGETS[name]}" for name in ("tasks", *_COLUMNS[1:])
}
_OF_THE_LAKE = {
    "lake_age_seconds": "Seconds since the newest published capture ended.",
    "lake_bytes": "Bytes of all files of the lake.",
    "targets_complete": "Targets that are complete on the newest day.",
    "targets_expected": "Targets that were to be captured on it.",
    "last_run_timestamp_seconds": "When the last run ended, in seconds since 1970.",
    "last_run_success": "1 if the last run left every target complete, else 0.",
}


def metrics(
    connection: duckdb.DuckDBPyConnection,
    found: Status,
    freshness: Freshness,
    now: datetime,
    lake: Lake,
    lake_name: str | None,
    *,
    per_target: bool,
) -> str:
    """Return all metrics as text; a metric without a value is left out.

    Args:
        connection: to the published file.
        found: the state of the targets.
        freshness: the age of the lake.
        now: the time (UTC) at which ages are measured.
        lake: its size and its log of runs are read.
        lake_name: the label `lake` of every sample, which tells several lakes on one machine apart; else its path.
        per_target: whether complete targets have series of their own too; they are in the sums of their region.
    """
    label = lake_name or str(lake.root)
    last_run, lake_bytes = next(reversed(read_runs(lake)), None), size_of(lake.root)
    of_days = _counts_of_targets(connection)
    of_targets: dict[str, list[tuple[str, float | None]]] = {name: [] for name in _OF_TARGETS}
    of_regions: dict[str, defaultdict[str, float]] = {name: defaultdict(int) for name in _OF_REGIONS}
    for target in found.targets:
        labels = _labels(lake=label, region=target.region, coverage=target.coverage)
        # not strict: a target without a row on that day only counts
        for sums, value in zip(of_regions.values(), (1, *of_days.get(target.key, ())), strict=False):
            if value is not None:
                sums[labels] += value
        if target.is_complete and not per_target:
            continue
        age = age_of(target, now)
        values = (int(target.is_complete), age.total_seconds() if age else None, *of_days.get(target.key, ()))
        labels = _labels(lake=label, project_id=target.project_id, region=target.region, name=target.name or "")
        # not strict: a target without a row on that day has the first two values only
        for name, value in zip(of_targets, values, strict=False):
            of_targets[name].append((labels, value))
    age = freshness.lake_age
    of_lake: dict[str, float | None] = {
        "lake_age_seconds": age.total_seconds() if age else None,
        "lake_bytes": lake_bytes,
        "targets_complete": found.complete,
        "targets_expected": len(found.targets),
        "last_run_timestamp_seconds": last_run.ended_at.timestamp() if last_run else None,
        "last_run_success": int(last_run.outcome == "complete") if last_run else None,
    }
    lines = [
        line for name, samples in of_targets.items() for line in _metric(f"target_{name}", _OF_TARGETS[name], samples)
    ]
    for name, sums in of_regions.items():
        lines += _metric(f"region_{name}", _OF_REGIONS[name], sorted(sums.items()))
    for name, number in of_lake.items():
        lines += _metric(name, _OF_THE_LAKE[name], [(_labels(lake=label), number)])
    return "".join(f"{line}\n" for line in lines)


def _counts_of_targets(connection: duckdb.DuckDBPyConnection) -> dict[tuple[str, ...], tuple[float | None, ...]]:
    """Return the counts of each target on the newest published day; the state shown may be of a later day."""
    rows = connection.execute(
        f"select project_id, region, {', '.join(_COLUMNS)} from fct_target_days "  # noqa: S608 - names of ours
        "where snapshot_date = (select through_date from meta_build)"
    ).fetchall()
    return {tuple(row[:2]): row[2:] for row in rows}


def _metric(name: str, explanation: str, samples: Iterable[tuple[str, float | None]]) -> Iterator[str]:
    yield f"# HELP pulltasks_{name} {explanation}"
    yield f"# TYPE pulltasks_{name} gauge"
    yield from (f"pulltasks_{name}{labels} {value}" for labels, value in samples if value is not None)


def _labels(**values: str) -> str:
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in values.items()) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def size_of(root: Path) -> int:
    """Return the bytes of all files below a folder; a file that is removed meanwhile counts as 0."""
    size = 0
    for folder, _, names in os.walk(root):
        for name in names:
            try:
                size += os.lstat(os.path.join(folder, name)).st_size  # noqa: PTH118 - twice as fast over many files
            except OSError:
                continue
    return size
