"""The day's target list: the expected targets, and the drops that a person accepted.

Lives here: a target in the form of the archive, acceptances that last through the day, writing the list.
Does not live here: listing the targets (day), the effect of an acceptance (sql/staging/stg_captures.sql).
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
    """Return the target in the form of the archive."""
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
    """Write the expected targets of a day, with acceptances from earlier runs of the day.

    An acceptance is about the tasks that were missing then. For a target that is listed again it is stored as their
    ids, so that it does not cover tasks that are missing only now.

    Args:
        settings: the configuration.
        lake: the lake.
        day: the snapshot date.
        targets: all targets of the configuration.
        accept_drop: targets whose drop is accepted by this run, by `(project_id, region)`.
        kept: targets whose complete capture of the day stays, by `(project_id, region)`.
    """
    path = lake.targets_file(day)
    try:
        own = read_own_targets(lake, day)
    except LakeError:
        own = None  # damaged, or that of another day: it is replaced
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
    """Return the ids of known tasks that a complete capture lacks; empty if there is no complete capture."""
    try:
        verdict = read_own_capture(lake, path, with_answers=False).verdict
    except LakeError:
        return set()
    return {*verdict.gone, *verdict.unlisted, *verdict.unchecked} if verdict.verdict == "complete" else set()
