"""Time and identifiers, passed in so that tests can set them.

Lives here: the clocks of a run, and its remaining time.
Does not live here: the service's clock (huawei.service_clock), parsing times of the service (times).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime


@dataclass(frozen=True)
class Clock:
    """The clocks of a run.

    Attributes:
        now: returns the time of this machine, with a zone.
        new_id: returns an identifier that was not used before.
        monotonic: returns seconds of a clock that never steps.
    """

    now: Callable[[], datetime]
    new_id: Callable[[], str]
    monotonic: Callable[[], float] = time.monotonic


@dataclass(frozen=True)
class Deadline:
    """The end of a run's time, in seconds of a clock that never steps."""

    at_s: float
    monotonic: Callable[[], float] = time.monotonic

    def remaining_s(self) -> float:
        """Return the seconds that are left; negative once the deadline has passed."""
        return self.at_s - self.monotonic()
