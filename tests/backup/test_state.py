"""What a lake knows of its backup, and what the place says of whose it is."""

from __future__ import annotations

from pathlib import Path

import msgspec

from backups import backed_up
from desk import DAYS, Desk
from pulltasks.backup.state import Owner


def test_the_owners_record_says_whose_place_it_is_and_what_it_holds(kept: Desk, rclone: None, tmp_path: Path) -> None:
    backed_up(kept)
    owner = msgspec.json.decode((tmp_path / "place" / "backup.json").read_bytes(), type=Owner)
    assert (owner.lake_id, owner.through) == (kept.lake.id.read_text().strip(), DAYS[1])
