"""What a snapshot costs, first day and later ones, beside the least that it could cost and what a peer costs.

A sandbox in a process of its own serves made-up tasks, rendered before it serves; it verifies every signature. Of a
later day 1 task in 100 differs from the day before. Every measure is a new process, byte-compiled; CPU seconds are user
and system time of that process. The measures of one size are taken in turn, round after round, so that a noisy moment
falls on all of them; the tables show medians and, in brackets, the whole range. Raw figures go to bench/results/.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import venv
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pulltasks.sandbox.cli import places_of, targets_toml
from pulltasks.sandbox.server import AccessKey

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "whole.json"
PEER_ENVIRONMENT = HERE.parent / ".venv-bench"
PEER_PACKAGES = ("dlt[filesystem,parquet]==1.31.0", "huaweicloudsdkcore")
PULLTASKS = Path(sys.executable).parent / "pulltasks"
ENVIRONMENT = os.environ | {
    "HUAWEICLOUD_SDK_AK": AccessKey().ak,
    "HUAWEICLOUD_SDK_SK": AccessKey().sk,
    "PYTHONDONTWRITEBYTECODE": "",  # else every process might compile what it imports
}
STAGES = ("fetch", "capture", "decode", "build", "page")
IN_FLIGHT = 8
LARGE = 100_000  # tasks; above, a size is measured once and without its stages, which take minutes


@contextmanager
def sandbox(targets: int, tasks: int, latency_ms: float = 0) -> Iterator[str]:
    """The address of a sandbox that serves until the context ends."""
    size = ["--targets", str(targets), "--tasks", str(tasks), "--latency-ms", str(latency_ms)]
    command = [sys.executable, HERE / "serve.py", *size]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            yield server.stdout.readline().strip()
        finally:
            server.communicate()


def measured(command: list[Any]) -> dict[str, float]:
    """Run a command to its end: CPU and wall seconds, peak memory in MB; and what its last line says, if it is JSON."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as said:
        began = time.perf_counter()
        child = subprocess.Popen([str(part) for part in command], stdout=out, stderr=said, env=ENVIRONMENT)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        last = out.read().decode().strip().rpartition("\n")[2]
        if child.returncode:
            said.seek(0)
            raise SystemExit(f"{said.read().decode()}{' '.join(map(str, command))}: exit code {child.returncode}")
    found = {"process_cpu_s": usage.ru_utime + usage.ru_stime, "wall_s": wall, "peak_mb": usage.ru_maxrss / 1024}
    return found | (json.loads(last) if last.startswith("{") else {})


def configuration(folder: Path, url: str, targets: int, tasks: int, in_flight: int = IN_FLIGHT) -> Path:
    """A new folder with a configuration and an empty lake."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    file = folder / "pulltasks.toml"
    api = f'[api]\nendpoint = "{url}"\niam_endpoint = "{url}"\nmax_concurrency = {in_flight}\n'
    api += "requests_per_second = 1000000\n"
    file.write_text(f'[lake]\nroot = "{folder / "lake"}"\n{api}{targets_toml(places_of(targets, tasks))}')
    return file


def peer_python() -> Path:
    """An environment with dlt in it, made once."""
    python = PEER_ENVIRONMENT / "bin" / "python"
    if not python.exists():
        venv.create(PEER_ENVIRONMENT, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-qq", *PEER_PACKAGES], check=True)
    return python


def one_round(
    folder: Path, url: str, targets: int, tasks: int, *, with_stages: bool, with_peer: bool
) -> dict[str, dict[str, float]]:
    """Everything once: whole snapshots of a first and a later day, the stages of a first one, the references."""
    found = {}
    file = configuration(folder / "first", url, targets, tasks)
    found["first day"] = measured([PULLTASKS, "snapshot", "--config", file])
    found["first day"]["bytes"] = size_of(folder / "first" / "lake" / "tidy")
    file = configuration(folder / "later", url, targets, tasks)
    measured([sys.executable, HERE / "stage.py", "yesterday", "--config", file, "--tasks", tasks])
    found["later day"] = measured([PULLTASKS, "snapshot", "--config", file])
    if with_stages:
        file = configuration(folder / "stages", url, targets, tasks)
        for stage in STAGES:
            found[stage] = measured([sys.executable, HERE / "stage.py", stage, "--config", file, "--tasks", tasks])
    file = configuration(folder / "floor", url, targets, tasks)
    found["floor"] = measured([sys.executable, HERE / "floor.py", "--config", file, "--tasks", tasks])
    if with_peer:
        file = configuration(folder / "peer", url, targets, tasks)
        found["dlt"] = measured([peer_python(), HERE / "peer_dlt.py", "--config", file])
    return found


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def start_costs(folder: Path, rounds: int) -> dict[str, list[dict[str, float]]]:
    """The command line and Dagster over a lake of 50 tasks: what each costs from its start to its end."""
    with sandbox(1, 50) as url:
        file = configuration(folder / "start", url, 1, 50)
        job = [sys.executable, HERE / "dagster_job.py", "--config"]
        commands: dict[str, list[Any]] = {
            "snapshot": [PULLTASKS, "snapshot", "--refresh", "--config", file],
            "nothing to do": [PULLTASKS, "snapshot", "--config", file],
            "--help": [PULLTASKS, "--help"],
            "status": [PULLTASKS, "status", "--config", file],
            "query": [PULLTASKS, "query", "select count(*) from dim_pull_tasks", "--config", file],
            "Dagster job": [*job, folder / "job" / "pulltasks.toml"],
            "empty Dagster job": [*job, folder / "job" / "pulltasks.toml", "--empty"],
        }
        found: dict[str, list[dict[str, float]]] = {name: [] for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                configuration(folder / "job", url, 1, 50)
                found[name].append(measured(command))
        return found


def with_latency(folder: Path, targets: int, tasks: int, latency_ms: float) -> dict[str, float]:
    """The wall time of a snapshot from a service that takes its time, and the time that could not be saved."""
    with sandbox(targets, tasks, latency_ms) as url:
        found = measured([PULLTASKS, "snapshot", "--config", configuration(folder / "late", url, targets, tasks)])
    pages = targets * (1 + max(0, -(-(tasks - 99) // 95)))
    found["bound_s"] = pages * latency_ms / 1000 / IN_FLIGHT + found["process_cpu_s"]
    found["ratio"] = found["wall_s"] / found["bound_s"]
    return found


def medians(runs: list[dict[str, float]]) -> dict[str, float]:
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def show_ratios(title: str, rounds: list[dict[str, dict[str, float]]]) -> None:
    """What CPU a first and a later day take, as a part of what the references take in the same round."""
    for reference in {"dlt", "floor"} & set(rounds[0]):
        for name in ("first day", "later day"):
            ratios = [found[name]["process_cpu_s"] / found[reference]["process_cpu_s"] for found in rounds]
            print(f"{title}: {name} / {reference}  {statistics.median(ratios):.2f}")


def show(title: str, rounds: list[dict[str, dict[str, float]]]) -> None:
    """A table of medians."""
    print(f"\n{title}, medians of {len(rounds)}")
    print(f"{'':<10}{'CPU s':>22}{'wall s':>9}{'peak MB':>9}{'tasks/CPU s':>13}{'bytes/task':>12}  without imports")
    tasks = rounds[0]["floor"]["tasks"]
    for name in rounds[0]:
        runs = [found[name] for found in rounds]
        cpu = [run["process_cpu_s"] for run in runs]
        median = medians(runs)
        size = f"{median['bytes'] / tasks:.0f}" if "bytes" in median else ""
        unit = ""
        if name in {"fetch", "capture"}:
            unit = f"{median['cpu_s'] / median['pages'] * 1000:.2f} ms a page"
        elif name in {"decode", "build", "page"}:
            unit = f"{median['cpu_s'] / tasks * 1e6:.1f} us a task"
        spread = f"{statistics.median(cpu):.2f} ({min(cpu):.2f}-{max(cpu):.2f})"
        print(
            f"{name:<10}{spread:>22}{median['wall_s']:>9.2f}{median['peak_mb']:>9.0f}"
            f"{tasks / median['process_cpu_s']:>13.0f}{size:>12}  {unit}"
        )


def show_start(start: dict[str, list[dict[str, float]]]) -> None:
    """What a small day takes, ratios first."""
    cpu = {name: medians(runs)["process_cpu_s"] for name, runs in start.items()}
    print(f"\nDagster job / empty Dagster job  {cpu['Dagster job'] / cpu['empty Dagster job']:.2f}")
    print(f"{'50 tasks':<34}{'CPU s':>8}{'wall s':>8}{'peak MB':>9}")
    for name, runs in start.items():
        figures = [medians(runs)[key] for key in ("process_cpu_s", "wall_s", "peak_mb")]
        print(f"{name:<34}{figures[0]:>8.2f}{figures[1]:>8.2f}{figures[2]:>9.0f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="1x50,50x1000,102x9800", help="TARGETSxTASKS, separated by commas")
    parser.add_argument("--rounds", type=int, default=3, help=f"of each size up to {LARGE} tasks")
    parser.add_argument("--latency-ms", type=float, default=20)
    parser.add_argument("--without-peer", action="store_true", help="leave dlt out")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the raw figures go")
    options = parser.parse_args()
    sizes = [tuple(int(part) for part in size.split("x")) for size in options.sizes.split(",")]
    machine = {"python": platform.python_version(), "machine": platform.machine(), "cores": os.cpu_count()}
    results: dict[str, Any] = {"machine": machine, "sizes": {}}
    if not options.without_peer:
        peer_python()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        results["start"] = start_costs(folder, options.rounds)
        show_start(results["start"])
        for targets, tasks in sizes:
            is_large = targets * tasks > LARGE
            if targets > 1 and not is_large:
                late = results["latency"] = with_latency(folder, targets, tasks, options.latency_ms)
                print(
                    f"\n{targets} x {tasks} tasks, {options.latency_ms:g} ms an answer: {late['wall_s']:.2f} s wall, "
                    f"{late['ratio']:.2f} x (pages x latency / in flight + CPU)"
                )
            with sandbox(targets, tasks) as url:
                rounds = [
                    one_round(folder, url, targets, tasks, with_stages=not is_large, with_peer=not options.without_peer)
                    for _ in range(1 if is_large else options.rounds)
                ]
            results["sizes"][f"{targets}x{tasks}"] = rounds
            print()
            show_ratios(f"{targets} x {tasks}", rounds)
            show(f"{targets} targets x {tasks} tasks", rounds)
            options.results.parent.mkdir(exist_ok=True)
            options.results.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
