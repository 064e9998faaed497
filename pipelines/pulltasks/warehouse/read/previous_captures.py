"""What the last complete capture of each target before a day showed, as a build holds it.

Lives here: finding a build that can be read, asking it.
Does not live here: what a capture does with it (capture.attempt).
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
    """Give what each target showed before `day`, as the newest build that can be read has it.

    What an earlier capture of the same day found missing counts as known as well: a capture that takes its place must
    bring the evidence for it again. A damaged build must not keep a day from being captured: the build can be made
    again, the day cannot.
    """
    with ExitStack() as stack:

        @cache
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
                said = connection.execute(
                    "select accepted_task_ids, offset_unit from dim_targets where project_id = $1 and region = $2",
                    target,
                ).fetchone()
            except duckdb.Error:
                return NO_PREVIOUS_CAPTURE
            accepted_ids, offset_unit = said or (None, "unknown")
            return PreviousCapture(
                task_ids=frozenset(task_id for task_id, _ in tasks),
                accepted_ids=frozenset(accepted_ids or []),
                regions=frozenset(region for _, region in tasks if region is not None),
                offset_unit=offset_unit,
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
