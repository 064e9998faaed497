"""The gate that holds files back until a service confirms the date of the run, or no service has a date.

Lives here: the waiting raw files of a run and its target list.
Does not live here: the comparison of dates (huawei.service_clock), the content of a raw file (lake.raw).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pulltasks.errors import ClockDisagrees

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path


class DayGate:
    """Holds raw files back until the service confirms the run's day.

    The first service that confirms the day opens the gate. If no answer has a date, it opens at the end. If some
    services have another day and none confirms this one, all files of the run are deleted.

    Attributes:
        is_open: files no longer wait.
    """

    def __init__(self, write_targets: Callable[[], None]) -> None:
        self.is_open = False
        self._write_targets = write_targets
        self._waiting: list[tuple[Path, Callable[[], None]]] = []

    def open(self) -> None:
        """Move the waiting files to their places; later ones no longer wait."""
        if self.is_open:
            return
        # The target list comes first: a crash after it leaves targets without a capture, never captures without a list.
        self._write_targets()
        self.is_open = True
        for unfinished, keep in self._waiting:
            keep()
            unfinished.unlink(missing_ok=True)

    def keep(self, unfinished: Path, keep: Callable[[], None]) -> None:
        """Store a finished raw file, now or when the day is confirmed.

        Args:
            unfinished: the file under its temporary name; it is deleted afterwards.
            keep: moves the file to its place if it counts more than an existing one.
        """
        if self.is_open:
            keep()
            unfinished.unlink(missing_ok=True)
        else:
            self._waiting.append((unfinished, keep))

    def end(self, disagreements: Sequence[str]) -> None:
        """Open the gate at the end of the run, unless its day is wrong.

        Args:
            disagreements: one message per target whose service has another day.

        Raises:
            ClockDisagrees: when there are such targets and no service confirmed the day; nothing was written.
        """
        if self.is_open or not disagreements:
            self.open()
            return
        for unfinished, _ in self._waiting:
            unfinished.unlink(missing_ok=True)
        raise ClockDisagrees(disagreements[0])
