"""The pictures of the page that README.md and docs/ show, afresh from the demo's lake: light, dark, on a phone."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

HERE = Path(__file__).parent
PAGE = HERE.parent / ".demo" / "lake" / "warehouse" / "dashboard.html"
# file, width, height, colour scheme
PICTURES = (
    ("dashboard.png", 1280, 1500, "light"),
    ("dashboard-dark.png", 1280, 1500, "dark"),
    ("dashboard-phone.png", 390, 1100, "light"),
)


def main() -> None:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None or not PAGE.is_file():
        sys.exit(f"pictures need Chromium and {PAGE}: run `make demo` first")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        for name, width, height, scheme in PICTURES:
            page = browser.new_page(
                viewport={"width": width, "height": height}, locale="en-GB", color_scheme=scheme, device_scale_factor=1
            )
            page.goto(PAGE.as_uri())
            page.wait_for_function("document.documentElement.dataset.drawn")
            page.screenshot(path=HERE / name)
            print(HERE / name)
        browser.close()


if __name__ == "__main__":
    main()
