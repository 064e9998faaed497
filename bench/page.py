"""Measure the page over five lakes: its bytes, what writing it costs, how soon it is drawn, and how high it is.

The lakes are made against a sandbox on loopback, and their last day is today; `--lakes` keeps them in a folder, and
uses those that are there. `pulltasks dashboard` writes the page in a process of its own, after a first call that loads
what it needs. The browser's figures need Chromium and Playwright (`make test-browser`). All figures are
medians of 3; raw figures go to bench/results/.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import uuid
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import whole
from pulltasks import config
from pulltasks.clock import Clock
from pulltasks.lake.lake import Lake
from pulltasks.run.order import snapshot
from pulltasks.sandbox.cli import places_of, targets_toml
from pulltasks.sandbox.server import Sandbox, serving
from pulltasks.warehouse.build.publish import build_and_publish
from pulltasks.warehouse.sql.models import load_models

if TYPE_CHECKING:
    from playwright.sync_api import Browser

RESULTS = Path(__file__).parent / "results" / "page.json"
PAGE = Path("lake", "warehouse", "dashboard.html")
ROUNDS = 3
CLOCK = Clock(now=lambda: datetime.now(UTC), new_id=lambda: str(uuid.uuid4()))
os.environ.update(whole.ENVIRONMENT)  # the access key of the sandbox
# Notes the time of the first drawing, in ms since the navigation began. A lake of yesterday is not late: to the page it
# is always the moment after its data was published.
WATCH = """
Date.now = () => %d;
new MutationObserver(() => { window.firstDrawnAt ??= performance.now(); })
  .observe(document, { subtree: true, attributes: true, attributeFilter: ["data-drawn"] });
"""


class Size(NamedTuple):
    """The content of a lake: `tasks` of each target, and the positions of the targets that are always refused."""

    targets: int
    tasks: int
    days: int
    refused: tuple[int, ...] = ()
    is_half_unnamed: bool = False


LAKES = {
    "first": Size(3, 0, 1),
    "one": Size(1, 5, 3),
    "demo": None,  # by `make demo`: 3 targets, 250 tasks, 7 days
    "fifty": Size(50, 300, 14, refused=(7, 24, 41), is_half_unnamed=True),
    "five_hundred": Size(500, 100, 3),
}


def prepare(folder: Path, name: str) -> None:
    """Make a lake below a folder unless it is there, and publish it by the models as they are now."""
    if not (folder / name).exists():
        # Moved when it is whole, so that an interrupted call leaves no half lake.
        with tempfile.TemporaryDirectory(dir=folder) as unfinished:
            size = LAKES[name]
            (make_lake(Path(unfinished), size) if size else make_demo(Path(unfinished))).rename(folder / name)
    settings = config.load(folder / name / "pulltasks.toml")
    lake = Lake(settings.lake.root)
    with lake.lock():
        build_and_publish(lake, load_models(), settings.warehouse, CLOCK.now())


def make_demo(folder: Path) -> Path:
    subprocess.run([sys.executable, "-m", "pulltasks_dagster.demo"], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return folder / ".demo"


def make_lake(folder: Path, size: Size) -> Path:
    places = places_of(size.targets, size.tasks)
    tables = targets_toml(places).split("\n\n")
    if size.is_half_unnamed:
        tables[1::2] = [table.rpartition("name = ")[0] for table in tables[1::2]]
    file = folder / "lake-of-size" / "pulltasks.toml"
    file.parent.mkdir()
    with serving(Sandbox(places, faults={(places[n].project_id, None): "forbidden" for n in size.refused})) as url:
        api = f'[api]\nendpoint = "{url}"\niam_endpoint = "{url}"\nrequests_per_second = 1000000\n'
        file.write_text(api + "\n\n".join(tables), encoding="utf-8")
        settings = config.load(file)
        today = settings.today(CLOCK.now())
        for ago in reversed(range(size.days)):
            snapshot(settings, today - timedelta(days=ago), CLOCK, simulated=True)
    return file.parent


def write_page(folder: Path) -> dict[str, float]:
    """Return the bytes of the page of a lake, and what writing it costs."""
    command = [whole.PULLTASKS, "dashboard", "--config", folder / "pulltasks.toml"]
    whole.measured(command)
    costs = whole.medians([whole.measured(command) for _ in range(ROUNDS)])
    return {"bytes": (folder / PAGE).stat().st_size, **costs}


def draw_pages(lakes: list[Path]) -> dict[str, dict[str, float]]:
    """Return what a browser says of the page of each lake; nothing where there is no browser."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None or find_spec("playwright") is None:
        print("drawing is not measured: there is no Chromium, or no Playwright (make test-browser)")
        return {}
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        draw(browser, lakes[0] / PAGE)  # not measured: the browser's own start
        return {lake.name: whole.medians([draw(browser, lake / PAGE) for _ in range(ROUNDS)]) for lake in lakes}


def draw(browser: Browser, page: Path) -> dict[str, float]:
    """Open a page in a new context; return the ms from navigation until it is drawn, and its height at 1280 px."""
    tab = browser.new_page(viewport={"width": 1280, "height": 900}, locale="en-GB", color_scheme="light")
    tab.add_init_script(WATCH % (page.with_name("pulltasks.duckdb").stat().st_mtime * 1000 + 1000))
    tab.goto(page.as_uri())
    tab.wait_for_function("() => window.firstDrawnAt")
    found: dict[str, float] = tab.evaluate(
        "() => ({ drawn_ms: window.firstDrawnAt, height_px: document.documentElement.scrollHeight })"
    )
    tab.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lakes", type=Path, help="keep the lakes in this folder, and use those that are there")
    parser.add_argument("--only", default=",".join(LAKES), help="names of lakes, separated by commas")
    parser.add_argument("--results", type=Path, default=RESULTS, help="where the raw figures go")
    options = parser.parse_args()
    machine = {"python": platform.python_version(), "machine": platform.machine(), "cores": os.cpu_count()}
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.lakes or Path(temporary)).absolute()
        folder.mkdir(parents=True, exist_ok=True)
        lakes = [folder / name for name in options.only.split(",")]
        # In another process: a process begins with the peak memory of the one that starts it.
        with get_context("spawn").Pool(1) as pool:
            pool.starmap(prepare, [(folder, lake.name) for lake in lakes])
        found = {lake.name: write_page(lake) for lake in lakes}
        for name, drawn in draw_pages(lakes).items():
            found[name] |= drawn
    print(f"{'':<14}{'kB':>8}{'CPU s':>8}{'wall s':>8}{'peak MB':>9}{'drawn ms':>10}{'height px':>11}")
    for name, each in found.items():
        print(
            f"{name:<14}{each['bytes'] / 1000:>8.0f}{each['process_cpu_s']:>8.2f}{each['wall_s']:>8.2f}"
            f"{each['peak_mb']:>9.0f}{each.get('drawn_ms', float('nan')):>10.0f}"
            f"{each.get('height_px', float('nan')):>11.0f}"
        )
    options.results.write_text(json.dumps({"machine": machine, "lakes": found}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
