"""The page `warehouse/dashboard.html`: one file that shows the warehouse, from disk, without a network.

Lives here: writing the page beside the warehouse, and telling whether it must be written again. Its data is read in
contents, its form is in render and page/.
Does not live here: any number that does not come from the warehouse's own models.
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
    from pathlib import Path

    from pulltasks.settings import Limits, Settings

__all__ = ["NOT_WRITTEN", "is_current", "page_of", "write_dashboard", "write_dashboard_alone"]

NOT_WRITTEN = "published, but the page could not be written"

# Charts are tested with this version; a new vl-convert may bring others as well.
VEGA_LITE_VERSION = "6.4"
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
    file = lake.chart_library(_library_version())
    if not file.is_file():
        with lake.writing(file) as unfinished:
            unfinished.write_text(_chart_library(), encoding="utf-8")
    page = page_of(lake, settings, file.read_text(encoding="utf-8"))
    with lake.writing(lake.dashboard, mode=PUBLIC_FILE) as unfinished:
        unfinished.write_bytes(page + _seal(lake, settings, page))
    return lake.dashboard


def page_of(lake: Lake, settings: Settings, charts: str | None = None) -> bytes:
    """Return the page of the published warehouse; only the published file is read, and nothing is written.

    `charts` is the script of the charts; without one it is bundled, which takes seconds.

    Raises:
        NoWarehouse: when nothing has been published.
        LakeError: when the published file shows secrets, as the page is for everybody.
    """
    # The name of a build shows that it was made with expose_secrets, whatever the settings are now.
    if EXPOSED in lake.published.resolve().name:
        raise LakeError(
            f"{lake.published}: shows secrets in clear (warehouse.expose_secrets), and the page is for everybody; "
            "switch that off and run `pulltasks snapshot` first"
        )
    # Imported here, because a run that finds the page current needs none of it.
    from pulltasks.dashboard.contents import read_contents
    from pulltasks.dashboard.render import render

    with open_published(lake) as connection:
        contents = read_contents(connection, *_shown_by(settings))
    return render(contents, charts or _chart_library())


def _shown_by(settings: Settings) -> tuple[str, Limits, str | None]:
    """Return the settings that the page shows."""
    return settings.timezone, settings.alerts.limits, settings.warehouse.display_timezone


def _seal(lake: Lake, settings: Settings, page: bytes) -> bytes:
    """Return the last line of the page: the hash of everything that it was made of, and of itself."""
    made_of = (lake.published.resolve().name, _shown_by(settings), version("pulltasks"), _library_version())
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


def _chart_library() -> str:
    """Return Vega-Lite with its dependencies as one script; the lake stores it, because bundling takes seconds."""
    import vl_convert

    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=VEGA_LITE_VERSION)


def _library_version() -> str:
    return f"{version('vl-convert-python')}-{VEGA_LITE_VERSION}"
