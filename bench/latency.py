"""Measure the wall time of a first day beside dlt over a slow service, and over one that limits the rate of requests.

A service limits an access key's requests in flight to five (a sixth refused signature would lock the key) and those of
a token to `api.max_concurrency`, so both are measured. dlt lists resources in parallel: with the five workers that it
has by default, and with twenty. The measures of one size are taken one after the other.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import whole
from pulltasks.sandbox.accounts import User

RESULTS = Path(__file__).parent / "results" / "latency.json"
IN_FLIGHT = 20
DLT_WORKERS = {"dlt": 5, "dlt, tuned": IN_FLIGHT}
AS_USER = f'[auth]\nmethod = "password"\nuser = "{User().name}"\ndomain = "{User().domain}"\n'
os.environ["PULLTASKS_AUTH__PASSWORD"] = whole.ENVIRONMENT["PULLTASKS_AUTH__PASSWORD"] = User().password


def snapshot(folder: Path, url: str, targets: int, tasks: int, auth: str = "") -> dict[str, Any]:
    """Measure a first day, and return what its run logged beside that."""
    file = whole.configuration(folder / "ours", url, targets, tasks, IN_FLIGHT)
    file.write_text(file.read_text(encoding="utf-8") + auth, encoding="utf-8")
    found: dict[str, Any] = whole.measured([whole.PULLTASKS, "snapshot", "--config", file])
    run = json.loads((folder / "ours" / "lake" / "runs.ndjson").read_text(encoding="utf-8").splitlines()[-1])
    return found | {"outcome": run["outcome"], "requests": run["requests"], "pace": run["paces"]["default"]}


def beside_dlt(folder: Path, latency_ms: float, targets: int, tasks: int, *, with_peer: bool) -> dict[str, Any]:
    """Measure one cell of the table: an access key, a token, and dlt."""
    with whole.sandbox(targets, tasks, latency_ms) as url:
        found = {
            "access key": snapshot(folder, url, targets, tasks),
            "token": snapshot(folder, url, targets, tasks, AS_USER),
        }
        for name, workers in DLT_WORKERS.items() if with_peer else ():
            file = whole.configuration(folder / "peer", url, targets, tasks)
            command = [whole.peer_python(), whole.HERE / "peer_dlt.py", "--config", file, "--workers", workers]
            found[name] = whole.measured(command)
    return found


def limited(folder: Path, limit: int, targets: int, tasks: int, *, says_when: bool) -> dict[str, Any]:
    """Measure a first day over a service that answers 429 above a rate."""
    options = ["--limit", str(limit), *([] if says_when else ["--without-retry-after"])]
    with whole.sandbox(targets, tasks, 30, *options) as url:
        return snapshot(folder, url, targets, tasks, AS_USER)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--latencies-ms", default="30,150,600")
    parser.add_argument("--targets", default="1,10,50")
    parser.add_argument("--tasks", type=int, default=1000, help="of each target")
    parser.add_argument("--limits", default="10,30,100", help="requests per second")
    parser.add_argument("--without-peer", action="store_true", help="leave dlt out")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the raw figures go")
    options = parser.parse_args()
    results: dict[str, Any] = {"latency": {}, "limits": {}}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        for latency in options.latencies_ms.split(","):
            for targets in options.targets.split(","):
                found = beside_dlt(
                    folder, float(latency), int(targets), options.tasks, with_peer=not options.without_peer
                )
                results["latency"][f"{latency} ms, {targets} x {options.tasks}"] = found
                walls = ", ".join(f"{name} {measure['wall_s']:.1f} s" for name, measure in found.items())
                print(f"{latency} ms, {targets} x {options.tasks}: {walls}", flush=True)
        for limit in options.limits.split(","):
            for says_when in (True, False):
                found = limited(
                    folder, int(limit), int(options.targets.split(",")[-1]), options.tasks, says_when=says_when
                )
                name = f"{limit} per second, {'with' if says_when else 'without'} Retry-After"
                results["limits"][name] = found
                pace = found["pace"]
                refused = f"{pace['refused']} of {found['requests']} refused"
                print(f"{name}: {found['outcome']}, {found['wall_s']:.1f} s, {refused}, {pace}", flush=True)
    options.results.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
