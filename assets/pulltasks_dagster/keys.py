"""The asset keys of one lake.

Lives here: the key of each asset, with the lake's name as a prefix if it has one.
Does not live here: the assets (their modules).
"""

from dataclasses import dataclass

import dagster as dg


@dataclass(frozen=True)
class Keys:
    """Keys of assets; several lakes in one Dagster need names, or they would share their assets."""

    lake: str | None = None

    def of(self, table: str) -> dg.AssetKey:
        """Return the asset key of a table, such as `tidy.pull_tasks` or `dim_targets`."""
        return dg.AssetKey([*([self.lake] if self.lake else []), *table.split(".")])

    @property
    def raw_captures(self) -> dg.AssetKey:
        """The key of the raw files."""
        return self.of("raw.captures")

    @property
    def closed_months(self) -> dg.AssetKey:
        """The key of the files of closed months."""
        return self.of("tidy.closed_months")

    @property
    def warehouse(self) -> dg.AssetKey:
        """The key of the published file."""
        return self.of("warehouse")

    @property
    def open_tables(self) -> dg.AssetKey:
        """The key of the published tables as Parquet."""
        return self.of("open_tables")

    @property
    def backup(self) -> dg.AssetKey:
        """The key of the copy of the lake elsewhere."""
        return self.of("backup")

    @property
    def dashboard(self) -> dg.AssetKey:
        """The key of the page."""
        return self.of("dashboard")
