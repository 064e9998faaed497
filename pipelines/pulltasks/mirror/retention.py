"""What a mirror lets go: versions that are kept no longer, blobs that none of the kept names, raw files that are gone.

Lives here: deciding and removing, by the store's own clock.
Does not live here: putting (push); a version is emptied and never removed, so that no number is used twice.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import msgspec

from pulltasks.mirror.heads import BLOBS, HEADS, RAW, head_key, seq_of
from pulltasks.mirror.store import at_once

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import date

    from pulltasks.mirror.heads import Head
    from pulltasks.mirror.state import State
    from pulltasks.mirror.store import Store
    from pulltasks.settings import Settings

# The newest versions, whatever their age.
KEPT_HEADS = 3
# A blob that nobody names may be one that a slow push has just put.
UNNAMED_FOR = timedelta(days=2)


def let_go(
    store: Store, state: State, head: Head, settings: Settings, *, gone_raw: Collection[date]
) -> tuple[State, int]:
    """Empty old versions, and remove what is named no longer; returns the state and how many objects went.

    Args:
        store: the mirror, whose newest version this run has just put.
        state: what the lake knows of it.
        head: that version.
        settings: how long versions are kept.
        gone_raw: days whose raw files the lake let go; what the version names of them stays.
    """
    removed = 0
    keep = heads_to_keep(state.kept, settings.lake.mirror.keep_days)
    old = sorted(set(state.kept) - keep)
    for seq in old:
        store.put(head_key(seq), msgspec.json.encode(msgspec.structs.replace(head, seq=seq, parent=seq - 1).emptied()))
    state = msgspec.structs.replace(state, kept={seq: day for seq, day in state.kept.items() if seq in keep})
    for day in gone_raw:
        keys = [found.key for found in store.objects(f"{RAW}snapshot_date={day}/")]
        gone = [key for key in keys if day in head.without_raw or _capture_of(key) in head.forgotten]
        at_once(store.delete, gone)
        removed += len(gone)
    if not _is_first_of_its_day(state, head):
        return state, removed
    return _without_unnamed_blobs(store, state, head, removed)


def heads_to_keep(kept: Mapping[int, date], keep_days: int) -> set[int]:
    """The last three, and the last of each of the newest days."""
    newest = set(sorted(kept)[-KEPT_HEADS:])
    last_of_day = {day: seq for seq, day in sorted(kept.items())}
    since = max(kept.values()) - timedelta(days=keep_days)
    return newest | {seq for day, seq in last_of_day.items() if day > since}


def _is_first_of_its_day(state: State, head: Head) -> bool:
    """Once a day is often enough to look for what nobody names."""
    return list(state.kept.values()).count(state.kept[head.seq]) == 1


def _without_unnamed_blobs(store: Store, state: State, head: Head, removed: int) -> tuple[State, int]:
    now = max(found.at for found in store.objects(HEADS, head_key(head.seq - 1)) if seq_of(found.key) == head.seq)
    dead = []
    for found in store.objects(BLOBS):
        digest = found.key.removeprefix(BLOBS)
        first, last = state.blobs.get(digest, (0, 0))
        is_named = any(first <= seq <= last for seq in state.kept)
        # of versions before `known_from` it is not known what they name
        may_be_named = not is_named and last == 0 and any(seq < state.known_from for seq in state.kept)
        if not is_named and not may_be_named and now - found.at > UNNAMED_FOR:
            dead.append(found.key)
    newest = max(seq_of(found.key) for found in store.objects(HEADS, head_key(head.seq - 1)))
    if newest != head.seq:
        return state, removed  # somebody else put a version meanwhile: it is theirs to say what is named
    at_once(store.delete, dead)
    gone = {key.removeprefix(BLOBS) for key in dead}
    blobs = {digest: span for digest, span in state.blobs.items() if digest not in gone}
    return msgspec.structs.replace(state, blobs=blobs), removed + len(dead)


def _capture_of(key: str) -> str:
    return key.rpartition("/")[2].removesuffix(".ndjson.zst")
