"""A sandbox with a configuration and a lake, on which most tests work; no test by itself."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

from pulltasks import config
from pulltasks.capture.day import CaptureOptions, DayCapture
from pulltasks.clock import Clock
from pulltasks.lake.lake import Lake
from pulltasks.lake.manifests import stale_dates
from pulltasks.lake.normalise import normalise_day
from pulltasks.sandbox.data import Place
from pulltasks.warehouse.build.publish import build_and_publish
from pulltasks.warehouse.read.published import open_published
from pulltasks.warehouse.sql.models import load_models
from shelf import Shelf, copy_lake

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable
    from pathlib import Path

    from pulltasks.capture.day import CaptureResult
    from pulltasks.sandbox.server import Sandbox
    from pulltasks.settings import Settings

BEIJING = Place("0123456789abcdef0123456789abcdef", "cn-north-4", 250, name="cn-north-4")
SINGAPORE = Place("fedcba9876543210fedcba9876543210", "ap-southeast-3", 120, name="ap-southeast-3")
NAMES = {BEIJING.project_id: "beijing", SINGAPORE.project_id: "singapore"}

DAYS = [date(2026, 11, 16) + timedelta(days=n) for n in range(7)]
RUNS_WITH_GAPS = (*DAYS[:3], DAYS[4])
# Lakes of `made_once` begin on the first of them: those that begin alike are made of one another.
SMALL_DAYS = [date(2026, 10, 30) + timedelta(days=n) for n in range(5)]

# Zones with and without summer time, half hours, and days that were skipped.
ZONES = [
    "UTC",
    "Asia/Shanghai",
    "Europe/Berlin",
    "America/New_York",
    "Pacific/Kiritimati",
    "Australia/Lord_Howe",
    "Pacific/Apia",
]


def write_config(folder: Path, url: str, *places: Place, extra: str = "") -> Path:
    """A configuration for some made-up projects at `url`; `extra` stands before the targets."""
    targets = "\n".join(
        f'[[targets]]\nproject_id = "{place.project_id}"\nregion = "{place.region}"\n'
        f'name = "{NAMES.get(place.project_id, "other")}"\n'
        for place in places
    )
    file = folder / "pulltasks.toml"
    api = f'[api]\nendpoint = "{url}"\niam_endpoint = "{url}"\nrequests_per_second = 100000\n'
    file.write_text(f"{api}{extra}\n{targets}", encoding="utf-8")
    return file


@dataclass
class Desk:
    """A sandbox, a configuration that points at it, a lake, and the steps of a run at a simulated date."""

    sandbox: Sandbox
    url: str
    folder: Path
    places: tuple[Place, ...]
    extra: str = ""
    ids: list[int] = field(default_factory=lambda: [0])

    @property
    def settings(self) -> Settings:
        return config.load(write_config(self.folder, self.url, *self.places, extra=self.extra))

    @property
    def config_file(self) -> Path:
        return write_config(self.folder, self.url, *self.places, extra=self.extra)

    @property
    def lake(self) -> Lake:
        return Lake(self.folder / "lake")

    @property
    def clock(self) -> Clock:
        """The real time, as it is signed, and identifiers that count."""

        def new_id() -> str:
            self.ids[0] += 1
            return str(uuid.UUID(int=self.ids[0]))

        return Clock(now=lambda: datetime.now(UTC), new_id=new_id)

    def capture(self, day: date, **options: bool) -> list[CaptureResult]:
        self.lake.prepare()
        with self.lake.lock():
            return asyncio.run(
                DayCapture(self.settings, self.lake, day, self.clock, CaptureOptions(simulated=True, **options)).run()
            )

    def tidy(self, day: date) -> None:
        """Capture a day and make its tidy tables, for what needs no warehouse."""
        self.capture(day)
        with self.lake.lock():
            normalise_day(self.lake, day)

    def build(self) -> Path:
        with self.lake.lock():
            for day in stale_dates(self.lake):
                normalise_day(self.lake, day)
            return build_and_publish(self.lake, load_models(), self.settings.warehouse, datetime.now(UTC))

    def run(self, day: date) -> list[CaptureResult]:
        results = self.capture(day)
        self.build()
        return results


def copied(desk: Desk, folder: Path) -> Desk:
    """The desk with a copy of its lake in another folder."""
    copy_lake(desk.lake.root, folder / "lake")
    return replace(desk, folder=folder)


def rows(desk: Desk, query: str) -> list[tuple]:
    """What is published says to a query."""
    with open_published(desk.lake) as connection:
        return connection.sql(query).fetchall()


def from_shelf(shelf: Shelf, name: Hashable, desk: Desk, make: Callable[[], object]) -> None:
    """Give a desk the lake that is called so, and let its identifiers count on; `make` makes it where there is none."""

    def make_and_note() -> str:
        make()
        return str(desk.ids[0])

    desk.ids[:] = [int(shelf.put_or_copy(name, desk.lake.root, make_and_note))]
