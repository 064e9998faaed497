"""Write the pictures in README.md and docs/ from the demo's lake: the page, `status`, `doctor`, a table in Dagster."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import duckdb
from playwright.sync_api import sync_playwright
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from pulltasks.sandbox.accounts import AccessKey

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

HERE = Path(__file__).parent
DEMO = HERE.parent / ".demo"
PAGE = DEMO / "lake" / "warehouse" / "dashboard.html"
BIN = Path(sys.executable).parent
COLUMNS = 110
ENVIRONMENT = os.environ | {
    "HUAWEICLOUD_SDK_AK": AccessKey().ak,
    "HUAWEICLOUD_SDK_SK": AccessKey().sk,
    "FORCE_COLOR": "1",
    "COLUMNS": str(COLUMNS),
}
# Without this, a browser that opens the picture would load fonts from another server.
SVG_WITHOUT_FONTS = re.sub(r"@font-face {{.*?}}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
# The listed task with the most status spells: its life fills the picture.
TASK = (
    "select project_id || '/' || region || '/' || task_id from fct_status_spells "
    "semi join (from dim_pull_tasks where is_current) using (project_id, region, task_id) "
    "group by all order by count(*) desc, 1 limit 1"
)


def pictures_of_the_page(browser: Browser) -> None:
    with duckdb.connect(str(DEMO / "lake" / "warehouse" / "pulltasks.duckdb"), read_only=True) as warehouse:
        ((task,),) = warehouse.execute(TASK).fetchall()
    life = f"#view=life&task={quote(task, safe='')}"
    # file, width, height, colour scheme, what is asked of the page
    for name, width, height, scheme, asked in (
        ("dashboard.png", 1280, 1080, "light", ""),
        ("dashboard-dark.png", 1280, 1080, "dark", ""),
        ("dashboard-phone.png", 390, 1100, "light", ""),
        ("dashboard-task.png", 1280, 1000, "light", life),
    ):
        page = browser.new_page(viewport={"width": width, "height": height}, locale="en-GB", color_scheme=scheme)
        page.goto(PAGE.as_uri() + asked)
        page.wait_for_function("document.documentElement.dataset.drawn")
        page.screenshot(path=HERE / name)
        print(HERE / name)


def picture_of_a_command(*words: str) -> None:
    """Write the output of a verb as an SVG that is named after the verb."""
    command = [BIN / "pulltasks", *words, "--config", DEMO / "pulltasks.toml"]
    # not checked: the demo's last day is incomplete on purpose, so the exit code is 3
    shown = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        console = Console(record=True, width=COLUMNS, file=nowhere)
        console.print(Text.from_ansi(shown.stdout + shown.stderr))
        path = HERE / f"{words[0]}.svg"
        console.save_svg(str(path), title=f"pulltasks {' '.join(words)}", code_format=SVG_WITHOUT_FONTS)
    print(path)


@contextmanager
def serving_where_the_demo_asks() -> Iterator[None]:
    """Run a sandbox at the address in the demo's configuration, with the fault of its last day."""
    port = (DEMO / "pulltasks.toml").read_text().partition("127.0.0.1:")[2].partition('"')[0]
    fault = "00030003000300030003000300030003=forbidden"
    command = [BIN / "pulltasks", "sandbox", "--port", port, "--fault", fault]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
        try:
            wait_for(f"http://127.0.0.1:{port}/")
            yield
        finally:
            server.terminate()


def wait_for(url: str, seconds: int = 60) -> None:
    """Wait until a server accepts connections at `url`; end the process after `seconds`."""
    host, port = url.split("/")[2].split(":")
    for _ in range(seconds * 5):
        with socket.socket() as caller:
            if caller.connect_ex((host, int(port))) == 0:
                return
        time.sleep(0.2)
    sys.exit(f"{url}: nothing answered in {seconds} s")


def picture_of_the_graph(browser: Browser) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    of_demo = {"DAGSTER_HOME": str(DEMO / "dagster"), "PULLTASKS_CONFIG": str(DEMO / "pulltasks.toml")}
    command = [BIN / "dagster-webserver", "-h", "127.0.0.1", "-p", str(port), "--read-only"]
    with subprocess.Popen(
        [*command, "-w", HERE.parent / "workspace.yaml"],
        env=ENVIRONMENT | of_demo,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=HERE.parent,
    ) as server:
        try:
            wait_for(f"http://127.0.0.1:{port}")
            page = browser.new_page(viewport={"width": 1600, "height": 1000})
            page.goto(f"http://127.0.0.1:{port}/assets/fct_pull_task_changes?view=lineage")
            page.get_by_role("button", name="Skip").click(timeout=60_000)  # the dialog of a first visit
            page.wait_for_timeout(5_000)  # the graph moves into place
            page.screenshot(path=HERE / "dagster.png")
            print(HERE / "dagster.png")
        finally:
            server.terminate()


def main() -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None or not PAGE.is_file():
        sys.exit(f"pictures need Chromium and {PAGE}: run `make demo` first")
    picture_of_a_command("status")
    with serving_where_the_demo_asks():
        picture_of_a_command("doctor")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        pictures_of_the_page(browser)
        picture_of_the_graph(browser)
        browser.close()


if __name__ == "__main__":
    main()
