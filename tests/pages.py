"""Pages of small lakes for the browser's tests: fixtures that open them, and what the tests read from them."""

from __future__ import annotations

import re
import shutil
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from desk import write_config
from pulltasks import config
from pulltasks.clock import Clock
from pulltasks.dashboard import contents, write_dashboard_alone
from pulltasks.lake.lake import Lake
from pulltasks.run.order import snapshot
from pulltasks.sandbox.accounts import AccessKey
from pulltasks.sandbox.data import Place
from pulltasks.sandbox.server import Sandbox, serving
from pulltasks.warehouse.read.published import open_published

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb
    from playwright.sync_api import Browser, Page

DAY = date(2026, 11, 22)
HOSTILE = '<img src=x onerror="alert(1)">=cmd()'
BEIJING = Place("0123456789abcdef0123456789abcdef", "cn-north-4", 90, name="beijing")
SHANGHAI = Place("00112233445566778899aabbccddeeff", "cn-east-3", 40, name="shanghai")
SINGAPORE = Place("fedcba9876543210fedcba9876543210", "ap-southeast-3", 60, name="singapore")
NAMES = {BEIJING: "beijing", SHANGHAI: HOSTILE, SINGAPORE: "singapore"}


class Shrinking(Sandbox):
    """A service that says on the last day that Beijing has no more than a few tasks, and nothing of the others by id."""

    def _page(self, request, project_id):
        reply = super()._page(request, project_id)
        return replace(reply, status=403) if reply.status == 404 else reply

    def _rendered_rows(self, place, day):
        rows = super()._rendered_rows(place, day)
        return rows[:9] if place == BEIJING and day == DAY else rows


@dataclass
class Shown:
    """A page on disk, and the warehouse that it was made of."""

    file: Path
    warehouse: duckdb.DuckDBPyConnection

    def one(self, query: str) -> object:
        ((value,),) = self.warehouse.execute(query).fetchall()
        return value


def make(
    folder: Path,
    places: tuple[Place, ...],
    faults: dict,
    days: int,
    missed: frozenset[date] = frozenset(),
    service: type[Sandbox] = Sandbox,
) -> Shown:
    """A lake after some days, and its page; on the days that are missed nobody ran it."""
    folder.mkdir()
    sandbox = service(places, faults=faults)
    clock = Clock(now=lambda: datetime.now(UTC), new_id=lambda: str(uuid.uuid4()))
    with serving(sandbox) as url:
        file = write_config(folder, url)
        targets = "".join(
            f"[[targets]]\nproject_id = '{p.project_id}'\nregion = '{p.region}'\nname = '''{NAMES[p]}'''\n"
            for p in places
        )
        file.write_text(file.read_text() + targets)
        settings = config.load(file)
        for n in range(days - 1, -1, -1):
            if (day := DAY - timedelta(days=n)) not in missed:
                snapshot(settings, day, clock, simulated=True)
    lake = Lake(settings.lake.root)
    write_dashboard_alone(settings)
    return Shown(lake.dashboard, open_published(lake))


@pytest.fixture(scope="session")
def lakes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Shown]:
    root = tmp_path_factory.mktemp("lakes")
    places = (BEIJING, SHANGHAI, SINGAPORE)
    empty = tuple(Place(p.project_id, p.region, 0, name=p.name) for p in places)
    NAMES.update(dict(zip(empty, ("beijing", "shanghai", "singapore"), strict=True)))
    many = tuple(Place(f"{n:032x}", "cn-north-4", 15, name=f"target-{n:02}") for n in range(20))
    NAMES.update({place: place.name for place in many})
    failing = {
        (SINGAPORE.project_id, DAY): "forbidden",
        (BEIJING.project_id, DAY - timedelta(days=2)): "null_tasks",
        (SHANGHAI.project_id, None): "forbidden",
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HUAWEICLOUD_SDK_AK", AccessKey().ak)
        patch.setenv("HUAWEICLOUD_SDK_SK", AccessKey().sk)
        return {
            "good": make(root / "good", places, {}, 4),
            "incomplete": make(root / "incomplete", places, failing, 5, frozenset({DAY - timedelta(days=3)})),
            "late": make(root / "late", places, {(SINGAPORE.project_id, DAY): "forbidden"}, 2),
            "one of twenty": make(root / "twenty", many, {(many[7].project_id, DAY): "forbidden"}, 2),
            "all late": make(root / "all", places, {(p.project_id, DAY): "forbidden" for p in places}, 2),
            "held": make(root / "held", places, {}, 2, service=Shrinking),
            "empty": make(root / "empty", empty, {}, 2),
            "first": first_and_cut(patch, root, places),
        }


def first_and_cut(patch: pytest.MonkeyPatch, root: Path, places: tuple[Place, ...]) -> Shown:
    """The page of a first day, whose tables hold two rows each."""
    with patch.context() as bound:
        bound.setattr(contents, "ROWS", 2)
        return make(root / "first", places, {}, 1)


@pytest.fixture(scope="session")
def browser(lakes: dict[str, Shown]) -> Iterator[Browser]:  # the lakes first: the browser keeps a loop running
    from playwright.sync_api import sync_playwright

    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    assert chromium, "there is no Chromium here; on Debian: apt-get install chromium"
    switches = ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=switches)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser: Browser, lakes: dict[str, Shown]):
    """Opens a page; in the end nothing may have been said on its console, and nothing asked for but the page itself."""
    pages: list[tuple[Page, list[str], list[str]]] = []

    def go(name: str, fragment: str = "", width: int = 1280, **options: object) -> tuple[Page, Shown]:
        context = browser.new_context(viewport={"width": width, "height": 900}, locale="en-GB", **options)
        page = context.new_page()
        said: list[str] = []
        asked: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(lakes[name].file.as_uri() + fragment)
        drawn(page)
        pages.append((page, said, asked))
        return page, lakes[name]

    yield go
    for page, said, asked in pages:
        assert said == []
        assert [url for url in asked if not url.startswith("file:")] == []
        assert len(asked) == 1
        page.context.close()


def drawn(page: Page, times: int = 1) -> None:
    page.wait_for_function("times => Number(document.documentElement.dataset.drawn) >= times", arg=times)


def after(page: Page, step) -> None:
    """Do a step and wait until the page is drawn anew."""
    before = int(page.evaluate("document.documentElement.dataset.drawn"))
    step()
    drawn(page, before + 1)


def tile(page: Page, name: str) -> str:
    return page.locator(f"[data-tile={name}] strong").inner_text()


def rows(page: Page, table: str) -> list[list[str]]:
    return [row.locator("td").all_inner_texts() for row in page.locator(f"#{table} > .table tbody tr").all()]


def count_of(page: Page, table: str) -> int:
    text = page.locator(f"#{table} .pager").last.inner_text()
    found = re.search(r"of ([\d,]+)", text)
    return int(found[1].replace(",", "")) if found else 0


def numbers(page: Page, chart: str) -> list[list[str]]:
    """The table behind a chart, all of its pages."""
    details = page.locator(f"#{chart} details")
    found: list[list[str]] = []
    while True:
        found += [row.locator("td").all_inner_texts() for row in details.locator("tbody tr").all()]
        forth = details.get_by_label("Next rows")
        if forth.is_disabled():
            return found
        forth.click()
