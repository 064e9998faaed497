"""The builds that a lake holds: which there are, what each was made of, which one to build upon, which may go.

Lives here: what a build says of itself, the plan of the next build, retention.
Does not live here: building and publishing (working_copy).
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import duckdb

from pulltasks.errors import NoWarehouse
from pulltasks.lake.lake import EXPOSED, sequence_of, sha256_of
from pulltasks.lake.redaction_key import read_or_make_key
from pulltasks.masking import masks_digest
from pulltasks.sql_literals import escaped
from pulltasks.warehouse.meta import META_BUILD, META_INPUTS
from pulltasks.warehouse.template import rules_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator
    from datetime import date
    from pathlib import Path

    from pulltasks.lake.lake import Lake
    from pulltasks.settings import WarehouseSettings
    from pulltasks.warehouse.models import Models

KEPT_BUILDS = 3


@dataclass(frozen=True)
class Plan:
    """What a build does: add `days`, in order, to `base` (None: start empty).

    Attributes:
        inputs: the days that the build will hold, with the hashes of their manifests.
        rules: what the rows depend on beside them; its last part is that of the masks and the key.
        sequence: the build's place in the order of builds.
        display_timezone: the zone of the columns that end in _local.
    """

    base: Path | None
    days: tuple[date, ...]
    inputs: dict[date, str] = field(repr=False)
    rules: str = field(repr=False, default="")
    sequence: int = 1
    display_timezone: str = "UTC"

    @property
    def is_up_to_date(self) -> bool:
        """Whether the published file is built from just these inputs and rules."""
        return not self.days

    @property
    def adds_one_day(self) -> bool:
        """Whether one day is added to a base."""
        return self.base is not None and len(self.days) == 1


def plan_build(
    lake: Lake,
    models: Models,
    settings: WarehouseSettings,
    *,
    rebuild_last_day: bool = False,
    left_out: Collection[date] = (),
) -> Plan:
    """Decide what must be built; the redaction key is made if nothing was ever published.

    Args:
        lake: tidy tables and earlier builds.
        models: the SQL.
        settings: the masking that is asked for.
        rebuild_last_day: build the last day again even if a published file holds it.
        left_out: days whose tables cannot be used.

    Raises:
        NoWarehouse: when there is no day to build from.
        LakeError: when the redaction key is damaged, or gone from a lake that has published.
    """
    inputs = {day: sha256_of(lake.manifest_file(day)) for day in lake.tidy_dates() if day not in left_out}
    if not inputs:
        raise NoWarehouse(f"{lake.root}: there are no tidy tables yet; run `pulltasks snapshot` first")
    builds = lake.builds()
    key = read_or_make_key(lake, may_make=not builds)
    masks = masks_digest(key, mask_stream_names=settings.mask_stream_names, expose_secrets=settings.expose_secrets)
    zone = settings.display_timezone or "UTC"
    rules = f"{rules_of(models)}|{zone}|{masks}"
    base, held = None, 0
    with duckdb.connect() as reader:
        for build in builds:
            count = _days_held(reader, build, inputs, rules)
            if count >= max(held, 1) and not (rebuild_last_day and count == len(inputs)):
                base, held = build, count
        for day, build in reversed(lake.bases().items()):
            if held and day <= list(inputs)[held - 1]:
                break
            if 0 < (count := _days_held(reader, build, inputs, rules)) < len(inputs):
                base, held = build, count
                break
    sequence = max(map(sequence_of, builds), default=0) + 1
    return Plan(base, tuple(inputs)[held:], inputs, rules, sequence, zone)


def _days_held(reader: duckdb.DuckDBPyConnection, build: Path, inputs: dict[date, str], rules: str) -> int:
    """How many of the days a build holds, if just the first ones and as they are now; 0 when it is no base."""
    held = _inputs_of(reader, build, rules)
    return len(held) if held is not None and held == dict(list(inputs.items())[: len(held)]) else 0


def _inputs_of(reader: duckdb.DuckDBPyConnection, build: Path, rules: str) -> dict[date, str] | None:
    """The days that a build holds with the hashes of their manifests; None when it cannot be built upon."""
    with _attached(reader, build) as is_open:
        if not is_open or _one(reader, "rules") != rules:
            return None
        try:
            return dict(reader.execute(f"select * from build.{META_INPUTS} order by all").fetchall())
        except duckdb.Error:
            return None


def _says(reader: duckdb.DuckDBPyConnection, build: Path, column: str) -> str | None:
    """A value of the build's `meta_build`; None where it is damaged or of another version."""
    with _attached(reader, build) as is_open:
        return _one(reader, column) if is_open else None


@contextmanager
def _attached(reader: duckdb.DuckDBPyConnection, build: Path) -> Iterator[bool]:
    """Whether a build can be opened, as `build`, for as long as this lasts."""
    try:
        reader.execute(f"attach '{escaped(build)}' as build (read_only)")
    except duckdb.Error:
        yield False
        return
    try:
        yield True
    finally:
        reader.execute("detach build")


def _one(reader: duckdb.DuckDBPyConnection, column: str) -> str | None:
    try:
        rows = reader.execute(f"select {column} from build.{META_BUILD}").fetchall()
    except duckdb.Error:
        return None
    return str(rows[0][0]) if len(rows) == 1 else None


def remove_all_builds(lake: Lake) -> None:
    """Remove all builds and the link, once no day is left."""
    lake.published.unlink(missing_ok=True)
    for build in (*lake.builds(), *lake.bases().values()):
        build.unlink()


def remove_builds_of_other_masks(reader: duckdb.DuckDBPyConnection, lake: Lake, rules: str) -> None:
    """Remove builds that were masked by other rules or another key; the published one stays."""
    published = lake.published.resolve()
    for build in (*lake.builds(), *lake.bases().values()):
        made_by = _says(reader, build, "rules") if build != published else None
        if made_by is not None and _masks_in(made_by) != _masks_in(rules):
            build.unlink()


def _masks_in(rules: str) -> str:
    return rules.rpartition("|")[2]


def retire_builds(reader: duckdb.DuckDBPyConnection, lake: Lake, plan: Plan) -> None:
    """Keep the newest three builds; of those before them, some to build upon when an older day changes.

    The farther back a base ends, the fewer are kept: one that ends 1 day before the last, one of 2 to 3, one of 4 to 7,
    and so on. So a build that begins at an older day never adds many more days than lie after it.
    """
    remove_builds_of_other_masks(reader, lake, plan.rules)
    builds, published, last = lake.builds(), lake.published.resolve(), list(plan.inputs)[-1]
    held = {
        build: _days_held(reader, build, plan.inputs, plan.rules) for build in set(builds[:-KEPT_BUILDS]) - {published}
    }
    for build, count in held.items():
        through = list(plan.inputs)[count - 1]
        if count and through < last and EXPOSED not in build.name:
            lake.put(build, lake.base(through))
        else:
            build.unlink()
    added = set(plan.days)
    by_age: dict[int, date] = {}
    for day, base in lake.bases().items():
        age = (last - day).days.bit_length()
        # a base that holds days which this build had to add again is not as they are now
        if day in added or age in by_age:
            base.unlink()
        else:
            by_age[age] = day
