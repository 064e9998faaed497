"""The builds that a lake holds: which there are, what each was made of, which one to build upon, which may go.

Lives here: what a build says of itself, the plan of the next build, retention.
Does not live here: building and publishing (build).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING

import duckdb

from pipelines.errors import NoWarehouse
from pipelines.lake import sha256_of
from pipelines.literals import escaped, quoted

if TYPE_CHECKING:
    from datetime import date, datetime
    from pathlib import Path

    from pipelines.lake import Lake
    from pipelines.models import Models
    from pipelines.settings import Settings

KEPT_BUILDS = 3
EXPOSED = "exposed"  # in the file name of a build that shows secrets
META_BUILD = "meta_build"
META_INPUTS = "meta_inputs"
META_COMMENTS = {
    META_BUILD: (
        "When and from what this file was built. Grain: one row.",
        {
            "build_id": "Identifier of the build; stands in the file's name.",
            "built_at": "When it was published, UTC.",
            "first_date": "First snapshot date that it holds.",
            "through_date": "Last snapshot date that it holds.",
            "software_version": "Version of pulltasks.",
            "duckdb_version": "Version of DuckDB that wrote it.",
            "rules": "Hashes of the SQL, the masking settings and the redaction key: what the rows depend on.",
        },
    ),
    META_INPUTS: (
        "The snapshot dates that this file was built from. Grain: one row per date.",
        {
            "snapshot_date": "The date.",
            "manifest_sha256": "SHA-256 of the manifest that names the date's tidy files.",
        },
    ),
}


@dataclass(frozen=True)
class Plan:
    """What a build does: add `days`, in order, to `base` (None: to nothing)."""

    base: Path | None
    days: tuple[date, ...]
    inputs: dict[date, str] = field(repr=False)
    rules: str = field(repr=False, default="")

    @property
    def is_nothing(self) -> bool:
        """Whether the published file is built from just these inputs and rules."""
        return not self.days

    @property
    def adds_one_day(self) -> bool:
        """Whether one day is added to a base."""
        return self.base is not None and len(self.days) == 1


def plan_build(lake: Lake, models: Models, settings: Settings, *, rebuild_last_day: bool = False) -> Plan:
    """Find out what must be built.

    Args:
        lake: tidy tables and earlier builds.
        models: the SQL.
        settings: the masking that is asked for.
        rebuild_last_day: build the last day again even if a published file holds it.

    Raises:
        NoWarehouse: when there is no day to build from.
    """
    inputs = {day: sha256_of(lake.manifest_file(day)) for day in lake.tidy_dates()}
    if not inputs:
        raise NoWarehouse(f"{lake.root}: there are no tidy tables yet; run `pulltasks snapshot` first")
    rules = "|".join((models.digest(), str(settings.warehouse), sha256_of(lake.redaction_key)))
    base, held = None, 0
    with duckdb.connect() as reader:
        for build in lake.builds():
            count = _days_held(reader, build, inputs, rules)
            if count > held and not (rebuild_last_day and count == len(inputs)):
                base, held = build, count
        for day, build in reversed(lake.bases().items()):
            if held and day <= list(inputs)[held - 1]:
                break
            if 0 < (count := _days_held(reader, build, inputs, rules)) < len(inputs):
                base, held = build, count
                break
    return Plan(base, tuple(inputs)[held:], inputs, rules)


def _days_held(reader: duckdb.DuckDBPyConnection, build: Path, inputs: dict[date, str], rules: str) -> int:
    """How many of the days a build holds, if just the first ones and as they are now; 0 when it is no base."""
    held = _inputs_of(reader, build, rules)
    return len(held) if held is not None and held == dict(list(inputs.items())[: len(held)]) else 0


def _inputs_of(reader: duckdb.DuckDBPyConnection, build: Path, rules: str) -> dict[date, str] | None:
    """The days that a build holds with the hashes of their manifests; None when it cannot be built upon."""
    try:
        reader.execute(f"attach '{escaped(build)}' as build (read_only)")
        try:
            if reader.execute(f"select rules from build.{META_BUILD}").fetchall() != [(rules,)]:
                return None
            return dict(reader.execute(f"select * from build.{META_INPUTS} order by all").fetchall())
        finally:
            reader.execute("detach build")
    except duckdb.Error:
        return None  # made by another version or damaged: it is left alone and not built upon


def has_builds(lake: Lake) -> bool:
    """Whether anything was ever published here."""
    return bool(lake.builds())


def remove_exposed_builds(lake: Lake) -> None:
    """Once masking is asked for again, what shows secrets must go."""
    if EXPOSED not in lake.published.resolve().name:
        for build in lake.warehouse.glob(f"pulltasks-{EXPOSED}*"):
            build.unlink()


def retire_builds(lake: Lake, plan: Plan) -> None:
    """Keep the newest three builds; of those before them, some to build upon when an older day changes.

    The farther back a base ends, the fewer are kept: one that ends 1 day before the last, one of 2 to 3, one of 4 to 7,
    and so on. So a build that begins at an older day never adds many more days than lie after it.
    """
    remove_exposed_builds(lake)
    builds, published, last = lake.builds(), lake.published.resolve(), plan.days[-1]
    with duckdb.connect() as reader:
        held = {
            build: _days_held(reader, build, plan.inputs, plan.rules)
            for build in set(builds[:-KEPT_BUILDS]) - {published}
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


def write_meta(connection: duckdb.DuckDBPyConnection, plan: Plan, build_id: str, now: datetime) -> None:
    """Let the file in the making, attached as `warehouse`, say what it is and what it was made of."""
    connection.execute(
        f"create table warehouse.main.{META_BUILD} as select $1 as build_id, $2::timestamp as built_at, "
        "$3::date as first_date, $4::date as through_date, $5 as software_version, $6 as duckdb_version, $7 as rules",
        [
            build_id,
            now.replace(tzinfo=None),
            min(plan.inputs),
            plan.days[-1],
            version("pulltasks"),
            duckdb.__version__,
            plan.rules,
        ],
    )
    connection.execute(
        f"create table warehouse.main.{META_INPUTS} as "
        "select unnest($1::date[]) as snapshot_date, unnest($2::varchar[]) as manifest_sha256",
        [list(plan.inputs), list(plan.inputs.values())],
    )
    for name, (text, columns) in META_COMMENTS.items():
        connection.execute(f"comment on table warehouse.main.{name} is {quoted(text)}")
        for column, description in columns.items():
            connection.execute(f"comment on column warehouse.main.{name}.{column} is {quoted(description)}")
