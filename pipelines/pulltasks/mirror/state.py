"""What a lake knows of its mirror: which version it stands on, what it was about to put, when blobs were named.

Lives here: `mirror/state.json`, its form and its place.
Does not live here: deciding anything by it (push, retention).
"""

from __future__ import annotations

from datetime import date  # noqa: TC003 - msgspec reads the annotations
from typing import TYPE_CHECKING

import msgspec

from pulltasks.errors import LakeError, NotReadable
from pulltasks.json_reading import decode_file

if TYPE_CHECKING:
    from pulltasks.lake.lake import Lake


class Pending(msgspec.Struct, frozen=True, kw_only=True):
    """A version that was being put: whether it arrived is known only by asking."""

    seq: int
    run_id: str


class State(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is kept between runs; all but `url`, `lake_id` and `seq` can be made again from the mirror.

    Attributes:
        url: the mirror that all this is about.
        lake_id: what the lake is called there.
        seq: the version that the lake stands on.
        run_id: who put it: where a store ignores conditions, another copy may have put the same number.
        pending: what was being put.
        blobs: first and last version, of those that are known, that named a blob.
        known_from: versions before this one are not known blob by blob.
        kept: versions that are not emptied, with the day that they were made on.
        published: hash of what readers got last, by its address.
    """

    url: str
    lake_id: str
    seq: int
    run_id: str | None = None
    pending: Pending | None = None
    blobs: dict[str, tuple[int, int]] = {}
    known_from: int = 0
    kept: dict[int, date] = {}
    published: dict[str, str] = {}


def read_state(lake: Lake) -> State | None:
    """What the lake knows; None where it was never mirrored.

    Raises:
        LakeError: when it cannot be read.
    """
    path = lake.mirror_state
    if not path.is_file():
        return None
    try:
        return decode_file(path.read_bytes(), State)
    except (OSError, NotReadable) as error:
        raise LakeError(
            f"{path}: cannot be read ({error}); restore the lake into an empty root to go on with its mirror, "
            "or remove the file and name an empty prefix to begin another one"
        ) from None


def write_state(lake: Lake, state: State) -> None:
    """Keep it."""
    with lake.writing(lake.mirror_state) as unfinished:
        unfinished.write_bytes(msgspec.json.encode(state))
