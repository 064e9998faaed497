"""Measure runs with nothing to do: CPU, peak memory and files written, beside those of the first run of the day.

Page and open tables are on. Earlier days are simulated; what is measured is the last day's first run, which lists all
targets, and the run after it. Raw figures go to bench/results/.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from pulltasks import config
from whole import HERE, PULLTASKS, configuration, measured, sandbox

RESULTS = HERE / "results" / "idle.json"
WITH_ALL = "[dashboard]\nenabled = true\n[publish]\ntables = true\n"


def files_of(folder: Path) -> dict[Path, tuple[int, ...]]:
    """Return all files below a folder, with what a write changes of them."""
    found = ((path, path.lstat()) for path in folder.rglob("*") if path.is_symlink() or path.is_file())
    return {path: (stat.st_ino, stat.st_size, stat.st_mtime_ns) for path, stat in found}


def idle(folder: Path, targets: int, tasks: int, days: int) -> dict[str, dict[str, float | list[str]]]:
    """Measure the first and the second run of the last of some days."""
    with sandbox(targets, tasks) as url:
        file = configuration(folder, url, targets, tasks)
        file.write_text(file.read_text().replace("[[targets]]", f"{WITH_ALL}[[targets]]", 1))
        settings = config.load(file)
        today = datetime.now(UTC).astimezone(ZoneInfo(settings.timezone)).date()
        for ago in range(days - 1, 0, -1):
            measured([PULLTASKS, "snapshot", "--config", file, "--simulated-date", today - timedelta(days=ago)])
        first = measured([PULLTASKS, "snapshot", "--config", file])
        before = files_of(settings.lake.root)
        second = measured([PULLTASKS, "snapshot", "--config", file])
    after = files_of(settings.lake.root)
    written = [str(path.relative_to(settings.lake.root)) for path in after if after[path] != before.get(path)]
    return {"first run": first, "nothing to do": {**second, "written": sorted(written)}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--sizes", default="1x50x1,50x1000x1,500x100x1,11x9000x1,10000x10x1", help="TARGETSxTASKSxDAYS, by commas"
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the raw figures go")
    options = parser.parse_args()
    results = {}
    for size in options.sizes.split(","):
        with tempfile.TemporaryDirectory() as folder:
            results[size] = idle(Path(folder) / "lake", *map(int, size.split("x")))
        for name, found in results[size].items():
            written = f"  written: {', '.join(found['written'])}" if "written" in found else ""
            print(f"{size:<14}{name:<15}{found['process_cpu_s']:>7.2f} CPU s{found['peak_mb']:>7.0f} MB{written}")
    options.results.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
