"""How the lakes of a fleet stand: coverage and age of each, and what keeps them from being read as one.

Lives here: asking each lake's open tables, comparing the lakes.
Does not live here: how one lake stands (warehouse.read.status), printing (cli.fleet).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

import duckdb

from pulltasks.errors import ConfigError, FleetError, LakeError
from pulltasks.fleet.lakes import NEWEST, read_lakes
from pulltasks.fleet.opened import first_line, open_tables_of
from pulltasks.names import target_label
from pulltasks.warehouse.read.status import judge, read_status

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime

    from pulltasks.backup.rclone import Rclone
    from pulltasks.fleet.lakes import FleetLake
    from pulltasks.settings import Limits
    from pulltasks.warehouse.read.status import Freshness, Status

ASKED = ("dim_dates", "fct_target_days", "meta_build", "rpt_snapshot_coverage")


@dataclass(frozen=True)
class Standing:
    """How one lake stands.

    Attributes:
        name: of the lake.
        status: its newest expected day; None where it cannot be read.
        freshness: its ages, held against limits; None likewise.
        trouble: why it cannot be read.
        masks: what tells masks and keys apart; None where it is not said.
        timezone: in which its days are counted; None where it is not said.
        display_timezone: of its columns that end in _local; None where it is not said.
    """

    name: str
    status: Status | None = None
    freshness: Freshness | None = None
    trouble: str | None = None
    masks: str | None = None
    timezone: str | None = None
    display_timezone: str | None = None

    @property
    def level(self) -> Literal["red", "amber", "green"]:
        """Red as well where the lake cannot be read."""
        return self.freshness.level if self.freshness else "red"

    @property
    def is_complete(self) -> bool:
        """Whether it has targets, and every one is complete on the newest day that should be there."""
        return self.status is not None and bool(self.status.targets) and self.status.is_complete


@dataclass(frozen=True)
class FleetStatus:
    """How all lakes stand; `warnings` say what a question to all of them would get wrong."""

    lakes: tuple[Standing, ...]
    warnings: tuple[str, ...] = field(default=())

    @property
    def targets_complete(self) -> int:
        """Complete targets of the lakes that can be read, each on its newest expected day."""
        return sum(each.status.complete for each in self.lakes if each.status)

    @property
    def targets_expected(self) -> int:
        """Expected targets of the lakes that can be read."""
        return sum(len(each.status.targets) for each in self.lakes if each.status)

    @property
    def is_complete(self) -> bool:
        """Whether every lake can be read and is complete."""
        return all(each.is_complete for each in self.lakes)

    @property
    def level(self) -> Literal["red", "amber", "green"]:
        """The worst of the lakes."""
        levels = {each.level for each in self.lakes}
        return "red" if "red" in levels else "amber" if "amber" in levels else "green"


def fleet_status(
    named: Mapping[str, str], reach: Callable[[str], Rclone], now: datetime, limits: Limits
) -> FleetStatus:
    """How the lakes stand; one that cannot be read is a line, and hides none of the others.

    Args:
        named: places by the lakes' names.
        reach: how a bucket's URL is read.
        now: the time.
        limits: the greatest ages.
    """
    standings = []
    targets: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for name, where in named.items():
        try:
            (lake,) = read_lakes([f"{name}={where}"], reach, NEWEST)
            standing = _ask(lake, now, limits)
        except (FleetError, LakeError, ConfigError) as error:
            standing = Standing(name, trouble=str(error))
        standings.append(standing)
        for target in standing.status.targets if standing.status else ():
            targets[target.key].append(name)
    return FleetStatus(tuple(standings), tuple(_warnings(standings, targets)))


def _ask(lake: FleetLake, now: datetime, limits: Limits) -> Standing:
    with (
        TemporaryDirectory(prefix="pulltasks-") as folder,
        open_tables_of(lake, ASKED, Path(folder)) as connection,
    ):
        try:
            today = now.astimezone(ZoneInfo(lake.latest.timezone)).date()
            status = read_status(connection, today, now)
            (built,) = connection.sql("from meta_build").to_arrow_table().to_pylist()
            rules = str(built["rules"] or "")
        except (duckdb.Error, ValueError, KeyError) as error:
            raise FleetError(f"its open tables are not those of a lake ({first_line(error)})") from None
    return Standing(
        lake.name,
        status,
        judge(status, now, limits),
        masks=rules.rpartition("|")[2] or None,
        timezone=lake.latest.timezone,
        display_timezone=built.get("display_timezone"),
    )


def _warnings(standings: Iterable[Standing], targets: Mapping[tuple[str, str], list[str]]) -> Iterable[str]:
    for (project_id, region), names in targets.items():
        if len(names) > 1:
            yield (
                f"{target_label(project_id, region, None)} is a target of {' and '.join(names)}: its tasks count "
                "twice; leave it in one configuration"
            )
    for what, cure, of in (
        (
            "other masks or another redaction key",
            "no fingerprint of one is found in the other; see docs/security.md",
            "masks",
        ),
        ("another timezone", "a date is not the same day in both; count them apart", "timezone"),
        ("another display_timezone", "columns that end in _local are null over both", "display_timezone"),
    ):
        groups: defaultdict[str, list[str]] = defaultdict(list)
        for each in standings:
            if (said := getattr(each, of)) is not None:
                groups[said].append(each.name)
        if len(groups) > 1:
            first, *others = groups.values()
            yield f"{', '.join(name for group in others for name in group)}: {what} than {', '.join(first)}; {cure}"
