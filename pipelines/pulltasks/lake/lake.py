"""A lake: its paths, writing its files, and which files it has.

Lives here: which dates, months, builds and foreign files exist.
Does not live here: paths (paths), writing (files), what is in the files (raw, manifests, normalise, …).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pulltasks.lake.files import Files, entries
from pulltasks.lake.paths import MONTH, PROJECT, RAW_FILE, dates_in, month_of, sequence_of

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path


class Lake(Files):
    """All files below one root; reading needs no preparation, writing needs `prepare` and `lock`."""

    def raw_files(self, day: date) -> list[Path]:
        """Return the raw files of `day`, by project and region; files with other names are not ours and are skipped."""
        folder = self.targets_file(day).parent
        return [
            file
            for project in entries(folder)
            if PROJECT.fullmatch(project.name)
            for file in entries(project)  # none in what is no folder
            if RAW_FILE.fullmatch(file.name)
        ]

    def strays(self) -> list[Path]:
        """Return foreign files in `raw/`, in order; they are neither read nor removed."""
        found = []
        for folder in entries(self.raw):
            if not (folder.is_dir() and dates_in([folder.name])):
                found.append(folder)
                continue
            for entry in entries(folder):
                if entry.is_dir() and PROJECT.fullmatch(entry.name):
                    found += [file for file in entries(entry) if not RAW_FILE.fullmatch(file.name)]
                elif entry.name != "targets.json":
                    found.append(entry)
        return found

    def builds(self) -> list[Path]:
        """Return the builds, oldest first: by the sequence in their names, because a clock may have been wrong."""
        return sorted(self.warehouse.resolve().glob("pulltasks-*.duckdb"), key=lambda path: (sequence_of(path), path))

    def bases(self) -> dict[date, Path]:
        """Return the bases by their last day, in order."""
        names = [path.stem for path in entries(self.bases_folder)]
        return {day: self.base(day) for day in dates_in(names, "through_date=")}

    def is_compacted(self, day: date) -> bool:
        """Tell whether `day` is part of a month that is one file per table."""
        return self.month_manifest_file(month_of(day)).is_file()

    def files(self, table: str, first: date, last: date) -> list[Path]:
        """Return the tidy files that hold `table` from `first` to `last`, both included, in order of date.

        A compacted month is one file, which may hold days outside the range: filter by `snapshot_date`.
        """
        days = [day for day in self.tidy_dates() if first <= day <= last]
        compacted = {month for month in {month_of(day) for day in days} if self.is_compacted(month)}
        found = (
            self.month_file(table, month_of(day)) if month_of(day) in compacted else self.tidy_file(table, day)
            for day in days
        )
        return list(dict.fromkeys(found))

    def raw_dates(self) -> list[date]:
        """Return the dates that have a target list or a raw file, in order."""
        found = dates_in(path.name for path in entries(self.raw) if path.is_dir())
        return [day for day in found if self.targets_file(day).is_file() or self.raw_files(day)]

    def tidy_dates(self) -> list[date]:
        """Return the dates that have a manifest, which makes their tidy files valid, in order."""
        return dates_in(path.stem for path in entries(self.manifests) if path.suffix == ".json")

    def compacted_months(self) -> list[date]:
        """Return the first days of the months that are one file per table, in order."""
        names = [path.stem.removeprefix(MONTH) for path in entries(self.manifests) if MONTH in path.name]
        return dates_in(f"{name}-01" for name in names)
