"""Unexpected errors: one line for the user, and a report for whoever mends the program.

Lives here: what of such an error may be told, the reports in the lake.
Does not live here: what goes on without what failed (capture, normalise, run), errors that were foreseen (errors).
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
    """The message of an unexpected error, with the place of its report: in the lake, else on standard error."""

    def report(error: BaseException, doing: str) -> str:
        text = _masked_traceback(error, doing)
        try:
            where = f"the report is {_write(lake, text)}" if lake and lake.root.is_dir() else None
        except OSError:
            where = None
        if where is None:
            sys.stderr.write(text)
            where = "the report stands above"
        return f"{summary(error)}, at {doing}; {where}. This is an error in pulltasks: please send the report"

    return report


def summary(error: BaseException) -> str:
    """Kind, masked message and place of an error, in one line."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if Path(frame.filename).is_relative_to(_PACKAGE)] or frames
    place = f" in {Path(ours[-1].filename).name}:{ours[-1].lineno}" if ours else ""
    return f"unexpected {type(error).__name__} ({masked_message(error)}){place}"


def masked_message(error: BaseException) -> str:
    """The message of an error that may quote anything, without what it quotes."""
    text = " ".join(mask_words(scrub(str(error))).split())
    return text if len(text) <= MAX_MESSAGE_CHARACTERS else text[:MAX_MESSAGE_CHARACTERS] + "…"


def _masked_traceback(error: BaseException, doing: str) -> str:
    """The frames, which show lines of code and no values, and the masked messages, causes first."""
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
        if each is not None and not any(each is other for other in found):
            found.append(each)
            pending += [each.__cause__, each.__context__]
            pending += each.exceptions if isinstance(each, BaseExceptionGroup) else ()
    return found[::-1]


def _write(lake: Lake, text: str) -> Path:
    """The report as a file of the lake's owner; the newest `KEPT_REPORTS` are kept, by the numbers in their names."""
    if not lake.errors.is_dir():
        lake.errors.mkdir(mode=PRIVATE_FOLDER)
    before = sorted(path for path in lake.errors.glob("*.txt") if path.stem.isdecimal())
    path = lake.errors / f"{int(before[-1].stem) + 1 if before else 1:06d}.txt"
    path.touch(mode=PRIVATE_FILE)
    path.write_text(text, encoding="utf-8", errors="backslashreplace")
    for old in before[: max(0, len(before) + 1 - KEPT_REPORTS)]:
        old.unlink(missing_ok=True)
    return path
