"""The state of a fleet: coverage and age of each lake, and differences that make common queries wrong.

Lives here: reading each lake's open tables, comparing the lakes.
Does not live here: the state of one lake (warehouse.read.status), printing (cli.fleet).
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
from pulltasks.fleet.opened import first_line, show_tables_of
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
class LakeStatus:
    """The state of one lake.

    Attributes:
        name: the name of the lake.
        status: the state of its newest expected day; None if the lake cannot be read.
        freshness: its ages, compared with their limits; None if the lake cannot be read.
        trouble: why the lake cannot be read; None if it can.
        masks: the hash of its masks and its key; None if not known.
        timezone: the zone in which its days are counted; None if not known.
        display_timezone: the zone of its columns that end in _local; None if not known.
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
        """The level of its ages; red if the lake cannot be read."""
        return self.freshness.level if self.freshness else "red"

    @property
    def is_complete(self) -> bool:
        """Tell whether it has targets, and every one is complete on the newest expected day."""
        return self.status is not None and bool(self.status.targets) and self.status.is_complete


@dataclass(frozen=True)
class FleetStatus:
    """The state of all lakes; `warnings` name differences that make queries over all of them wrong."""

    lakes: tuple[LakeStatus, ...]
    warnings: tuple[str, ...] = field(default=())

    @property
    def targets_complete(self) -> int:
        """The number of complete targets in the lakes that can be read, each on its newest expected day."""
        return sum(each.status.complete for each in self.lakes if each.status)

    @property
    def targets_expected(self) -> int:
        """The number of expected targets in the lakes that can be read."""
        return sum(len(each.status.targets) for each in self.lakes if each.status)

    @property
    def is_complete(self) -> bool:
        """Tell whether every lake can be read and is complete."""
        return all(each.is_complete for each in self.lakes)

    @property
    def level(self) -> Literal["red", "amber", "green"]:
        """The worst level of all lakes."""
        levels = {each.level for each in self.lakes}
        return "red" if "red" in levels else "amber" if "amber" in levels else "green"


def fleet_status(
    named: Mapping[str, str], reach: Callable[[str], Rclone], now: datetime, limits: Limits
) -> FleetStatus:
    """Return the state of all lakes; a lake that cannot be read does not hide the others.

    Args:
        named: the places by the lakes' names.
        reach: opens the URL of a bucket.
        now: the time (UTC) at which ages are measured.
        limits: the greatest ages.
    """
    lakes = []
    targets: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    # one connection for all lakes, as opening one costs as much as reading a lake
    with duckdb.connect() as connection:
        for name, where in named.items():
            try:
                (lake,) = read_lakes([f"{name}={where}"], reach, NEWEST)
                found = _read(lake, now, limits, connection)
            except (FleetError, LakeError, ConfigError) as error:
                found = LakeStatus(name, trouble=str(error))
            lakes.append(found)
            for target in found.status.targets if found.status else ():
                targets[target.key].append(name)
    return FleetStatus(tuple(lakes), tuple(_warnings(lakes, targets)))


def _read(lake: FleetLake, now: datetime, limits: Limits, connection: duckdb.DuckDBPyConnection) -> LakeStatus:
    with TemporaryDirectory(prefix="pulltasks-") as folder:
        show_tables_of(lake, ASKED, Path(folder), connection)
        try:
            # each lake counts its days in its own zone, so today is not the same date in all lakes
            today = now.astimezone(ZoneInfo(lake.latest.timezone)).date()
            status = read_status(connection, today, now)
            (built,) = connection.sql("from meta_build").to_arrow_table().to_pylist()
            rules = str(built["rules"] or "")
        except (duckdb.Error, ValueError, KeyError) as error:
            raise FleetError(f"its open tables are not those of a lake ({first_line(error)})") from None
    return LakeStatus(
        lake.name,
        status,
        judge(status, now, limits),
        masks=rules.rpartition("|")[2] or None,  # the last part of the rules is the hash of masks and key
        timezone=lake.latest.timezone,
        display_timezone=built.get("display_timezone"),
    )


def _warnings(lakes: Iterable[LakeStatus], targets: Mapping[tuple[str, str], list[str]]) -> Iterable[str]:
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
        # a lake that does not tell its value, as it cannot be read, differs from none
        groups: defaultdict[str, list[str]] = defaultdict(list)
        for each in lakes:
            if (value := getattr(each, of)) is not None:
                groups[value].append(each.name)
        if len(groups) > 1:
            first, *others = groups.values()
            yield f"{', '.join(name for group in others for name in group)}: {what} than {', '.join(first)}; {cure}"
