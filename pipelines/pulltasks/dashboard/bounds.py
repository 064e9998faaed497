"""How much the page holds: it is opened in a browser and sent by mail.

Lives here: the bounds, and the way to smaller ones.
Does not live here: what is left out first (tables, lives), saying so (page/).
"""

from __future__ import annotations

from dataclasses import dataclass

# Bytes of the page. One that would be larger is made again with half of everything.
MOST_BYTES = 5_000_000
LEAST_DAYS = 7


@dataclass(frozen=True)
class Bounds:
    """What the page may hold at most.

    Attributes:
        days: days of history.
        rows: rows of a table, and tasks.
        text_bytes: bytes of addresses of a table, and of the tasks.
    """

    days: int = 92
    rows: int = 10_000
    text_bytes: int = 4_000_000

    def halved(self) -> Bounds | None:
        """Return half of these bounds, or None where less would not be a page any more."""
        if self.rows == 1:
            return None
        return Bounds(max(self.days // 2, LEAST_DAYS), self.rows // 2, self.text_bytes // 2)
