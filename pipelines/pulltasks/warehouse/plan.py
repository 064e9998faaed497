"""The builds that a lake holds: which there are, what each was made of, which one to build upon, which may go.

Lives here: what a build says of itself, the plan of the next build, retention.
Does not live here: building and publishing (working_copy).
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

import duckdb

from pulltasks.errors import NoWarehouse
from pulltasks.lake.lake import EXPOSED, sequence_of, sha256_of
from pulltasks.lake.redaction_key import read_or_make_key
from pulltasks.masking import masks_digest
from pulltasks.sql_literals import escaped, quoted
from pulltasks.warehouse.kinds import hash_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from datetime import date
    from pathlib import Path

    from pulltasks.lake.lake import Lake
    from pulltasks.lake.run_log import RunLine
    from pulltasks.settings import WarehouseSettings
    from pulltasks.warehouse.models import Models

KEPT_BUILDS = 3
META_BUILD = "meta_build"
META_INPUTS = "meta_inputs"
META_RUNS = "meta_runs"
META_COMMENTS = {
    META_BUILD: (
        "When and from what this file was built. Grain: one row.",
        {
            "build_id": "Identifier of the build; stands in the file's name.",
            "sequence": "Place of the build in the order in which the lake's builds were made.",
            "built_at": "When it was published, UTC.",
            "first_date": "First snapshot date that it holds.",
            "through_date": "Last snapshot date that it holds.",
            "software_version": "Version of pulltasks.",
            "duckdb_version": "Version of DuckDB that wrote it.",
            "rules": "Hashes of the SQL, and of the masks with the redaction key: what the rows depend on.",
            "words": "Hash of the descriptions of tables and columns.",
            "display_timezone": "Zone of the columns that end in _local.",
        },
    ),
    META_INPUTS: (
        "The snapshot dates that this file was built from. Grain: one row per date.",
        {
            "snapshot_date": "The date.",
            "manifest_sha256": "SHA-256 of the manifest that names the date's tidy files.",
        },
    ),
    META_RUNS: (
        "The runs of the last 90 days that ended before this file was built. Grain: one row per run.",
        {
            "run_id": "Identifier of the run.",
            "verb": "snapshot, rebuild, forget or dagster.",
            "outcome": "complete, when every target of the day is; not_complete; failed, when nothing was published.",
            "error": "Kind of the error that ended it; null otherwise.",
            "snapshot_date": "The day that it worked on; null where it ended before it published.",
            "began_at": "When it began, UTC.",
            "ended_at": "When it ended, UTC.",
            "targets_complete": "Complete targets of the day after the run.",
            "targets_expected": "Expected targets of the day.",
            "targets_asked": "Targets that it listed.",
            "requests": "Requests that it sent.",
            "software_version": "Version of pulltasks.",
        },
    ),
}


@dataclass(frozen=True)
class Plan:
    """What a build does: add `days`, in order, to `base` (None: start empty).

    Attributes:
        inputs: the days that the build will hold, with the hashes of their manifests.
        rules: what the rows depend on beside them; its last part is that of the masks and the key.
        words: the hash of what is said about tables and columns.
        has_words: whether the base says the same.
        sequence: the build's place in the order of builds.
        display_timezone: the zone of the columns that end in _local.
    """

    base: Path | None
    days: tuple[date, ...]
    inputs: dict[date, str] = field(repr=False)
    rules: str = field(repr=False, default="")
    words: str = field(repr=False, default="")
    has_words: bool = True
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
    rules, words = f"{models.digest()}|{zone}|{masks}", hash_of(models.words_digest(), repr(META_COMMENTS))
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
        has_words = base is None or _says(reader, base, "words") == words
    sequence = max(map(sequence_of, builds), default=0) + 1
    return Plan(base, tuple(inputs)[held:], inputs, rules, words, has_words, sequence, zone)


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


_RUN_TYPES = {
    "snapshot_date": "date",
    "began_at": "timestamp",
    "ended_at": "timestamp",
    "targets_complete": "bigint",
    "targets_expected": "bigint",
    "targets_asked": "bigint",
    "requests": "bigint",
}


def write_meta(
    connection: duckdb.DuckDBPyConnection,
    plan: Plan,
    build_id: str,
    now: datetime,
    runs: Sequence[RunLine],
    *,
    is_there: bool,
) -> None:
    """Write what the build says of itself into the unfinished file, attached as `warehouse`."""

    def into(name: str) -> str:
        table = f"warehouse.main.{name}"
        return f"insert into {table} by name" if is_there else f"create or replace table {table} as"

    connection.execute(
        f"{into(META_BUILD)} select $1 as build_id, $2::timestamp as built_at, "
        "$3::date as first_date, $4::date as through_date, $5 as software_version, $6 as duckdb_version, $7 as rules, "
        "$8::bigint as sequence, $9 as words, $10 as display_timezone",
        [
            build_id,
            now.replace(tzinfo=None),
            min(plan.inputs),
            max(plan.inputs),
            version("pulltasks"),
            duckdb.__version__,
            plan.rules,
            plan.sequence,
            plan.words,
            plan.display_timezone,
        ],
    )
    connection.execute(
        f"{into(META_INPUTS)} select unnest($1::date[]) as snapshot_date, unnest($2::varchar[]) as manifest_sha256",
        [list(plan.inputs), list(plan.inputs.values())],
    )
    names = META_COMMENTS[META_RUNS][1]
    of_runs = ", ".join(f"unnest(?::{_RUN_TYPES.get(name, 'varchar')}[]) as {name}" for name in names)
    connection.execute(
        f"{into(META_RUNS)} select {of_runs}",
        [[_without_zone(getattr(run, name)) for run in runs] for name in names],
    )
    if is_there:
        return
    for name, (text, columns) in META_COMMENTS.items():
        connection.execute(f"comment on table warehouse.main.{name} is {quoted(text)}")
        for column, description in columns.items():
            connection.execute(f"comment on column warehouse.main.{name}.{column} is {quoted(description)}")


def _without_zone(value: object) -> object:
    return value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) else value
