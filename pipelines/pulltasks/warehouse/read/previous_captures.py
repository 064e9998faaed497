"""Read the previous capture of each target from the newest build that can be read.

Lives here: finding such a build, querying it.
Does not live here: comparing a new listing with it (capture.attempt).
"""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from functools import cache
from typing import TYPE_CHECKING

import duckdb

from pulltasks.errors import LakeError
from pulltasks.previous import NO_PREVIOUS_CAPTURE, PreviousCapture
from pulltasks.warehouse.read.published import open_file
from pulltasks.warehouse.read.status import build_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date

    from pulltasks.lake.lake import Lake


@contextmanager
def previous_captures(lake: Lake, day: date) -> Iterator[Callable[[tuple[str, str]], PreviousCapture]]:
    """Yield a function that returns the capture of a target `(project_id, region)` before `day`.

    Tasks that an earlier capture of `day` found missing count as known: a capture that replaces it must bring the
    evidence for their absence again. If no build can be read, nothing is known, and the day is captured all the same: a
    build can be rebuilt, a missed day cannot be captured later.
    """
    with ExitStack() as stack:

        @cache  # opened at the first call, and only once
        def build() -> duckdb.DuckDBPyConnection | None:
            return next((stack.enter_context(found) for found in _readable_builds(lake)), None)

        def known(target: tuple[str, str]) -> PreviousCapture:
            if (connection := build()) is None:
                return NO_PREVIOUS_CAPTURE
            try:
                tasks = connection.execute(
                    "select task_id, task_region from dim_pull_tasks "
                    "where project_id = $1 and region = $2 and (is_current or absence_noticed_date = $3)",
                    (*target, day),
                ).fetchall()
                row = connection.execute(
                    "select accepted_task_ids, offset_unit from dim_targets where project_id = $1 and region = $2",
                    target,
                ).fetchone()
            except duckdb.Error:
                return NO_PREVIOUS_CAPTURE
            accepted_ids, offset_unit = row or (None, "unknown")
            return PreviousCapture(
                task_ids=frozenset(task_id for task_id, _ in tasks),
                accepted_ids=frozenset(accepted_ids or []),
                regions=frozenset(region for _, region in tasks if region is not None),
                offset_unit=offset_unit,
            )

        yield known


def _readable_builds(lake: Lake) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield connections to the published build, then to the others, newest first; skip those that cannot be read."""
    for path in (lake.published, *reversed(lake.builds())):
        try:
            connection = open_file(path)
        except LakeError:
            continue
        # a file of another version opens, but may lack the tables
        try:
            build_of(connection)
        except duckdb.Error:
            connection.close()
            continue
        yield connection
