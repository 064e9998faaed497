"""What the last complete capture of each target showed, as a build holds it.

Lives here: finding a build that can be read, asking it.
Does not live here: what a capture does with it (capture.attempt).
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import duckdb

from pulltasks.errors import LakeError
from pulltasks.previous import NO_PREVIOUS_CAPTURE, PreviousCapture
from pulltasks.warehouse.published import open_file
from pulltasks.warehouse.status import build_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pulltasks.lake.lake import Lake


@contextmanager
def previous_captures(lake: Lake) -> Iterator[Callable[[tuple[str, str]], PreviousCapture]]:
    """What the last complete capture of each target showed, asked of the newest build that can be read.

    A build that is damaged must not keep a day from being captured: it can be made again, the day cannot.
    """
    with ExitStack() as stack:
        connection = next((stack.enter_context(found) for found in _readable_builds(lake)), None)
        if connection is None:
            yield lambda _: NO_PREVIOUS_CAPTURE
            return

        def known(target: tuple[str, str]) -> PreviousCapture:
            try:
                tasks = connection.execute(
                    "select task_id, task_region from dim_pull_tasks "
                    "where project_id = $1 and region = $2 and is_current",
                    target,
                ).fetchall()
                unit = connection.execute(
                    "select offset_unit from dim_targets where project_id = $1 and region = $2", target
                ).fetchone()
            except duckdb.Error:
                return NO_PREVIOUS_CAPTURE
            return PreviousCapture(
                frozenset(task_id for task_id, _ in tasks),
                frozenset(region for _, region in tasks if region is not None),
                unit[0] if unit else "unknown",
            )

        yield known


def _readable_builds(lake: Lake) -> Iterator[duckdb.DuckDBPyConnection]:
    """The published build, then the ones before it, newest first, without those that cannot be read."""
    for path in (lake.published, *reversed(lake.builds())):
        try:
            connection = open_file(path)
        except LakeError:
            continue
        try:
            build_of(connection)
        except duckdb.Error:
            connection.close()
            continue
        yield connection
