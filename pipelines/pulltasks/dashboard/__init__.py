"""The page `warehouse/dashboard.html`: one file that shows the warehouse, from disk, without a network.

Lives here: writing the page beside the warehouse, telling whether it must be written again, and its brief.
Does not live here: any number that does not come from the warehouse's own models; reading (contents), form (render).
"""

from __future__ import annotations

import hashlib
from importlib.metadata import version
from typing import TYPE_CHECKING

from pulltasks.errors import ConfigError, LakeError
from pulltasks.lake.files import PUBLIC_FILE
from pulltasks.lake.lake import Lake
from pulltasks.lake.paths import EXPOSED
from pulltasks.warehouse.read.published import open_published

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from pulltasks.settings import Limits, Settings

__all__ = ["NOT_WRITTEN", "brief", "is_current", "page_of", "write_dashboard", "write_dashboard_alone"]

NOT_WRITTEN = "published, but the page could not be written"

# The last line of the page begins with this.
_SEAL = b"<!-- sha256 "


def is_current(lake: Lake, settings: Settings) -> bool:
    """Tell whether the page is whole, and shows the published build under these settings and this program.

    Its ages do not matter: the browser counts them when the page is opened.
    """
    try:
        page, mark, seal = lake.dashboard.read_bytes().rpartition(_SEAL)
    except OSError:
        return False
    return mark + seal == _seal(lake, settings, page)


def write_dashboard(lake: Lake, settings: Settings) -> Path:
    """Write the page (see `page_of`) beside the warehouse, and return its path; the caller holds the lake's lock."""
    page = page_of(lake, settings)
    with lake.writing(lake.dashboard, mode=PUBLIC_FILE) as unfinished:
        unfinished.write_bytes(page + _seal(lake, settings, page))
    return lake.dashboard


def page_of(lake: Lake, settings: Settings) -> bytes:
    """Return the page of the published warehouse; only the published file is read, and nothing is written.

    Raises:
        NoWarehouse: when nothing has been published.
        LakeError: when the published file shows secrets, as the page is for everybody, or when the page would be too
            large however little it held.
    """
    _require_masked(lake)
    # Imported here, because a run that finds the page current needs none of it.
    from pulltasks.dashboard.bounds import MOST_BYTES, Bounds
    from pulltasks.dashboard.contents import read_contents
    from pulltasks.dashboard.render import render

    with open_published(lake) as connection:
        bounds: Bounds | None = Bounds()
        while bounds:
            page = render(read_contents(connection, *_shown_by(settings), bounds))
            if len(page) <= MOST_BYTES:
                return page
            bounds = bounds.halved()
    raise LakeError(
        f"{lake.dashboard}: the page would have {len(page):,} bytes even without lists; {MOST_BYTES:,} are the most "
        "that a browser and a mail should take; divide the targets among several lakes (docs/scale.md)"
    )


def brief(lake: Lake, settings: Settings, language: str, now: datetime) -> list[str]:
    """Return the page's verdict in five lines of text, in `en` or `zh`.

    Raises:
        NoWarehouse: when nothing has been published.
        LakeError: when the published file shows secrets.
    """
    _require_masked(lake)
    from pulltasks.dashboard.contents import read_overview
    from pulltasks.dashboard.verdict import brief_of

    with open_published(lake) as connection:
        return brief_of(read_overview(connection, *_shown_by(settings)), language, now)


def _require_masked(lake: Lake) -> None:
    # The name of a build shows that it was made with expose_secrets, whatever the settings are now.
    if EXPOSED in lake.published.resolve().name:
        raise LakeError(
            f"{lake.published}: shows secrets in clear (warehouse.expose_secrets), and the page is for everybody; "
            "switch that off and run `pulltasks snapshot` first"
        )


def _shown_by(settings: Settings) -> tuple[str, Limits, str | None]:
    """Return the settings that the page shows."""
    return settings.timezone, settings.alerts.limits, settings.warehouse.display_timezone


def _seal(lake: Lake, settings: Settings, page: bytes) -> bytes:
    """Return the last line of the page: the hash of everything that it was made of, and of itself."""
    made_of = (lake.published.resolve().name, _shown_by(settings), version("pulltasks"))
    return _SEAL + hashlib.sha256(repr(made_of).encode() + page).hexdigest().encode() + b" -->\n"


def write_dashboard_alone(settings: Settings) -> Path:
    """Write the page outside a run, and return its path; it takes the lake's lock itself.

    Raises:
        NoWarehouse: when nothing has been published; no folder is created then.
        LakeBusy: when another run is writing, which will write the page as well if the settings ask for one.
    """
    lake = Lake(settings.lake.root)
    # Opened before anything is created: without a published file there is no reason to make a lake.
    open_published(lake).close()
    try:
        lake.prepare()
    except ConfigError as error:
        raise ConfigError([f"{error.mistakes[0]}, or write only the page: pulltasks dashboard -o FILE"]) from None
    with lake.lock():
        lake.require_whole()
        return write_dashboard(lake, settings)
