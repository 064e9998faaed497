"""Plan the next build: which earlier one to build upon, and which days to add to it.

Lives here: the plan of a build.
Does not live here: reading and removing builds (builds), building and publishing (working_copy).
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
    """The plan of a build: add `days`, in order, to `base` (None: start empty).

    Attributes:
        inputs: the days that the build will hold, with the hashes of their manifests.
        rules: the hashes of the SQL, the zone, and the masks with the key, joined by `|`; the rows depend on them.
        sequence: the build's place in the order of builds.
        display_timezone: the zone of the columns that end in _local.
        held: the metadata of the lake's builds, by path.
        published_opens: whether the published file can be opened; True when nothing is published.
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
        """Tell whether there is nothing to build: some build has exactly these inputs and rules."""
        return not self.days

    @property
    def adds_one_day(self) -> bool:
        """Tell whether exactly one day is added to a base."""
        return self.base is not None and len(self.days) == 1


def plan_build(
    lake: Lake,
    models: Models,
    settings: WarehouseSettings,
    *,
    left_out: Collection[date] = (),
) -> Plan:
    """Return the plan of the next build; create the redaction key if nothing was ever published.

    Args:
        lake: the lake with tidy tables and earlier builds.
        models: the models.
        settings: the masking and the zone.
        left_out: days whose tables cannot be used.

    Raises:
        NoWarehouse: when there is no day to build from.
        LakeError: when the redaction key is damaged, or missing from a lake that has published.
    """
    inputs = {day: sha256_of(lake.manifest_file(day)) for day in lake.tidy_dates() if day not in left_out}
    if not inputs:
        raise NoWarehouse(f"{lake.root}: there are no tidy tables yet; run `pulltasks snapshot` first")
    builds = lake.builds()
    # with builds in the lake a new key would change every fingerprint that readers have seen
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
    """Return the build to build upon, the newest of those with the most days, and its number of days."""
    base, most = None, 0
    for build in lake.builds():
        count = held[build].days_held(inputs, rules)
        if count >= max(most, 1):
            base, most = build, count
    for day, build in reversed(lake.bases().items()):
        if most and day <= list(inputs)[most - 1]:
            break
        # a base with all days would leave nothing to add, but it lies outside `warehouse/` and cannot be published
        if 0 < (count := held[build].days_held(inputs, rules)) < len(inputs):
            return build, count
    return base, most
