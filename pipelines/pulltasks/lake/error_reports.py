"""Unexpected errors: one line for the user, and a report for the maintainers.

Lives here: masking such an error, the reports in the lake.
Does not live here: continuing without the failed part (capture, normalise, run), expected errors (errors).
"""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from pulltasks.lake.files import PRIVATE_FILE, PRIVATE_FOLDER
from pulltasks.masking import mask_words, scrub

if TYPE_CHECKING:
    from pulltasks.errors import Reporter
    from pulltasks.lake.lake import Lake

KEPT_REPORTS = 20
MAX_MESSAGE_CHARACTERS = 300
_PACKAGE = Path(__file__).parents[1]


def reporter(lake: Lake | None) -> Reporter:
    """Return a function that reports an unexpected error and returns its message, with the place of the report.

    The report is a file of the lake; if there is no lake or it cannot be written, it is printed on standard error.
    """

    def report(error: BaseException, doing: str) -> str:
        text = _masked_traceback(error, doing)
        try:
            where = f"the report is {_write(lake, text)}" if lake and lake.root.is_dir() else None
        except OSError:
            where = None
        if where is None:
            sys.stderr.write(text)
            where = "the report is printed above"
        return f"{summary(error)}, at {doing}; {where}. This is an error in pulltasks: please send the report"

    return report


def summary(error: BaseException) -> str:
    """Return class, masked message and place (file and line) of an error, in one line."""
    frames = traceback.extract_tb(error.__traceback__)
    # the last line of pulltasks tells a maintainer more than a line in a library below it
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_PACKAGE)] or frames
    place = f" in {Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else ""
    return f"unexpected {type(error).__name__} ({masked_message(error)}){place}"


def masked_message(error: BaseException) -> str:
    """Return the masked message of an error, at most 300 characters: an error may quote secrets."""
    text = " ".join(mask_words(scrub(str(error))).split())
    return text if len(text) <= MAX_MESSAGE_CHARACTERS else text[:MAX_MESSAGE_CHARACTERS] + "…"


def _masked_traceback(error: BaseException, doing: str) -> str:
    """Return the frames (lines of code, no values) and the masked messages of an error and its causes, causes first."""
    parts = [f"at {doing}\n"]
    for each in _with_causes(error):
        parts += traceback.format_tb(each.__traceback__)
        parts.append(f"{type(each).__module__}.{type(each).__qualname__}: {masked_message(each)}\n")
    return "".join(parts)


def _with_causes(error: BaseException) -> list[BaseException]:
    found: list[BaseException] = []
    pending: list[BaseException | None] = [error]
    while pending:
        each = pending.pop()
        # an error may be both cause and context, and chains may be circles: each is taken once
        if each is not None and not any(each is other for other in found):
            found.append(each)
            pending += [each.__cause__, each.__context__]
            pending += each.exceptions if isinstance(each, BaseExceptionGroup) else ()
    return found[::-1]


def _write(lake: Lake, text: str) -> Path:
    """Write the report to a private file, return its path, and remove all but the newest `KEPT_REPORTS` reports."""
    if not lake.errors.is_dir():
        lake.errors.mkdir(mode=PRIVATE_FOLDER)
    # numbers in the names, not times, tell the order: a clock may be wrong
    before = sorted(path for path in lake.errors.glob("*.txt") if path.stem.isdecimal())
    path = lake.errors / f"{int(before[-1].stem) + 1 if before else 1:06d}.txt"
    path.touch(mode=PRIVATE_FILE)
    path.write_text(text, encoding="utf-8", errors="backslashreplace")
    for old in before[: max(0, len(before) + 1 - KEPT_REPORTS)]:
        old.unlink(missing_ok=True)
    return path
