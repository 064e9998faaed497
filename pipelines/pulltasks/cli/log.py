"""The log of a run without a terminal: one line for each step and target, as text or as JSON.

Lives here: the form of a line.
Does not live here: the progress bar of a terminal (output), the run (run), logs of Dagster (assets).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TextIO

import msgspec

from pulltasks.outside_text import visible

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

Level = Literal["info", "warning", "error"]
LogFormat = Literal["text", "json"]


class Log:
    """Lines with time, level and the run's id: `2026-11-22T01:00:03Z INFO 3f2a9c1d capturing: beijing: complete`."""

    def __init__(self, stream: TextIO, form: LogFormat, now: Callable[[], datetime]) -> None:
        self._stream = stream
        self._form = form
        self._now = now
        self._run_id = "-"
        self._step = "starting"

    def started(self, run_id: str) -> None:
        """Set the run's id, which all following lines carry."""
        self._run_id = run_id

    def begin(self, step: str, total: int) -> None:
        """Write a line for the beginning of a step with `total` parts."""
        self._step = step
        self.line(f"{total} to do")

    def advance(self, note: str, *, is_good: bool = True) -> None:
        """Write a line for a finished part of the step."""
        self.line(note, "info" if is_good else "warning")

    def line(self, message: str, level: Level = "info") -> None:
        """Write a line; a closed output does not stop the run."""
        time = f"{self._now():%Y-%m-%dT%H:%M:%SZ}"
        if self._form == "json":
            fields = {"time": time, "level": level, "run_id": self._run_id, "step": self._step, "message": message}
            text = msgspec.json.encode(fields).decode()
        else:
            text = f"{time} {level.upper()} {self._run_id[:8]} {self._step}: {visible(message)}"
        try:
            self._stream.write(f"{text}\n")
            self._stream.flush()
        except (OSError, ValueError):  # ValueError: the stream was closed in this process
            self._stream = _NOWHERE


class _Nowhere:
    """A stream that discards everything."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None:
        """Do nothing."""


_NOWHERE: TextIO = _Nowhere()  # type: ignore[assignment]  # two methods are all that is called
