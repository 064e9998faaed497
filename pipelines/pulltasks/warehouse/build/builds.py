"""The builds in a lake: reading their metadata, and removing old ones.

Lives here: reading them, retention.
Does not live here: which of them to build upon (plan), the metadata tables (meta), publishing one (finish).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import duckdb

from pulltasks.lake.paths import EXPOSED
from pulltasks.sql_literals import escaped
from pulltasks.warehouse.sql.meta import META_BUILD, META_INPUTS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date
    from pathlib import Path

    from pulltasks.lake.lake import Lake

KEPT_BUILDS = 3


@dataclass(frozen=True)
class HeldBuild:
    """The metadata of a build.

    Attributes:
        opens: whether the database can open it.
        rules: the hashes of the SQL and the masks that its rows depend on; None where another version wrote it.
        inputs: its days, in order, with the hashes of their manifests.
    """

    opens: bool
    rules: str | None = None
    inputs: dict[date, str] = field(default_factory=dict)

    def days_held(self, inputs: Mapping[date, str], rules: str) -> int:
        """Return the number of its days if they are the first ones of `inputs` and unchanged; else 0."""
        is_base = self.rules == rules and self.inputs == dict(list(inputs.items())[: len(self.inputs)])
        return len(self.inputs) if is_base else 0


def read_builds(lake: Lake) -> dict[Path, HeldBuild]:
    """Return the metadata of all builds, of all bases and of the published build, by path."""
    paths = {*lake.builds(), *lake.bases().values(), *([lake.published.resolve()] if lake.published.exists() else [])}
    if not paths:
        return {}
    with duckdb.connect(config={"threads": 1}) as reader:
        return {path: _read(reader, path) for path in sorted(paths)}


def _read(reader: duckdb.DuckDBPyConnection, path: Path) -> HeldBuild:
    try:
        reader.execute(f"attach '{escaped(path)}' as build (read_only)")
    except duckdb.Error:
        return HeldBuild(opens=False)
    try:
        ((rules,),) = reader.execute(f"select rules from build.{META_BUILD}").fetchall()
        inputs = dict(reader.execute(f"select * from build.{META_INPUTS} order by all").fetchall())
    except (duckdb.Error, ValueError):
        return HeldBuild(opens=True)
    finally:
        reader.execute("detach build")
    return HeldBuild(opens=True, rules=rules, inputs=inputs)


def remove_all_builds(lake: Lake) -> None:
    """Remove all builds and the link, when no day is left in the lake."""
    # the link goes first, so that readers never follow it to a missing file
    lake.published.unlink(missing_ok=True)
    for build in (*lake.builds(), *lake.bases().values()):
        build.unlink()


def remove_builds_of_other_masks(lake: Lake, held: Mapping[Path, HeldBuild], rules: str) -> None:
    """Remove builds that were masked by other rules or with another key, except the published one.

    After a fix of a mask no older build may show what the old mask let through.
    """
    published = lake.published.resolve()
    for path, build in held.items():
        if path != published and build.rules is not None and _masks_in(build.rules) != _masks_in(rules):
            path.unlink()


def _masks_in(rules: str) -> str:
    # the last part of the rules, see `plan_build`
    return rules.rpartition("|")[2]


def retire_builds(
    lake: Lake, held: Mapping[Path, HeldBuild], inputs: Mapping[date, str], rules: str, added: set[date]
) -> None:
    """Retain the newest three builds, turn older ones into bases, and remove the rest.

    A base is used when an older day changes. The older, the fewer: one base that ends 1 day before the last day, one
    that ends 2 to 3 days before it, one 4 to 7, and so on. So a build that starts again at an older day adds not many
    more days than those that have changed.

    Args:
        lake: its newest build is published already.
        held: the metadata of the builds, read before the newest one was published.
        inputs: the days of the newest build.
        rules: the rules of the newest build.
        added: the days that it added.
    """
    remove_builds_of_other_masks(lake, held, rules)
    builds, published, last = lake.builds(), lake.published.resolve(), list(inputs)[-1]
    for path in set(builds[:-KEPT_BUILDS]) - {published}:
        count = held[path].days_held(inputs, rules)
        through = list(inputs)[count - 1]
        # a build that shows secrets is never retained as a base
        if count and through < last and EXPOSED not in path.name:
            lake.put(path, lake.base(through))
        else:
            path.unlink()
    by_age: dict[int, date] = {}
    for day, base in lake.bases().items():
        age = (last - day).days.bit_length()  # 1 day: 1, 2 to 3 days: 2, 4 to 7 days: 3, …
        # a base that holds a day which was added again has that day in its earlier state
        if day in added or age in by_age:
            base.unlink()
        else:
            by_age[age] = day
