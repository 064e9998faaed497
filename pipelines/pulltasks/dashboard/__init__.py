"""The page `warehouse/dashboard.html`: one file that shows the warehouse, from disk, without a network.

Lives here: writing the page beside the warehouse. Its data is read in contents, its form is in render and page/.
Does not live here: any number that does not come from the warehouse's own models.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pulltasks.dashboard.contents import read_contents
from pulltasks.dashboard.render import render
from pulltasks.errors import LakeError
from pulltasks.lake.files import PUBLIC_FILE
from pulltasks.lake.lake import Lake
from pulltasks.lake.paths import EXPOSED
from pulltasks.warehouse.read.published import open_published

if TYPE_CHECKING:
    from pathlib import Path

    from pulltasks.settings import Settings

__all__ = ["NOT_WRITTEN", "write_dashboard", "write_dashboard_alone"]

NOT_WRITTEN = "published, but the page could not be written"

# Charts are tested with this version; a new vl-convert may bring others as well.
VEGA_LITE_VERSION = "6.4"


def write_dashboard(lake: Lake, settings: Settings) -> Path:
    """Write the page of the published warehouse, and return its path; the caller holds the lake's lock.

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
    with open_published(lake) as connection:
        contents = read_contents(
            connection, settings.timezone, settings.alerts.limits, settings.warehouse.display_timezone
        )
    page = render(contents, _chart_library(lake))
    with lake.writing(lake.dashboard, mode=PUBLIC_FILE) as unfinished:
        unfinished.write_bytes(page)
    return lake.dashboard


def write_dashboard_alone(settings: Settings) -> Path:
    """Write the page outside a run, and return its path; it takes the lake's lock itself.

    Raises:
        NoWarehouse: when nothing has been published; no folder is created then.
        LakeBusy: when another run is writing, which will write the page as well if the settings ask for one.
    """
    lake = Lake(settings.lake.root)
    # Opened before anything is created: without a published file there is no reason to make a lake.
    open_published(lake).close()
    lake.prepare()
    with lake.lock():
        lake.require_whole()
        return write_dashboard(lake, settings)


def _chart_library(lake: Lake) -> str:
    """Return Vega-Lite with its dependencies as one script; it is bundled once per version, which takes seconds."""
    from importlib.metadata import version

    file = lake.chart_library(f"{version('vl-convert-python')}-{VEGA_LITE_VERSION}")
    if not file.is_file():
        import vl_convert

        script = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=VEGA_LITE_VERSION)
        with lake.writing(file) as unfinished:
            unfinished.write_text(script, encoding="utf-8")
    return file.read_text(encoding="utf-8")
