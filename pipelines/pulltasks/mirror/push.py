"""Putting a lake into its mirror: raw files as soon as they are there, everything else by version.

Lives here: who may put, in which order, what counts as being there.
Does not live here: what belongs into a version (contents), which versions are kept (retention).
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from pulltasks.errors import LakeError, MirrorError
from pulltasks.lake.lake import sha256_of
from pulltasks.lake.redaction_key import fingerprint_of, read_key
from pulltasks.mirror import retention
from pulltasks.mirror.contents import (
    blobs_of,
    contents_of,
    days_without_raw,
    forgotten_captures,
    forgotten_days,
    raw_files_of,
)
from pulltasks.mirror.heads import Head, blob_key, head_key, newest_seq, read_head
from pulltasks.mirror.state import Pending, State, read_state, write_state
from pulltasks.mirror.store import Store, at_once

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date, datetime
    from pathlib import Path

    from pulltasks.lake.lake import Lake
    from pulltasks.mirror.contents import Contents
    from pulltasks.settings import Settings

# What readers get under fixed names.
# A version of the open tables that the lake has no more may still be read by somebody.
UNREAD_FOR = timedelta(days=1)
PUBLISHED_FILE, PUBLISHED_PAGE = "pulltasks.duckdb", "dashboard.html"


@dataclass(frozen=True)
class Pushed:
    """What a push did.

    Attributes:
        seq: the version that the mirror stands on now.
        objects: how many were put.
        put_bytes: how much that was.
        removed: how many objects were removed.
        kept_days: days that the mirror has and the lake lost; their version stays.
    """

    seq: int
    objects: int = 0
    put_bytes: int = 0
    removed: int = 0
    kept_days: tuple[date, ...] = ()


class Mirror:
    """A lake's mirror for one run, which holds the lake's lock; `begin` comes before anything is put."""

    def __init__(self, lake: Lake, settings: Settings, run_id: str, now: Callable[[], datetime]) -> None:
        assert settings.lake.mirror.url  # noqa: S101 - nobody mirrors without an address
        self._lake = lake
        self._settings = settings
        self._run_id = run_id
        self._now = now
        self._store = Store(settings.lake.mirror.url, settings, now)
        self._parent: Head | None = None
        self._state: State | None = None
        self._raw_there: set[str] = set()
        self._objects = 0
        self._put_bytes = 0

    def put_raw(self, day: date) -> None:
        """Put the raw files of a day; those that its version names already are there.

        Raises:
            MirrorError: when the mirror is another lake's, stands on another version, or cannot be reached.
        """
        self._begin()
        new = {key: path for key, path in raw_files_of(self._lake, day).items() if key not in self._raw_there}
        self._put_files(new)
        self._raw_there |= set(new)

    def push(self, today: date) -> Pushed:
        """Put everything that is new, then the version that names it; let go of what is kept no longer.

        Raises:
            MirrorError: likewise; what was put is taken up by the next push.
        """
        parent, state = self._begin()
        contents = contents_of(self._lake, with_key=self._settings.lake.mirror.with_key)
        head, kept_days = self._head(parent, contents, today)
        if _same(head, parent):
            return Pushed(parent.seq, kept_days=kept_days)
        for day in self._days_with_new_raw(parent, contents):
            self.put_raw(day)
        named = set(blobs_of(head, partial(self._blob, contents)).values())
        there = {digest for digest, (_, last) in state.blobs.items() if last == parent.seq}
        self._put_files({blob_key(digest): contents.blobs[digest] for digest in named if digest not in there})
        self._publish()
        state = self._state or state
        self._put_head(head)
        blobs = {**state.blobs, **{digest: (state.blobs.get(digest, (head.seq, 0))[0], head.seq) for digest in named}}
        kept = {**state.kept, head.seq: self._settings.today(self._now())}
        state = msgspec.structs.replace(self._state or state, seq=head.seq, pending=None, blobs=blobs, kept=kept)
        write_state(self._lake, state)
        state, removed = retention.let_go(
            self._store, state, head, self._settings, gone_raw=self._days_to_remove(head, parent)
        )
        write_state(self._lake, state)
        return Pushed(head.seq, self._objects, self._put_bytes, removed, kept_days)

    def _begin(self) -> tuple[Head, State]:
        """The version that the lake stands on, after making sure that the mirror is its own and has no newer one."""
        if self._parent is None or self._state is None:
            self._parent, self._state = self._claimed()
        return self._parent, self._state

    def _claimed(self) -> tuple[Head, State]:
        url = self._store.url
        state = read_state(self._lake)
        known = state.seq if state and state.url == url else 0
        newest = newest_seq(self._store, known)
        if newest == 0:
            lake_id = state.lake_id if state else str(uuid.uuid4())
            return self._claim(State(url=url, lake_id=lake_id, seq=0))
        head = read_head(self._store, newest)
        if state is None or head.lake_id != state.lake_id:
            raise MirrorError(
                f"{url}: holds another lake ({head.lake_id}); nothing was put there. Name another prefix, or restore "
                "that lake into an empty root to go on with it: pulltasks lake restore"
            )
        mine = state.pending and (state.pending.seq, state.pending.run_id) == (newest, head.run_id)
        if state.url == url and (newest == state.seq or mine):
            if newest != state.seq:
                named = set(blobs_of(head, self._read_blob).values())
                blobs = state.blobs | {sha: (state.blobs.get(sha, (newest, 0))[0], newest) for sha in named}
                kept = state.kept | {newest: self._settings.today(head.made_at or self._now())}
                state = msgspec.structs.replace(state, seq=newest, pending=None, blobs=blobs, kept=kept)
                write_state(self._lake, state)
            return head, state
        raise MirrorError(
            f"{url}: stands on version {newest}, which another copy of this lake put, and this one on {state.seq}; no "
            "version was put. Restore into an empty root and go on there (pulltasks lake restore); raw files that "
            "were put are adopted"
        )

    def _claim(self, state: State) -> tuple[Head, State]:
        """Make an empty prefix this lake's by a version without files."""
        head = Head(seq=1, lake_id=state.lake_id, run_id=self._run_id, made_at=self._now())
        self._state = state
        self._put_head(head)
        state = msgspec.structs.replace(
            state, seq=1, known_from=1, kept={1: self._settings.today(self._now())}, pending=None
        )
        write_state(self._lake, state)
        return head, state

    def _put_head(self, head: Head) -> None:
        """Create a version; the intent is kept first, so that a lost answer is told from a lost race."""
        assert self._state is not None  # noqa: S101 - `_begin` comes first
        self._state = msgspec.structs.replace(self._state, pending=Pending(seq=head.seq, run_id=self._run_id))
        write_state(self._lake, self._state)
        content = msgspec.json.encode(head)
        self._count(len(content))
        if not self._store.create(head_key(head.seq), content) and (
            (found := read_head(self._store, head.seq)).run_id != self._run_id or found.lake_id != head.lake_id
        ):
            raise MirrorError(
                f"{self._store.url}: another run put version {head.seq} meanwhile; this one is not seen. Restore into "
                "an empty root and go on there (pulltasks lake restore); raw files that were put are adopted"
            )

    def _head(self, parent: Head, contents: Contents, today: date) -> tuple[Head, tuple[date, ...]]:
        """The next version; and the days that the lake lost, which stay as the parent names them."""
        lake, gone = self._lake, forgotten_days(self._lake)
        lost = {day: sha for day, sha in parent.days.items() if day not in contents.days and day not in gone}
        lost_months = {
            month: sha
            for month, sha in parent.months.items()
            if month not in contents.months and any(day.replace(day=1) == month for day in lost)
        }
        days = dict(sorted({**contents.days, **lost}.items()))
        head = Head(
            seq=parent.seq + 1,
            lake_id=parent.lake_id,
            parent=parent.seq,
            run_id=self._run_id,
            made_at=self._now(),
            timezone=self._settings.timezone,
            key_fingerprint=self._fingerprint() or parent.key_fingerprint,
            published=contents.published,
            files=contents.files,
            days=days,
            months=dict(sorted({**contents.months, **lost_months}.items())),
            without_raw=days_without_raw(
                lake, contents.days, today, self._settings.lake.keep_raw_days, parent.without_raw
            ),
            forgotten=sorted({*parent.forgotten, *forgotten_captures(lake)}),
        )
        return head, tuple(lost)

    def _fingerprint(self) -> str | None:
        try:
            return fingerprint_of(read_key(self._lake))
        except (LakeError, OSError):
            return None

    def _days_with_new_raw(self, parent: Head, contents: Contents) -> list[date]:
        """Days whose raw files the parent does not name as they are; those of a day that has no manifest among them."""
        return [
            day
            for day in self._lake.raw_dates()
            if day not in contents.days or parent.days.get(day) != contents.days[day]
        ]

    def _days_to_remove(self, head: Head, parent: Head) -> list[date]:
        """Days that have just lost raw files by `compact`, or were taken out."""
        taken_out = forgotten_days(self._lake) if head.forgotten != parent.forgotten else set()
        return sorted({*head.without_raw} - {*parent.without_raw} | taken_out)

    def _blob(self, contents: Contents, digest: str) -> bytes:
        return contents.blobs[digest].read_bytes() if digest in contents.blobs else self._read_blob(digest)

    def _read_blob(self, digest: str) -> bytes:
        return self._store.get(blob_key(digest))

    def _put_files(self, files: Mapping[str, Path]) -> None:
        """Put files, several at a time."""

        def put(item: tuple[str, Path]) -> None:
            key, path = item
            self._store.put(key, path)

        at_once(put, files.items())
        for path in files.values():
            self._count(path.stat().st_size)

    def _count(self, put_bytes: int) -> None:
        self._objects += 1
        self._put_bytes += put_bytes

    def _publish(self) -> None:
        """Put what readers may see where they take it from; nothing of it while secrets are shown."""
        url = self._settings.lake.mirror.published_url
        if url is None or self._settings.warehouse.expose_secrets:
            return
        files = {PUBLISHED_FILE: self._lake.published, PUBLISHED_PAGE: self._lake.dashboard}
        there = {name: path.resolve() for name, path in files.items() if path.exists()} | _tables(self._lake)
        store, state = Store(url, self._settings, self._now), self._begin()[1]
        before = self._objects
        for name, path in there.items():
            address, digest = f"{url}/{name}", sha256_of(path)
            if state.published.get(address) != digest:
                store.put(name, path)
                self._count(path.stat().st_size)
                state = msgspec.structs.replace(state, published={**state.published, address: digest})
        if self._objects > before:
            named = set(there)
            listed = list(store.objects("tables/"))
            newest = max((found.at for found in listed), default=self._now())
            gone = [found.key for found in listed if found.key not in named and newest - found.at > UNREAD_FOR]
            at_once(store.delete, gone)
            state = msgspec.structs.replace(
                state,
                published={key: sha for key, sha in state.published.items() if key.removeprefix(f"{url}/") not in gone},
            )
        self._state = state


def _tables(lake: Lake) -> dict[str, Path]:
    """The open tables by their names there; `latest.json` comes last, when all that it names is there."""
    paths = sorted(lake.open_tables.rglob("*.parquet"))
    files = {f"tables/{path.relative_to(lake.open_tables).as_posix()}": path for path in paths}
    return files | ({"latest.json": lake.latest_tables} if lake.latest_tables.is_file() else {})


def _same(head: Head, parent: Head) -> bool:
    """Whether a version would say just what its parent says."""
    said = {"seq": 0, "parent": None, "run_id": None, "made_at": None}
    return msgspec.structs.replace(head, **said) == msgspec.structs.replace(parent, **said)
