"""What a mirror lets go: versions that are kept no longer, blobs that none of the kept names, raw files that are gone.

Lives here: deciding and removing, by the store's own clock.
Does not live here: putting (push); a version is emptied and never removed, so that no number is used twice.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from pulltasks.lake.manifests import Manifest
from pulltasks.mirror.contents import decoded, raw_of_manifest
from pulltasks.mirror.heads import BLOBS, HEADS, RAW, Head, head_key, seq_of
from pulltasks.mirror.store import at_once

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date, datetime

    from pulltasks.lake.let_go import LetGo
    from pulltasks.mirror.state import State
    from pulltasks.mirror.store import Store
    from pulltasks.settings import Settings

# The newest versions, whatever their age.
KEPT_HEADS = 3
# A blob that nobody names may be one that a slow push has just put.
UNNAMED_FOR = timedelta(days=2)


def let_go(
    store: Store, state: State, head: Head, settings: Settings, note: LetGo, read: Callable[[str], bytes]
) -> tuple[State, int]:
    """Empty old versions, and remove what is named no longer; returns the state and how many objects went.

    Args:
        store: the mirror, whose newest version this run has just put.
        state: what the lake knows of it.
        head: that version.
        settings: how long versions are kept.
        note: what the lake let go of.
        read: gives a blob of the mirror by its hash.
    """
    heads = {seq_of(found.key): found.at for found in store.objects(HEADS, head_key(head.seq - 1))}
    now = heads[head.seq]
    is_first_of_its_day = settings.today(now) not in state.kept.values()
    kept = {**state.kept, head.seq: settings.today(now)}
    keep = heads_to_keep(kept, settings.lake.mirror.keep_days)
    for seq in sorted(set(kept) - keep):
        emptied = Head(seq=seq, lake_id=head.lake_id, parent=seq - 1, is_emptied=True)
        store.put(head_key(seq), msgspec.json.encode(emptied))
    state = msgspec.structs.replace(state, kept={seq: day for seq, day in kept.items() if seq in keep})
    removed = _without_raw(store, head, note, read)
    if not is_first_of_its_day:
        return state, removed
    return _without_unnamed_blobs(store, state, head, now, removed)


def heads_to_keep(kept: Mapping[int, date], keep_days: int) -> set[int]:
    """The last three, and the last of each of the newest days."""
    newest = set(sorted(kept)[-KEPT_HEADS:])
    last_of_day = {day: seq for seq, day in sorted(kept.items())}
    since = kept[max(kept)] - timedelta(days=keep_days)
    return newest | {seq for day, seq in last_of_day.items() if day > since}


def _without_raw(store: Store, head: Head, note: LetGo, read: Callable[[str], bytes]) -> int:
    """Remove the raw files of days that the lake let go of, but for what the version names of them."""
    removed = 0
    for day in sorted({*note.raw_days, *note.forgotten}):
        named: set[str] = set()
        if day in head.days and day not in head.without_raw:
            named = set(raw_of_manifest(day, decoded(read(head.days[day]), Manifest, head.days[day])))
        gone = [found.key for found in store.objects(f"{RAW}snapshot_date={day}/") if found.key not in named]
        at_once(store.delete, gone)
        removed += len(gone)
    return removed


def _without_unnamed_blobs(store: Store, state: State, head: Head, now: datetime, removed: int) -> tuple[State, int]:
    """Once a day is often enough to look for what nobody names."""
    if any(seq < state.known_from for seq in state.kept):
        return state, removed  # of versions before a restore it is not known what they name
    dead = []
    for found in store.objects(BLOBS):
        first, last = state.blobs.get(found.key.removeprefix(BLOBS), (0, 0))
        is_named = any(first <= seq <= last for seq in state.kept)
        if not is_named and now - found.at > UNNAMED_FOR:
            dead.append(found.key)
    newest = max(seq_of(found.key) for found in store.objects(HEADS, head_key(head.seq - 1)))
    if newest != head.seq:
        return state, removed  # somebody else put a version meanwhile: it is theirs to say what is named
    at_once(store.delete, dead)
    gone = {key.removeprefix(BLOBS) for key in dead}
    blobs = {digest: span for digest, span in state.blobs.items() if digest not in gone}
    return msgspec.structs.replace(state, blobs=blobs), removed + len(dead)
