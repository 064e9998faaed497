"""Nothing is written under a date before a service confirms it, or none says anything of it.

Lives here: holding back the raw files of a run and its target list.
Does not live here: whether a service confirms the day (huawei.service_clock), what a raw file holds (lake.raw).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pulltasks.errors import ClockDisagrees

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


class DayGate:
    """Holds raw files back until the service confirms the run's day.

    The first service that confirms the day opens it. If none says anything of the day it is opened at the end; if some
    say that it is another one, and none that it is right, nothing of the run is kept.
    """

    def __init__(self, write_targets: Callable[[], None]) -> None:
        self._write_targets = write_targets
        self._is_open = False
        self._waiting: list[tuple[Path, Callable[[], None]]] = []

    def open(self) -> None:
        """Release the files that wait, and all later ones."""
        if self._is_open:
            return
        self._write_targets()
        self._is_open = True
        for unfinished, keep in self._waiting:
            keep()
            unfinished.unlink(missing_ok=True)

    def keep(self, unfinished: Path, keep: Callable[[], None]) -> None:
        """Keep a finished raw file, now or once the day is confirmed; `keep` moves it to its place if it counts."""
        if self._is_open:
            keep()
            unfinished.unlink(missing_ok=True)
        else:
            self._waiting.append((unfinished, keep))

    def end(self, disagreements: Sequence[str]) -> None:
        """Release at the end of the run, unless it works under a wrong day.

        Args:
            disagreements: what is said of each target whose service gives the run another day.

        Raises:
            ClockDisagrees: when there are some, and no service gave this day; nothing was written.
        """
        if self._is_open or not disagreements:
            self.open()
            return
        for unfinished, _ in self._waiting:
            unfinished.unlink(missing_ok=True)
        raise ClockDisagrees(disagreements[0])
