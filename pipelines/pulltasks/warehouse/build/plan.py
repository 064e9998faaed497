"""What the next build does: which earlier one to build upon, and which days to add to it.

Lives here: the plan of a build.
Does not live here: what builds say and which may go (builds), building and publishing (working_copy).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pulltasks.errors import NoWarehouse
from pulltasks.lake.files import sha256_of
from pulltasks.lake.paths import sequence_of
from pulltasks.lake.redaction_key import read_or_make_key
from pulltasks.masking import masks_digest
from pulltasks.warehouse.build.builds import read_builds
from pulltasks.warehouse.build.template import rules_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import date
    from pathlib import Path

    from pulltasks.lake.lake import Lake
    from pulltasks.settings import WarehouseSettings
    from pulltasks.warehouse.build.builds import HeldBuild
    from pulltasks.warehouse.sql.models import Models


@dataclass(frozen=True)
class Plan:
    """What a build does: add `days`, in order, to `base` (None: start empty).

    Attributes:
        inputs: the days that the build will hold, with the hashes of their manifests.
        rules: what the rows depend on beside them; its last part is that of the masks and the key.
        sequence: the build's place in the order of builds.
        display_timezone: the zone of the columns that end in _local.
        held: what the builds of the lake say of themselves.
        published_opens: whether what is published can be opened, if something is.
    """

    base: Path | None
    days: tuple[date, ...]
    inputs: dict[date, str] = field(repr=False)
    rules: str = field(repr=False, default="")
    sequence: int = 1
    display_timezone: str = "UTC"
    held: Mapping[Path, HeldBuild] = field(repr=False, default_factory=dict)
    published_opens: bool = True

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
    left_out: Collection[date] = (),
) -> Plan:
    """Decide what must be built; the redaction key is made if nothing was ever published.

    Args:
        lake: tidy tables and earlier builds.
        models: the SQL.
        settings: the masking that is asked for.
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
    held = read_builds(lake)
    base, count = _base_of(lake, held, inputs, rules)
    return Plan(
        base=base,
        days=tuple(inputs)[count:],
        inputs=inputs,
        rules=rules,
        sequence=max(map(sequence_of, builds), default=0) + 1,
        display_timezone=zone,
        held=held,
        published_opens=not lake.published.is_symlink() or _opens(held, lake.published),
    )


def _opens(held: Mapping[Path, HeldBuild], published: Path) -> bool:
    build = held.get(published.resolve())
    return build is not None and build.opens


def _base_of(
    lake: Lake, held: Mapping[Path, HeldBuild], inputs: dict[date, str], rules: str
) -> tuple[Path | None, int]:
    """Return the build to build upon, the newest of those with the most days, and how many days it holds."""
    base, most = None, 0
    for build in lake.builds():
        count = held[build].days_held(inputs, rules)
        if count >= max(most, 1):
            base, most = build, count
    for day, build in reversed(lake.bases().items()):
        if most and day <= list(inputs)[most - 1]:
            break
        if 0 < (count := held[build].days_held(inputs, rules)) < len(inputs):
            return build, count
    return base, most
