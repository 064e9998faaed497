"""The builds that a lake holds: what each says of itself, and which may go.

Lives here: reading them, retention.
Does not live here: which of them to build upon (plan), what a build says (meta), publishing one (finish).
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
    """What a build says of itself.

    Attributes:
        opens: whether the database can open it.
        rules: what its rows depend on beside its days; None where it is of another version.
        inputs: its days, in order, with the hashes of their manifests.
    """

    opens: bool
    rules: str | None = None
    inputs: dict[date, str] = field(default_factory=dict)

    def days_held(self, inputs: Mapping[date, str], rules: str) -> int:
        """Return how many days it holds, if just the first ones of `inputs` and as they are now; else 0."""
        is_base = self.rules == rules and self.inputs == dict(list(inputs.items())[: len(self.inputs)])
        return len(self.inputs) if is_base else 0


def read_builds(lake: Lake) -> dict[Path, HeldBuild]:
    """Return what the builds say, those that are only kept to build upon among them, and the published one."""
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
    """Remove all builds and the link, once no day is left."""
    lake.published.unlink(missing_ok=True)
    for build in (*lake.builds(), *lake.bases().values()):
        build.unlink()


def remove_builds_of_other_masks(lake: Lake, held: Mapping[Path, HeldBuild], rules: str) -> None:
    """Remove builds that were masked by other rules or another key; the published one stays."""
    published = lake.published.resolve()
    for path, build in held.items():
        if path != published and build.rules is not None and _masks_in(build.rules) != _masks_in(rules):
            path.unlink()


def _masks_in(rules: str) -> str:
    return rules.rpartition("|")[2]


def retire_builds(
    lake: Lake, held: Mapping[Path, HeldBuild], inputs: Mapping[date, str], rules: str, added: set[date]
) -> None:
    """Keep the newest three builds; of those before them, some to build upon when an older day changes.

    The farther back a base ends, the fewer are kept: one that ends 1 day before the last, one of 2 to 3, one of 4 to 7,
    and so on. So a build that begins at an older day never adds many more days than lie after it.

    Args:
        lake: where they are; the new build is published.
        held: what they said before it was.
        inputs: the days of the new build.
        rules: its rules.
        added: the days that it had to add.
    """
    remove_builds_of_other_masks(lake, held, rules)
    builds, published, last = lake.builds(), lake.published.resolve(), list(inputs)[-1]
    for path in set(builds[:-KEPT_BUILDS]) - {published}:
        count = held[path].days_held(inputs, rules)
        through = list(inputs)[count - 1]
        if count and through < last and EXPOSED not in path.name:
            lake.put(path, lake.base(through))
        else:
            path.unlink()
    by_age: dict[int, date] = {}
    for day, base in lake.bases().items():
        age = (last - day).days.bit_length()
        # a base that holds days which this build had to add again is not as they are now
        if day in added or age in by_age:
            base.unlink()
        else:
            by_age[age] = day
