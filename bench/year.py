"""Measure a year of history: a day's build early and late, bytes per version, and the time of each report.

It writes a simulated year (30 targets of 300 tasks, about 1 in 100 changing per day, with gaps and failures) into a
temporary folder, normalises and builds it, and prints a table; raw figures go to bench/results/year.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb

from pulltasks.config import from_environment
from pulltasks.lake.compaction import clear_compacted_days, compact_month, months_to_compact
from pulltasks.lake.lake import Lake
from pulltasks.lake.normalise import normalise_day
from pulltasks.sandbox.archive import write_archive
from pulltasks.sandbox.data import Place
from pulltasks.warehouse.build.plan import plan_build
from pulltasks.warehouse.build.publish import build_and_publish
from pulltasks.warehouse.build.working_copy import working_copy
from pulltasks.warehouse.sql.models import load_models

FIRST = date(2026, 1, 20)
RESULTS = Path(__file__).parent / "results" / "year.json"
QUERY = """
import resource, sys, time
import duckdb
begin = time.perf_counter(), time.process_time()
connection = duckdb.connect(sys.argv[1], read_only=True)
rows = connection.sql(sys.argv[2]).fetchall()
print(time.perf_counter() - begin[0], time.process_time() - begin[1], len(rows))
"""


def make_lake(folder: Path, places: list[Place], days: int) -> Lake:
    """Create a lake: publish all days but the last in one build, then the last one."""
    lake = Lake(folder / "lake")
    lake.prepare()
    with lake.lock():
        with_run = write_archive(lake, places, [FIRST + timedelta(days=n) for n in range(days)])
        for day in with_run[:-1]:
            normalise_day(lake, day)
        build_and_publish(lake, load_models(), from_environment().warehouse, datetime.now(UTC))
        normalise_day(lake, with_run[-1])
        build_and_publish(lake, load_models(), from_environment().warehouse, datetime.now(UTC))
    return lake


def daily_cost(lake: Lake) -> float:
    """Return the CPU seconds of adding the last day to the days before it and publishing, once."""
    # Without the newest build the one before it is the base, to which the last day is added again.
    lake.published.resolve().unlink()
    began = time.process_time()
    with lake.lock():
        models, settings = load_models(), from_environment().warehouse
        plan = plan_build(lake, models, settings)
        assert len(plan.days) == 1, plan.days
        with working_copy(lake, models, settings, plan) as work:
            work.publish(datetime.now(UTC))
    return time.process_time() - began


def sizes(lake: Lake) -> dict[str, float]:
    """Compact the closed months, and return the bytes per task and day of the tidy tables and of the raw archive."""
    with lake.lock():
        for month in months_to_compact(lake, from_environment().lake, date.max):
            compact_month(lake, month)
        clear_compacted_days(lake)
    files = lake.files("pull_tasks", date.min, date.max)
    with duckdb.connect() as connection:
        ((task_days,),) = connection.execute(
            "select count(*) from read_parquet($1)", [list(map(str, files))]
        ).fetchall()
    tidy = sum(path.stat().st_size for path in lake.tidy.rglob("*.parquet"))
    raw = sum(path.stat().st_size for path in lake.raw.rglob("*") if path.is_file())
    return {
        "task_days": task_days,
        "tidy_bytes_per_task_day": tidy / task_days,
        "raw_bytes_per_task_day": raw / task_days,
    }


def query_times(path: Path, query: str, repeats: int) -> tuple[float, float, int]:
    """Return the median wall and CPU seconds of a query in a new process, connecting included, and its row count."""
    runs = []
    for _ in range(repeats):
        done = subprocess.run(
            [sys.executable, "-c", QUERY, str(path), query], capture_output=True, text=True, check=True
        )
        wall, cpu, rows = done.stdout.split()
        runs.append((float(wall), float(cpu), int(rows)))
    return statistics.median(r[0] for r in runs), statistics.median(r[1] for r in runs), runs[0][2]


def main() -> None:
    """Create the year, and measure it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--targets", type=int, default=30)
    parser.add_argument("--tasks", type=int, default=300)
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the raw figures go")
    parser.add_argument("--keep", type=Path, help="leave the lake in this folder")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        places = [
            Place(f"{n:032x}", "cn-north-4", options.tasks, f"target-{n}", pace=30) for n in range(options.targets)
        ]
        # both lakes have the same targets, so that only the length of the history differs
        young = make_lake(Path(temporary) / "young", places, min(20, options.days))
        lake = make_lake(options.keep or Path(temporary) / "old", places, options.days)
        # measured in turn, so that noise on the machine affects both
        pairs = [(daily_cost(young), daily_cost(lake)) for _ in range(options.repeats)]
        early, late = (statistics.median(costs) for costs in zip(*pairs, strict=True))
        path, days = lake.published.resolve(), lake.tidy_dates()
        figures = {"days": len(days), "build_cpu_s_day_20": early, "build_cpu_s_last": late, "ratio": late / early}
        with duckdb.connect(str(path), read_only=True) as connection:
            ((versions,),) = connection.sql("select count(*) from dim_pull_task_versions").fetchall()
        figures |= {"versions": versions, "file_bytes": path.stat().st_size}
        figures |= {"bytes_per_version": path.stat().st_size / versions}
        figures |= sizes(lake)
        print(json.dumps(figures, indent=1))
        middle = days[len(days) // 2]
        queries = {model.name: f"from {model.name}" for model in load_models().in_order if model.layer == "reports"}
        queries |= {
            "pull_tasks_as_of": f"from pull_tasks_as_of('{middle}')",
            "fct_pull_task_days, one month": "select snapshot_date, status, count(*) from fct_pull_task_days "
            f"where snapshot_date between date '{middle}' - 30 and date '{middle}' group by all",
            "fct_daily_task_counts, by day": "select snapshot_date, sum(task_count) from fct_daily_task_counts "
            "group by all",
            "one task's versions": "select * from dim_pull_task_versions where task_id = "
            "(select min(task_id) from dim_pull_task_versions)",
        }
        figures["queries"] = {}
        print(f"{'query':<34}{'wall ms':>9}{'CPU ms':>9}{'rows':>9}")
        for name, query in queries.items():
            wall, cpu, rows = query_times(path, query, options.repeats)
            figures["queries"][name] = {"wall_s": wall, "cpu_s": cpu, "rows": rows}
            print(f"{name:<34}{wall * 1000:>9.0f}{cpu * 1000:>9.0f}{rows:>9}")
        options.results.parent.mkdir(exist_ok=True)
        options.results.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
