"""Open the published warehouse.

Lives here: read-only connections.
Does not live here: building and publishing (working_copy, publish), the tidy tables behind it (lake.tidy).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

from pulltasks.errors import LakeError, NoWarehouse

if TYPE_CHECKING:
    from pathlib import Path

    from pulltasks.lake.lake import Lake


def open_published(lake: Lake) -> duckdb.DuckDBPyConnection:
    """Return a read-only connection to the file that is published now.

    Raises:
        NoWarehouse: when nothing has been published.
        LakeError: when it cannot be opened.
    """
    return open_file(lake.published)


def open_file(path: Path) -> duckdb.DuckDBPyConnection:
    """Return a read-only connection to a warehouse file.

    Raises:
        NoWarehouse: when the file does not exist.
        LakeError: when it cannot be opened.
    """
    file = published_file(path)
    try:
        return duckdb.connect(str(file), read_only=True)
    except duckdb.Error as error:
        raise not_opened(path, error) from None


def published_file(path: Path) -> Path:
    """Return the path of the file behind the link.

    Connections use this path: under the link's own path DuckDB would return an older file that the process has open.

    Raises:
        NoWarehouse: when there is neither a link nor a file.
        LakeError: when the link points at nothing.
    """
    if path.exists():
        return path.resolve()
    if path.is_symlink():
        raise LakeError(f"{path}: the build that it points at is gone; run `pulltasks snapshot` to publish again")
    raise NoWarehouse(f"{path}: nothing has been published yet; run `pulltasks snapshot` first")


def not_opened(path: Path, error: duckdb.Error) -> LakeError:
    """Return the error for a file that exists and cannot be opened."""
    return LakeError(f"{path}: cannot be opened ({error}); remove it and run `pulltasks snapshot` again")
