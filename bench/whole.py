"""Measure a snapshot of a first and of a later day, and compare it with a floor and with a peer (dlt).

A sandbox in its own process serves simulated tasks, rendered before it serves; it verifies every signature. On the
later day 1 task in 100 differs from the day before. Every measure is a new process with byte-compiled modules; CPU
seconds are user and system time of that process. The measures of one size are taken in turn, in several rounds, so that
noise affects all of them; the tables show medians and, in brackets, the range. Raw figures go to bench/results/.
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

from pulltasks.sandbox.accounts import AccessKey
from pulltasks.sandbox.cli import places_of, targets_toml

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "whole.json"
PEER_ENVIRONMENT = HERE.parent / ".venv-bench"
PEER_PACKAGES = ("dlt[filesystem,parquet]==1.31.0", "huaweicloudsdkcore")
PULLTASKS = Path(sys.executable).parent / "pulltasks"
DAGSTER = Path(sys.executable).parent / "dagster"
ENVIRONMENT = os.environ | {
    "HUAWEICLOUD_SDK_AK": AccessKey().ak,
    "HUAWEICLOUD_SDK_SK": AccessKey().sk,
    "PYTHONDONTWRITEBYTECODE": "",  # if it were set, every process would compile its modules again
}
STAGES = ("fetch", "capture", "decode", "build", "page")
IN_FLIGHT = 8
LARGE = 100_000  # tasks; a larger size is measured once and without its stages, which take minutes
SMALL = (1, 50)  # targets and tasks per target: with so few tasks a run costs mostly its start and its end


@contextmanager
def sandbox(targets: int, tasks: int, latency_ms: float = 0, *options: str) -> Iterator[str]:
    """Yield the address of a sandbox that serves until the context ends; `options` are those of serve.py."""
    size = ["--targets", str(targets), "--tasks", str(tasks), "--latency-ms", str(latency_ms), *options]
    command = [sys.executable, HERE / "serve.py", *size]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        try:
            yield server.stdout.readline().strip()
        finally:
            server.communicate()


def measured(command: list[Any], config: Path | None = None) -> dict[str, float]:
    """Run a command to its end, in the folder of a configuration if one is given.

    Returns CPU seconds, wall seconds and peak memory in MB; and the values of its last line, if that is JSON.
    """
    # files, not pipes: a full pipe would stop the child while `wait4` waits for it
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as errors:
        began = time.perf_counter()
        arguments, folder = [str(part) for part in command], config and config.parent
        child = subprocess.Popen(arguments, stdout=out, stderr=errors, env=ENVIRONMENT, cwd=folder)
        # `wait4` gives the resource usage of this child alone; getrusage would sum all children
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - began
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        last = out.read().decode().strip().rpartition("\n")[2]
        if child.returncode:
            errors.seek(0)
            raise SystemExit(f"{errors.read().decode()}{' '.join(map(str, command))}: exit code {child.returncode}")
    found = {"process_cpu_s": usage.ru_utime + usage.ru_stime, "wall_s": wall, "peak_mb": usage.ru_maxrss / 1024}
    return found | (json.loads(last) if last.startswith("{") else {})


def configuration(folder: Path, url: str, targets: int, tasks: int, in_flight: int = IN_FLIGHT) -> Path:
    """Create a folder with a configuration for an empty lake, and return the path of the configuration."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    file = folder / "pulltasks.toml"
    api = f'[api]\nendpoint = "{url}"\niam_endpoint = "{url}"\nmax_concurrency = {in_flight}\n'
    api += "requests_per_second = 1000000\n"  # no limit: the program is measured, not the waiting
    file.write_text(f'[lake]\nroot = "{folder / "lake"}"\n{api}{targets_toml(places_of(targets, tasks))}')
    return file


def peer_python() -> Path:
    """Return the Python of an environment with dlt, which is created once."""
    python = PEER_ENVIRONMENT / "bin" / "python"
    if not python.exists():
        venv.create(PEER_ENVIRONMENT, with_pip=True)
        subprocess.run([python, "-m", "pip", "install", "-qq", *PEER_PACKAGES], check=True)
    return python


def one_round(
    folder: Path, url: str, targets: int, tasks: int, *, is_large: bool, with_peer: bool
) -> dict[str, dict[str, float]]:
    """Measure everything once: snapshots of a first and a later day, the stages of a first day, floor and peer."""
    found = {}
    file = configuration(folder / "later", url, targets, tasks)
    yesterday = measured([sys.executable, HERE / "stage.py", "yesterday", "--config", file, "--tasks", tasks])
    if is_large:
        found["first day"] = yesterday  # it is a complete snapshot as well, and using it saves minutes
        found["first day"]["bytes"] = size_of(folder / "later" / "lake" / "tidy")
    else:
        first = configuration(folder / "first", url, targets, tasks)
        found["first day"] = measured([PULLTASKS, "snapshot", "--config", first])
        found["first day"]["bytes"] = size_of(folder / "first" / "lake" / "tidy")
    found["later day"] = measured([PULLTASKS, "snapshot", "--config", file])
    if not is_large:
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


def small_round(folder: Path, url: str, *, with_peer: bool) -> dict[str, dict[str, float]]:
    """Measure the command line, the peer and Dagster over few tasks, start and end of the process included."""
    found = {}
    file = configuration(folder / "small", url, *SMALL)
    config = ["--config", file]
    found["first day"] = measured([PULLTASKS, "snapshot", *config])
    found["nothing to do"] = measured([PULLTASKS, "snapshot", *config])
    found["status"] = measured([PULLTASKS, "status", *config])
    found["query"] = measured([PULLTASKS, "query", "select count(*) from dim_pull_tasks", *config])
    if with_peer:
        found["dlt"] = measured([peer_python(), HERE / "peer_dlt.py", *config])
    empty = folder / "small" / "empty.py"
    empty.write_text("import dagster\n\ndefs = dagster.Definitions()\n")
    validate = [DAGSTER, "definitions", "validate"]
    found["validate"] = measured([*validate, "-m", "pulltasks_dagster.definitions"], file)
    found["validate, empty"] = measured([*validate, "-f", empty], file)
    job = [sys.executable, HERE / "dagster_job.py", "--config", configuration(folder / "job", url, *SMALL)]
    found["Dagster job"] = measured(job)
    # the second job finds the day complete: what remains is Dagster's own cost, as in the empty job with as many assets
    found["Dagster, again"] = measured(job)
    found["Dagster, empty"] = measured([*job, "--empty", found["Dagster job"]["assets"]])
    return found


def with_latency(folder: Path, targets: int, tasks: int, latency_ms: float) -> dict[str, float]:
    """Measure a snapshot of a slow service, and compare its wall time with the least possible one (`bound_s`)."""
    with sandbox(targets, tasks, latency_ms) as url:
        found = measured([PULLTASKS, "snapshot", "--config", configuration(folder / "late", url, targets, tasks)])
    # Pages overlap by 5 rows, so each after the first brings 95 new ones, and a full page is followed by one more.
    # -(-a // b) rounds up.
    pages = targets * (1 + max(0, -(-(tasks - 99) // 95)))
    found["bound_s"] = pages * latency_ms / 1000 / IN_FLIGHT + found["process_cpu_s"]
    found["ratio"] = found["wall_s"] / found["bound_s"]
    return found


def medians(runs: list[dict[str, float]]) -> dict[str, float]:
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def show_ratios(title: str, rounds: list[dict[str, dict[str, float]]]) -> None:
    """Print the ratios of CPU seconds between two measures of the same round, as medians over the rounds."""
    days = [(name, reference) for reference in ("dlt", "floor") for name in ("first day", "later day")]
    for name, reference in [*days, ("validate", "validate, empty"), ("Dagster, again", "Dagster, empty")]:
        if {name, reference} <= {*rounds[0]}:
            ratios = [found[name]["process_cpu_s"] / found[reference]["process_cpu_s"] for found in rounds]
            print(f"{title}: {name} / {reference}  {statistics.median(ratios):.2f}")


def show(title: str, tasks: int, rounds: list[dict[str, dict[str, float]]]) -> None:
    """Print the ratios, and a table of medians."""
    print()
    show_ratios(title, rounds)
    print(f"\n{title}, medians of {len(rounds)}")
    print(f"{'':<16}{'CPU s':>22}{'wall s':>9}{'peak MB':>9}{'tasks/CPU s':>13}{'bytes/task':>12}  without imports")
    for name in rounds[0]:
        runs = [found[name] for found in rounds]
        cpu = [run["process_cpu_s"] for run in runs]
        median = medians(runs)
        size = f"{median['bytes'] / tasks:.0f}" if "bytes" in median else ""
        unit = ""
        if name in {"fetch", "capture"}:
            unit = f"{median['cpu_s'] / median['pages'] * 1000:.2f} ms per page"
        elif name in {"decode", "build", "page"}:
            unit = f"{median['cpu_s'] / tasks * 1e6:.1f} us per task"
        spread = f"{statistics.median(cpu):.2f} ({min(cpu):.2f}-{max(cpu):.2f})"
        print(
            f"{name:<16}{spread:>22}{median['wall_s']:>9.2f}{median['peak_mb']:>9.0f}"
            f"{tasks / median['process_cpu_s']:>13.0f}{size:>12}  {unit}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="50x1000,102x9800", help="TARGETSxTASKS, separated by commas")
    parser.add_argument(
        "--rounds", type=int, default=3, help=f"of each size up to {LARGE} tasks; twice as many of the smallest"
    )
    parser.add_argument("--latency-ms", type=float, default=20)
    parser.add_argument("--without-peer", action="store_true", help="leave dlt out")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the raw figures go")
    options = parser.parse_args()
    sizes = [tuple(int(part) for part in size.split("x")) for size in options.sizes.split(",")]
    machine = {"python": platform.python_version(), "machine": platform.machine(), "cores": os.cpu_count()}
    results: dict[str, Any] = {"machine": machine, "sizes": {}}
    with_peer = not options.without_peer
    if with_peer:
        peer_python()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        with sandbox(*SMALL) as url:
            rounds = [small_round(folder, url, with_peer=with_peer) for _ in range(2 * options.rounds)]
        results["small"] = rounds
        show("1 target x 50 tasks", SMALL[0] * SMALL[1], rounds)
        for targets, tasks in sizes:
            is_large = targets * tasks > LARGE
            if not is_large:
                late = results["latency"] = with_latency(folder, targets, tasks, options.latency_ms)
                print(
                    f"\n{targets} x {tasks} tasks, {options.latency_ms:g} ms per answer: {late['wall_s']:.2f} s wall, "
                    f"{late['ratio']:.2f} x (pages x latency / in flight + CPU)"
                )
            with sandbox(targets, tasks) as url:
                rounds = [
                    one_round(folder, url, targets, tasks, is_large=is_large, with_peer=with_peer)
                    for _ in range(1 if is_large else options.rounds)
                ]
            results["sizes"][f"{targets}x{tasks}"] = rounds
            show(f"{targets} targets x {tasks} tasks", int(rounds[0]["floor"]["tasks"]), rounds)
        options.results.parent.mkdir(exist_ok=True)
        options.results.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
