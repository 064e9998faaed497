"""Pages of small lakes for the browser's tests: fixtures that open them, and what the tests read from them."""

from __future__ import annotations

import csv
import re
import shutil
import uuid
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from desk import write_config
from pulltasks import config
from pulltasks.clock import Clock
from pulltasks.dashboard import bounds, write_dashboard_alone
from pulltasks.lake.lake import Lake
from pulltasks.run.order import snapshot
from pulltasks.sandbox.accounts import AccessKey
from pulltasks.sandbox.data import Place
from pulltasks.sandbox.server import Sandbox, serving
from pulltasks.warehouse.read.published import open_file, open_published

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import duckdb
    from playwright.sync_api import Browser, Locator, Page

DAY = date(2026, 11, 22)
BEFORE = DAY - timedelta(days=1)
CAPTURED = time(20, tzinfo=UTC)  # on each day
OPENED = datetime(2026, 11, 22, 20, 30, tzinfo=UTC)
HOSTILE = '<img src=x onerror="alert(1)">=cmd()'
LONG = "relay-of-the-national-news-and-sports-events-of-the-northern-provinces"
BEIJING = Place("0123456789abcdef0123456789abcdef", "cn-north-4", 90, name="beijing")
SHANGHAI = Place("00112233445566778899aabbccddeeff", "cn-east-3", 40, name=HOSTILE)
SINGAPORE = Place("fedcba9876543210fedcba9876543210", "ap-southeast-3", 60, name="singapore")
ALL = (BEIJING, SHANGHAI, SINGAPORE)
# A listed task that changed most, and one that was noticed as gone.
BUSIEST = (
    "select project_id || '/' || region || '/' || task_id from dim_pull_tasks "
    "left join (select project_id, region, task_id, count(*) as changes from fct_pull_task_changes group by all) "
    "using (project_id, region, task_id) where is_current order by changes desc nulls last, task_id limit 1"
)
VIEWS = ("overview", "tasks", "changes", "conflicts", "schedule", "coverage")


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
    """A page on disk, the warehouse that it was made of, and that of the day before."""

    file: Path
    warehouse: duckdb.DuckDBPyConnection
    before: duckdb.DuckDBPyConnection | None

    def all(self, query: str) -> list[tuple]:
        return self.warehouse.execute(query).fetchall()

    def one(self, query: str) -> object:
        ((value,),) = self.all(query)
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
    with serving(sandbox) as url:
        file = write_config(folder, url)
        named = [(place, f"name = '''{place.name}'''\n" if place.name else "") for place in places]
        file.write_text(
            file.read_text()
            + "".join(f"[[targets]]\nproject_id = '{p.project_id}'\nregion = '{p.region}'\n{name}" for p, name in named)
        )
        settings = config.load(file)
        for n in range(days - 1, -1, -1):
            if (day := DAY - timedelta(days=n)) not in missed:
                captured = partial(datetime.combine, day, CAPTURED)
                snapshot(settings, day, Clock(now=captured, new_id=lambda: str(uuid.uuid4())), simulated=True)
    lake = Lake(settings.lake.root)
    write_dashboard_alone(settings)
    return Shown(lake.dashboard, open_published(lake), open_file(lake.builds()[-2]) if days > 1 else None)


@pytest.fixture(scope="session")
def lakes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Shown]:
    root = tmp_path_factory.mktemp("lakes")
    empty = tuple(replace(place, task_count=0) for place in ALL)
    names = {1: LONG, **dict.fromkeys(range(2, 10), ""), 19: "target-1"}
    many = tuple(Place(f"{n:032x}", "cn-north-4", 15, name=names.get(n, f"target-{n:02}")) for n in range(20))
    failing = {
        (SINGAPORE.project_id, DAY): "forbidden",
        (BEIJING.project_id, DAY - timedelta(days=2)): "null_tasks",
        (SHANGHAI.project_id, None): "forbidden",
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HUAWEICLOUD_SDK_AK", AccessKey().ak)
        patch.setenv("HUAWEICLOUD_SDK_SK", AccessKey().sk)
        return {
            "good": make(root / "good", ALL, {}, 4),
            "incomplete": make(root / "incomplete", ALL, failing, 5, frozenset({DAY - timedelta(days=3)})),
            "late": make(root / "late", ALL, {(SINGAPORE.project_id, DAY): "forbidden"}, 2),
            "one of twenty": make(root / "twenty", many, {(many[7].project_id, DAY): "forbidden"}, 2),
            "all late": make(root / "all", ALL, {(p.project_id, DAY): "forbidden" for p in ALL}, 2),
            "held": make(root / "held", ALL, {}, 2, service=Shrinking),
            "empty": make(root / "empty", empty, {}, 2),
            "first": first_and_cut(patch, root),
        }


def first_and_cut(patch: pytest.MonkeyPatch, root: Path) -> Shown:
    """The page of a first day, whose tables hold two rows each."""
    with patch.context() as bound:
        bound.setattr(bounds, "Bounds", partial(bounds.Bounds, rows=2))
        return make(root / "first", ALL, {}, 1)


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
    """Opens a page at a moment; in the end nothing may have been said on its console, and nothing asked for but itself."""
    pages: list[tuple[Page, list[str], list[str]]] = []

    def go(
        name: str, place: str = "", width: int = 1280, now: datetime = OPENED, before: str = "", **options: object
    ) -> tuple[Page, Shown]:
        context = browser.new_context(viewport={"width": width, "height": 900}, locale="en-GB", **options)
        page = context.new_page()
        page.clock.set_fixed_time(now)
        if before:
            page.add_init_script(before)
        said: list[str] = []
        asked: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{lakes[name].file.as_uri()}#{place}")
        page.wait_for_selector("html[data-drawn], #broken:not([hidden])", state="attached")
        pages.append((page, said, asked))
        return page, lakes[name]

    yield go
    for page, said, asked in pages:
        assert said == []
        assert [url for url in asked if not url.startswith("file:")] == []
        assert len(asked) == 1
        page.context.close()


def after(page: Page, step: Callable[[], object]) -> None:
    """Do a step and wait until the page is drawn anew."""
    before = int(page.evaluate("document.documentElement.dataset.drawn"))
    step()
    page.wait_for_function("before => Number(document.documentElement.dataset.drawn) > before", arg=before)


def go_to(page: Page, place: str) -> None:
    """Go to another place of the page by its address; one that is there already is not drawn anew."""
    if page.evaluate("location.hash") != f"#{place}":
        after(page, lambda: page.evaluate("place => { location.hash = place; }", place))


def place_of(page: Page) -> str:
    return page.url.partition("#")[2]


def life_of(key: str) -> str:
    return f"view=life&task={quote(key, safe='')}"


def places(shown: Shown) -> dict[str, str]:
    """Every kind of place of a page by name: its views, the tasks of a day and of an hour, lives."""
    found = {view: f"view={view}" for view in VIEWS} | {
        "day": f"view=tasks&day={BEFORE if shown.before else DAY}",
        "hour": f"view=tasks&hour={int(OPENED.timestamp()) // 3600 * 3600}",
        "target": f"view=life&target={quote(f'{BEIJING.project_id}/{BEIJING.region}', safe='')}",
        "nobody": "view=life&target=nobody%2Fnowhere",
    }
    if keys := shown.all(BUSIEST):
        found["task"] = life_of(keys[0][0])
    return found


def tile(page: Page, name: str) -> str:
    return page.locator(f"[data-tile={name}] strong").inner_text()


def bars(page: Page) -> Locator:
    """Return the marks of the chart that stand for known tasks, in the order of days."""
    return page.locator("#history svg a").filter(has_not_text=re.compile("· 0 tasks ·"))


def rows(page: Page, table: str) -> list[list[str]]:
    """Return what the rows of a table show now; columns that are hidden are empty."""
    return page.locator(f"#{table} > .table tbody tr").evaluate_all(
        "all => all.map(row => [...row.cells].map(cell => cell.hidden ? '' : cell.innerText.trim()))"
    )


def count_of(page: Page, table: str) -> int:
    text = page.locator(f"#{table} .pager").last.text_content()
    found = re.search(r"of ([\d,]+)", text)
    return int(found[1].replace(",", "")) if found else 0


def sql_of(page: Page, table: str) -> str:
    """Return the SQL that a table offers to copy."""
    return page.locator(f"#{table} > .table").get_by_text("Copy its SQL").get_attribute("title")


def found_in(page: Page, table: str) -> list[dict[str, str]]:
    """Return all rows that a table found, as it would copy them."""
    return list(csv.DictReader(StringIO(page.evaluate("name => tables[name].csv()", table), newline="")))


def numbers(page: Page) -> list[list[str]]:
    """Return the table behind the chart, all of its pages."""
    return page.evaluate("document.getElementById('history').table.found.map(row => row.map(String))")
