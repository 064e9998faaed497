"""The last complete capture of a target, as known before a new one.

Lives here: its tasks, and a hint about the service's paging.
Does not live here: reading it (warehouse.read.previous_captures), its effect on a capture (capture).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class PreviousCapture:
    """The last complete capture of a target before the day.

    Attributes:
        task_ids: the ids of its tasks.
        regions: the regions of its tasks.
        accepted_ids: ids of tasks whose loss a person accepted earlier; they are not asked for again.
        offset_unit: the unit of `offset` then; a hint, never assumed.
    """

    task_ids: frozenset[str] = frozenset()
    accepted_ids: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()
    offset_unit: Literal["rows", "pages", "unknown"] = "unknown"


NO_PREVIOUS_CAPTURE = PreviousCapture()
