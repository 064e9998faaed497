"""The capture of a target that the lake already holds for a day.

Lives here: reading it, and comparing a new one with it.
Does not live here: new captures (day), the format of raw files (lake.raw).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pulltasks.errors import LakeError, NewerForm
from pulltasks.lake.raw import CaptureLine, RawCapture, VerdictLine, rank
from pulltasks.lake.strays import Stray, read_own_capture

if TYPE_CHECKING:
    from datetime import date

    from pulltasks.lake.lake import Lake
    from pulltasks.settings import Target


def read_existing(lake: Lake, day: date, target: Target) -> RawCapture | None:
    """Return the lake's capture of a target for a day, without its answers; None if there is none that can be used.

    A file that is damaged or holds another capture is renamed to `.damaged` or `.stray`, so that it can be replaced.

    Raises:
        LakeError: when this user may not read the file, or a newer version wrote it; it is left unchanged.
    """
    path = lake.raw_file(day, *target.key)
    if not path.is_file():
        return None
    try:
        # A file that only lacks permissions is good. It must not be renamed as if it were damaged.
        path.open("rb").close()
    except PermissionError:
        raise LakeError(
            f"{path}: this user may not read it, so it is left unchanged; give it back to the user who runs pulltasks "
            "(chown)"
        ) from None
    try:
        return read_own_capture(lake, path, with_answers=False)
    except NewerForm:
        raise
    except LakeError as error:
        path.rename(path.with_name(f"{path.name}.{'stray' if isinstance(error, Stray) else 'damaged'}"))
        return None


def is_better(lake: Lake, day: date, target: Target, verdict: VerdictLine, line: CaptureLine) -> bool:
    """Tell whether a new capture counts more than the existing one; a failure never replaces a better capture."""
    existing = read_existing(lake, day, target)
    return existing is None or rank(verdict, line) > rank(existing.verdict, existing.capture)
