"""Strays: files of the raw archive whose header names another day or target than their path.

Lives here: comparing both; the raw files of a day that count, the days that have some, the message about the others.
Does not live here: foreign names in `raw/` (lake), damaged files (raw), the rows of such a target (normalise).

A stray never counts as a capture and never makes a day. A file whose header cannot be read is damaged, not a stray.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pulltasks.errors import LakeError
from pulltasks.lake.paths import DATE
from pulltasks.lake.raw import read_capture, read_header, read_targets, refuse_other_format, stream_capture

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

    from pulltasks.lake.lake import Lake
    from pulltasks.lake.raw import CaptureLine, RawCapture, TargetList


class Stray(LakeError):
    """A file whose header names another day or target than its path; it is left as it is.

    Attributes:
        path: the path of the file.
        capture_id: of the capture that it holds; None for a target list.
    """

    def __init__(self, path: Path, capture_id: str | None, text: str) -> None:
        self.path = path
        self.capture_id = capture_id
        super().__init__(text)


@dataclass(frozen=True)
class RawDay:
    """The raw files of a day, sorted by their headers.

    Attributes:
        captures: the raw files that are not strays, with their headers; None where the header cannot be read.
        has_targets: whether the day has a target list that is not a stray.
        strays: the other files, in order.
        timezone: of the day, from its list or else from a capture; None when neither can be read.
    """

    captures: dict[Path, CaptureLine | None]
    has_targets: bool
    strays: tuple[Stray, ...]
    timezone: str | None

    @property
    def is_empty(self) -> bool:
        """Tell whether the day has neither a target list nor a raw file of its own."""
        return not (self.captures or self.has_targets)


def read_raw_day(lake: Lake, day: date) -> RawDay:
    """Return the raw files of `day`; only their headers are read.

    Raises:
        RemovedForm, NewerForm: when one of them is of a format that this version does not read.
    """
    captures: dict[Path, CaptureLine | None] = {}
    strays = []
    has_targets, zone = lake.targets_file(day).is_file(), None
    try:
        targets = read_own_targets(lake, day)
        zone = targets.timezone if targets else None
    except Stray as stray:
        has_targets = False
        strays.append(stray)
    except LakeError:
        pass  # a damaged list is reported by normalise; here it is enough to know that it exists
    for path in lake.raw_files(day):
        header = read_header(path)
        try:
            if header:
                refuse_other_format(path, header.format)
                require_own(lake, path, header)
            captures[path] = header
        except Stray as stray:
            strays.append(stray)
    # a list that is lost or damaged must not make the day's zone unknown
    zone = zone or next((header.timezone for header in captures.values() if header), None)
    return RawDay(captures, has_targets, tuple(strays), zone)


def has_raw(lake: Lake, day: date) -> bool:
    """Tell whether `day` has a target list or a raw file that is not a stray."""
    return not read_raw_day(lake, day).is_empty


def days_with_raw(lake: Lake) -> list[date]:
    """Return the dates with a target list or a raw file, in order, without dates that have only strays.

    Files of a day with a manifest are not opened, so that the cost does not grow with history.
    """
    return [day for day in lake.raw_dates() if lake.manifest_file(day).is_file() or has_raw(lake, day)]


def require_own(lake: Lake, path: Path, header: CaptureLine) -> None:
    """Refuse a raw file whose header names another day or target than its path.

    Raises:
        Stray: with both, and the advice.
    """
    target = header.target
    # Compared by names: to make a path costs more than to read the header.
    if (path.parts[-3], *lake.target_of(path)) != (f"{DATE}{header.snapshot_date}", *target.key):
        held = f"the capture of {target.project_id}/{target.region} on {header.snapshot_date}"
        raise Stray(path, header.capture_id, _words(lake, path, held))


def read_own_capture(lake: Lake, path: Path, *, with_answers: bool = True) -> RawCapture:
    """Read the capture in a raw file, and refuse a stray.

    Raises:
        Stray: when the header names another day or target than the path.
        LakeError: when the file is missing or damaged.
    """
    found = read_capture(path, with_answers=with_answers)
    require_own(lake, path, found.capture)
    return found


def stream_own_capture(lake: Lake, path: Path) -> RawCapture:
    """Read the capture in a raw file, its answers one at a time, and refuse a stray.

    Raises:
        Stray: when the header names another day or target than the path.
        LakeError: when the file is missing or damaged.
    """
    found = stream_capture(path)
    require_own(lake, path, found.capture)
    return found


def read_own_targets(lake: Lake, day: date) -> TargetList | None:
    """Return the target list of `day`; None when there is none.

    Raises:
        Stray: when the list is of another day.
        LakeError: when it is damaged.
    """
    path = lake.targets_file(day)
    if not path.is_file():
        return None
    found = read_targets(path)
    if found.snapshot_date != day:
        raise Stray(path, None, _words(lake, path, f"the target list of {found.snapshot_date}"))
    return found


def _words(lake: Lake, path: Path, held: str) -> str:
    return (
        f"{path.relative_to(lake.root)}: holds {held}, which is not what its path says, so it does not count; move it "
        f"out of {lake.raw}, and restore the right file from a backup if there was one"
    )
