"""Measure many lakes as one: publishing their open tables, and each report over all of them, in DuckDB and in Spark.

It creates lakes with simulated days in a temporary folder (by default 20 lakes of 5 targets with 1,000 tasks each),
reads them as a fleet, and prints a table; raw figures go to bench/results/fleet-LAKES.json. With `--copies 10` each
lake is there ten times, as hard links. Spark runs if `make test-engines` has installed it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from pulltasks import open_fleet
from pulltasks.config import from_environment
from pulltasks.fleet.lakes import read_lakes
from pulltasks.fleet.statements import statements
from pulltasks.lake.lake import Lake
from pulltasks.lake.normalise import normalise_day
from pulltasks.lake.redaction_key import KEY_BYTES
from pulltasks.sandbox.archive import write_archive
from pulltasks.sandbox.data import Place
from pulltasks.warehouse.build.open_tables import write_tables
from pulltasks.warehouse.build.publish import build_and_publish
from pulltasks.warehouse.sql.models import load_models

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
IN_SPARK = ROOT / "tests" / "engines" / "in_spark.py"
FIRST = date(2026, 10, 1)
REPORTS = (
    "rpt_stream_conflicts",
    "rpt_source_reuse",
    "rpt_callback_receivers",
    "rpt_schedule_load",
    "rpt_expiring_tasks",
    "rpt_target_reliability",
    "rpt_tasks_without_backup",
    "rpt_effective_callbacks",
    "fct_status_spells",
)
COUNTED = {
    "fct_pull_task_days": "select snapshot_date, status, count(*) as tasks from fct_pull_task_days "
    "group by snapshot_date, status"
}


def make_lake(folder: Path, number: int, targets: int, tasks: int, days: int) -> dict[str, float]:
    """Create one lake, and return the CPU seconds, bytes and rows of its last open tables."""
    lake = Lake(folder / f"account_{number:02}" / "lake")
    lake.prepare()
    # one key for all lakes, so that fingerprints can be compared across them, as the reports do
    lake.redaction_key.write_text("7e" * KEY_BYTES)
    places = [Place(f"{number:016x}{n:016x}", "cn-north-4", tasks, f"target-{n}", pace=30) for n in range(targets)]
    with lake.lock():
        for day in write_archive(lake, places, [FIRST + timedelta(days=n) for n in range(days)]):
            normalise_day(lake, day)
        build_and_publish(lake, load_models(), from_environment().warehouse, datetime.now(UTC))
        began = time.process_time()
        latest = write_tables(lake, load_models(), "UTC")
    return {
        "cpu_s": time.process_time() - began,
        "bytes": sum(table.bytes for table in latest.tables.values()),
        "rows": sum(table.rows for table in latest.tables.values()),
    }


def of_verb(lakes: list[Path], *verb: str) -> dict[str, float]:
    """Return the wall and CPU seconds of a verb of pulltasks as a process, and the number of lines that it prints."""
    command = [Path(sys.executable).with_name("pulltasks"), *verb]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    options = [word for lake in lakes for word in ("--lake", str(lake))]
    done = subprocess.run([*command, *options], check=False, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode not in (0, 3):
        sys.exit(done.stderr)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"wall_s": time.monotonic() - began, "cpu_s": cpu, "lines": done.stdout.count("\n")}


def in_duckdb(lakes: list[Path], answers: Path) -> dict[str, float]:
    """Return the wall and CPU seconds of opening the fleet, and the wall seconds of each report written as Parquet."""
    began, used = time.monotonic(), time.process_time()
    with open_fleet(lakes) as fleet:
        seconds = {"open": time.monotonic() - began, "open, CPU": time.process_time() - used}
        for name, sql in ({name: f"from {name}" for name in REPORTS} | COUNTED).items():
            began = time.monotonic()
            fleet.connection.execute(f"copy ({sql}) to '{answers / name}.parquet' (format parquet)")
            seconds[name] = time.monotonic() - began
    return seconds


def in_spark(lakes: list[Path], folder: Path, python: Path, cores: int) -> dict[str, float]:
    """Return the wall seconds of starting a Spark session, and of each report in it written as Parquet."""
    fleet = read_lakes([str(lake) for lake in lakes], lambda _: sys.exit("no bucket here"))
    plan = {
        "master": f"local[{cores}]",
        "time_zone": "UTC",
        "memory": "4g",
        "fleets": [
            {
                "name": "fleet",
                "statements": [each.sql for each in statements("spark", fleet)],
                "questions": {name: f"select * from {name}" for name in REPORTS} | COUNTED,
            }
        ],
    }
    folder.mkdir()
    (folder / "plan.json").write_text(json.dumps(plan))
    began = time.monotonic()
    subprocess.run([python, IN_SPARK, folder / "plan.json", folder], check=True, stderr=subprocess.DEVNULL, cwd=folder)
    report = json.loads((folder / "said.json").read_text())
    if report["errors"]:
        sys.exit(f"Spark could not answer: {report['errors']}")
    return {"session": time.monotonic() - began} | {
        name.partition(": ")[2]: seconds for name, seconds in report["seconds"].items()
    }


def main() -> None:
    """Create the lakes, measure the queries, print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lakes", type=int, default=20)
    parser.add_argument("--copies", type=int, default=1)
    parser.add_argument("--targets", type=int, default=5)
    parser.add_argument("--tasks", type=int, default=1_000)
    parser.add_argument("--days", type=int, default=3)
    parser.add_argument("--cores", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pulltasks-fleet-") as name:
        folder = Path(name)
        made = []
        for number in range(options.lakes):
            made.append(make_lake(folder, number, options.targets, options.tasks, options.days))
            print(
                f"lake {number + 1} of {options.lakes}: {made[-1]['cpu_s']:.2f} CPU s for its open tables", flush=True
            )
            for copy in range(1, options.copies):
                own = folder / f"account_{number:02}" / "lake"
                shutil.copytree(own, folder / f"copy-{copy}_{number:02}" / "lake", copy_function=os.link, symlinks=True)
        lakes = sorted(path for path in folder.glob("*/lake"))
        answers = folder / "answers"
        answers.mkdir()
        found = {"options": vars(options), "lakes": made, "duckdb": in_duckdb(lakes, answers)}
        found["status"] = of_verb(lakes, "fleet", "status")
        found["sql"] = {engine: of_verb(lakes, "sql", "--engine", engine) for engine in ("duckdb", "spark")}
        for version in ("spark35", "spark4"):
            python = ROOT / f".venv-{version}" / "bin" / "python"
            if python.is_file():
                found[version] = in_spark(lakes, folder / version, python, options.cores)
    (RESULTS / f"fleet-{len(lakes)}.json").write_text(json.dumps(found, indent=1))
    engines = [engine for engine in ("duckdb", "spark35", "spark4") if engine in found]
    print(json.dumps({name: found[name] for name in ("status", "sql")}, indent=1))
    print(f"\n{len(lakes)} lakes x {options.targets * options.tasks} tasks, {options.days} days, wall seconds")
    print(f"{'':28}" + "".join(f"{engine:>10}" for engine in engines))
    for row in dict.fromkeys(name for engine in engines for name in found[engine]):
        print(f"{row:28}" + "".join(f"{found[engine].get(row, float('nan')):>10.2f}" for engine in engines))


if __name__ == "__main__":
    main()
