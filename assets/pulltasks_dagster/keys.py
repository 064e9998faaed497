"""The asset keys of one lake.

Lives here: what each asset is called, with the lake's name in front where it has one.
Does not live here: what the assets are (their modules).
"""

from dataclasses import dataclass

import dagster as dg


@dataclass(frozen=True)
class Keys:
    """Keys of assets; of several lakes in one Dagster each needs a name, or they would share their assets."""

    lake: str | None = None

    def of(self, table: str) -> dg.AssetKey:
        """`tidy.pull_tasks` or `dim_targets` as an asset key."""
        return dg.AssetKey([*([self.lake] if self.lake else []), *table.split(".")])

    @property
    def raw_captures(self) -> dg.AssetKey:
        """The raw files of a day."""
        return self.of("raw.captures")

    @property
    def closed_months(self) -> dg.AssetKey:
        """The files of closed months."""
        return self.of("tidy.closed_months")

    @property
    def warehouse(self) -> dg.AssetKey:
        """The published file."""
        return self.of("warehouse")

    @property
    def dashboard(self) -> dg.AssetKey:
        """The page."""
        return self.of("dashboard")
