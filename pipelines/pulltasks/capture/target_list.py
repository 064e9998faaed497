"""The day's target list: what was to be listed, and what a person accepted of it.

Lives here: a target as the archive keeps it, acceptances that last through the day, writing the list.
Does not live here: listing the targets (targets), what follows from an acceptance (sql/staging/stg_captures.sql).
"""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

import msgspec

from pulltasks.errors import LakeError
from pulltasks.lake.raw import TargetLine, TargetList
from pulltasks.lake.strays import read_own_capture, read_own_targets

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import date
    from pathlib import Path

    from pulltasks.lake.lake import Lake
    from pulltasks.settings import Settings, Target


def target_line(settings: Settings, target: Target) -> TargetLine:
    """Return the target as the archive keeps it."""
    return TargetLine(
        project_id=target.project_id,
        region=target.region,
        name=target.name,
        endpoint=settings.endpoint(target),
        query_region=target.query_region or target.region,
        timezone=settings.timezone,
        max_drop_ratio=settings.api.max_drop_ratio,
    )


def write_targets(
    settings: Settings,
    lake: Lake,
    day: date,
    targets: Sequence[Target],
    accept_drop: Collection[tuple[str, str]],
    kept: Collection[tuple[str, str]],
) -> None:
    """Keep what is to be listed, and what was accepted earlier on the day.

    An acceptance is of the tasks that lacked: for a target that is listed again it is kept as their ids.
    """
    path = lake.targets_file(day)
    try:
        own = read_own_targets(lake, day)
    except LakeError:
        own = None  # damaged, or that of another day: it is written anew
    before = {line.key: line for line in own.targets} if own else {}

    def line_of(target: Target) -> TargetLine:
        line, old = target_line(settings, target), before.get(target.key)
        was_accepted = old is not None and old.drop_accepted
        ids = set(old.accepted_task_ids) if old else set()
        if was_accepted and target.key not in kept:
            ids |= _lacking(lake, lake.raw_file(day, *target.key))
        return msgspec.structs.replace(
            line,
            drop_accepted=target.key in accept_drop or (was_accepted and target.key in kept),
            accepted_task_ids=sorted(ids),
        )

    content = msgspec.json.encode(
        TargetList(
            snapshot_date=day,
            timezone=settings.timezone,
            software_version=version("pulltasks"),
            targets=[line_of(target) for target in targets],
        )
    )
    if path.is_file() and path.read_bytes() == content:
        return  # a rewritten list would make the day's tables look old
    with lake.writing(path) as unfinished:
        unfinished.write_bytes(content)


def _lacking(lake: Lake, path: Path) -> set[str]:
    """Return the tasks known before that a complete capture lacks; none where there is no such capture."""
    try:
        verdict = read_own_capture(lake, path, with_answers=False).verdict
    except LakeError:
        return set()
    return {*verdict.gone, *verdict.unlisted, *verdict.unchecked} if verdict.verdict == "complete" else set()
