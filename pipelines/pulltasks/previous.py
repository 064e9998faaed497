"""What is known of a target before it is listed.

Lives here: the tasks of its last complete capture, and a hint on the service's paging.
Does not live here: where that is read from (warehouse.read.previous_captures), what follows from it (capture).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class PreviousCapture:
    """What the last complete capture of a target before the day showed.

    Attributes:
        task_ids: of its tasks.
        regions: that its tasks named.
        accepted_ids: tasks whose loss a person accepted earlier; they are not asked for again.
        offset_unit: a hint, never assumed.
    """

    task_ids: frozenset[str] = frozenset()
    accepted_ids: frozenset[str] = frozenset()
    regions: frozenset[str] = frozenset()
    offset_unit: Literal["rows", "pages", "unknown"] = "unknown"


NO_PREVIOUS_CAPTURE = PreviousCapture()
