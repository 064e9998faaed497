"""What readers far away may see: the published file, the page and the open tables, in a bucket of their own.

Lives here: which files these are there, their order, what of old tables goes.
Does not live here: the private mirror (push), making any of it (warehouse, dashboard).
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from pulltasks.lake.lake import EXPOSED, KEPT_VERSIONS, LATEST, TABLE_FILE, TABLES_OF_VERSION, sha256_of
from pulltasks.mirror.store import Store, at_once

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime
    from pathlib import Path

    from pulltasks.lake.lake import Lake
    from pulltasks.settings import Settings

PUBLISHED_FILE, PUBLISHED_PAGE = "pulltasks.duckdb", "dashboard.html"
TABLES = "tables/"
# A version of the open tables that the lake has no more may still be read by somebody.
UNREAD_FOR = timedelta(days=1)


def put_for_readers(
    lake: Lake, settings: Settings, known: Mapping[str, str], now: Callable[[], datetime]
) -> tuple[dict[str, str], list[int]]:
    """Put what differs from what was put last; nothing at all while the published file shows secrets.

    Args:
        lake: what is published there.
        settings: where readers look, and whether secrets are shown.
        known: hash of what was put last, by its address.
        now: the time.

    Returns:
        The hashes anew, and the size of each file that was put.

    Raises:
        MirrorError: when a file cannot be put.
    """
    url = settings.lake.mirror.published_url
    if url is None or settings.warehouse.expose_secrets or EXPOSED in lake.published.resolve().name:
        return dict(known), []
    files = {PUBLISHED_FILE: lake.published, PUBLISHED_PAGE: lake.dashboard} | _tables(lake)
    hashes = {f"{url}/{name}": (name, path, sha256_of(path)) for name, path in files.items() if path.exists()}
    found, sizes = dict(known), []
    store = Store(url, settings, now)
    for address, (name, path, digest) in hashes.items():
        if known.get(address) != digest:
            store.put(name, path.resolve())
            sizes.append(path.stat().st_size)
            found[address] = digest
    had_tables = any(address.startswith(f"{url}/{TABLES}") for address in known)
    if had_tables or (sizes and any(name.startswith(TABLES) for name in files)):
        for key in _let_go(store, set(files)):
            found.pop(f"{url}/{key}", None)
    return found, sizes


def _tables(lake: Lake) -> dict[str, Path]:
    """The open tables by their names there; `latest.json` comes last, when all that it names is there."""
    paths = sorted(path for path in lake.open_tables.rglob("*") if path.is_file())
    files = {f"{TABLES}{path.relative_to(lake.open_tables).as_posix()}": path for path in paths}
    return files | ({LATEST: lake.latest_tables} if lake.latest_tables.is_file() else {})


def _let_go(store: Store, named: set[str]) -> list[str]:
    """Remove what the lake has no more, once it is old by the store's clock; returns the names.

    A lake keeps three versions. One that keeps fewer took the others away, as their masks or their key are others or a
    day was forgotten: then readers lose them too, at once.
    """
    versions = {name.split("/")[1] for name in named if name.startswith(TABLES)} - {"current"}
    ends = (f"/{TABLE_FILE}", f"/{TABLES_OF_VERSION}")
    listed = [found for found in store.objects(TABLES) if found.key.endswith(ends)]
    newest = max((found.at for found in listed), default=None)
    gone = [found for found in listed if found.key not in named]
    if len(versions) >= KEPT_VERSIONS:
        gone = [found for found in gone if newest and newest - found.at > UNREAD_FOR]
    keys = [found.key for found in gone]
    if gone and LATEST not in named:
        keys.insert(0, LATEST)  # what names them goes first
    at_once(store.delete, keys)
    return keys
