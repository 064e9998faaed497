"""Putting a lake into its mirror: raw files as soon as they are there, everything else by version.

Lives here: who may put, in which order, what counts as being there.
Does not live here: what belongs into a version (contents, raw_plan), what is kept (retention), readers' files.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import TYPE_CHECKING

import msgspec

from pulltasks.errors import LakeError, MirrorError, NotReadable
from pulltasks.lake.let_go import LetGo, read_let_go, write_let_go
from pulltasks.lake.manifests import read_if_valid
from pulltasks.lake.redaction_key import fingerprint_of, read_key
from pulltasks.mirror import retention
from pulltasks.mirror.contents import blobs_of, contents_of, raw_files_of, raw_of_manifest
from pulltasks.mirror.heads import Head, blob_key, head_key, newest_seq, read_head
from pulltasks.mirror.raw_plan import plan_raw
from pulltasks.mirror.readers import put_for_readers
from pulltasks.mirror.state import Pending, State, read_state, write_state
from pulltasks.mirror.store import Store, at_once

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import date, datetime
    from pathlib import Path

    from pulltasks.lake.lake import Lake
    from pulltasks.mirror.contents import Contents
    from pulltasks.mirror.raw_plan import RawPlan
    from pulltasks.settings import Settings


@dataclass(frozen=True)
class Pushed:
    """What a push did.

    Attributes:
        seq: the version that the mirror stands on now.
        objects: how many were put.
        put_bytes: how much that was.
        removed: how many objects were removed.
        kept_days: days that the mirror has and the lake lost; their version stays.
        damaged: days and months whose tables are not what their manifest says; they were left out.
    """

    seq: int
    objects: int = 0
    put_bytes: int = 0
    removed: int = 0
    kept_days: tuple[date, ...] = ()
    damaged: tuple[str, ...] = ()


class Mirror:
    """A lake's mirror for one run, which holds the lake's lock; `on_put` is told how it gets on."""

    def __init__(
        self,
        lake: Lake,
        settings: Settings,
        run_id: str,
        now: Callable[[], datetime],
        on_put: Callable[[int, int], None] = lambda _done, _of: None,
    ) -> None:
        assert settings.lake.mirror.url  # noqa: S101 - nobody mirrors without an address
        self._lake = lake
        self._settings = settings
        self._run_id = run_id
        self._now = now
        self._on_put = on_put
        self._puts, self._total = count(1), 0
        self._store = Store(settings.lake.mirror.url, settings, now)
        self._parent: Head | None = None
        self._state: State | None = None
        self._raw_there: set[str] = set()
        self._objects = 0
        self._put_bytes = 0

    def put_raw(self, day: date) -> None:
        """Put the raw files of a day, but for those that the lake's version names.

        Raises:
            MirrorError: when the mirror is another lake's, stands on another version, or cannot be reached.
        """
        parent, _ = self._begin()
        manifest = read_if_valid(self._lake.manifest_file(day))
        if manifest is not None and day in parent.days and day not in parent.without_raw:
            self._raw_there |= set(raw_of_manifest(day, manifest)) - set(parent.missing_raw)
        self._put_raw_files(raw_files_of(self._lake, day))

    def push(self) -> Pushed:
        """Put everything that is new, then the version that names it; let go of what is kept no longer.

        Raises:
            MirrorError: likewise; what was put is taken up by the next push.
        """
        parent, _ = self._begin()
        note = read_let_go(self._lake)
        contents = contents_of(self._lake, with_key=self._settings.lake.mirror.with_key, known=parent)
        try:
            head, plan = self._head(parent, contents, note)
        except NotReadable as error:
            raise MirrorError(f"{self._store.url}: {error}; name an empty prefix, and push") from None
        kept_days = tuple(day for day in head.days if day not in contents.days)
        removed = 0
        if not _same(head, parent) or plan.to_put or not note.is_empty:
            removed = self._put_version(parent, head, plan, contents, note)
        self._for_readers()
        seq = self._state.seq if self._state else parent.seq
        return Pushed(seq, self._objects, self._put_bytes, removed, kept_days, contents.damaged)

    def _put_version(self, parent: Head, head: Head, plan: RawPlan, contents: Contents, note: LetGo) -> int:
        """Put what is new and the version that names it; returns how many objects went."""
        state = self._begin()[1]
        self._put_raw_files(plan.to_put)
        named = set(blobs_of(head, partial(self._blob, contents)).values())
        there = {digest for digest, (_, last) in state.blobs.items() if last == parent.seq}
        # what is not on disk belongs to days that the lake lost, and is there: the parent names it
        self._put_files({blob_key(sha): contents.blobs[sha] for sha in named - there if sha in contents.blobs})
        self._put_head(head)
        state = self._begin()[1]
        blobs = {**state.blobs, **{sha: (state.blobs.get(sha, (head.seq, 0))[0], head.seq) for sha in named}}
        state = msgspec.structs.replace(state, seq=head.seq, run_id=self._run_id, pending=None, blobs=blobs)
        self._keep(state)
        state, removed = retention.let_go(self._store, state, head, self._settings, note, self._read_blob)
        self._keep(state)
        write_let_go(self._lake, LetGo())  # the caller holds the lock: nothing was noted meanwhile
        return removed

    def _keep(self, state: State) -> None:
        self._state = state
        write_state(self._lake, state)

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
        is_ours = state.url == url and newest == state.seq and state.run_id in {None, head.run_id}
        has_arrived = state.pending and (state.pending.seq, state.pending.run_id) == (newest, head.run_id)
        if is_ours:
            return head, state
        if state.url == url and has_arrived:
            named = set(blobs_of(head, self._read_blob).values())
            blobs = state.blobs | {sha: (state.blobs.get(sha, (newest, 0))[0], newest) for sha in named}
            state = msgspec.structs.replace(state, seq=newest, run_id=head.run_id, pending=None, blobs=blobs)
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
        state = msgspec.structs.replace(state, seq=1, run_id=self._run_id, known_from=1, pending=None)
        self._keep(state)
        return head, state

    def _put_head(self, head: Head) -> None:
        """Create a version; the intent is kept first, so that a lost answer is told from a lost race."""
        assert self._state is not None  # noqa: S101 - `_begin` comes first
        self._keep(msgspec.structs.replace(self._state, pending=Pending(seq=head.seq, run_id=self._run_id)))
        content = msgspec.json.encode(head)
        self._count(len(content))
        if not self._store.create(head_key(head.seq), content) and (
            (found := read_head(self._store, head.seq)).run_id != self._run_id or found.lake_id != head.lake_id
        ):
            raise MirrorError(
                f"{self._store.url}: another run put version {head.seq} meanwhile; this one is not seen. Restore into "
                "an empty root and go on there (pulltasks lake restore); raw files that were put are adopted"
            )

    def _head(self, parent: Head, contents: Contents, note: LetGo) -> tuple[Head, RawPlan]:
        """The next version, and what must be put before it; days that the lake lost stay as the parent names them."""
        open_months = {day.replace(day=1) for day in contents.days} - set(contents.months)
        lost = {
            day: sha
            for day, sha in parent.days.items()
            if day not in contents.days
            and day not in note.forgotten
            and not (day.replace(day=1) in open_months and day.replace(day=1) in parent.months)
        }
        lost_months = {day.replace(day=1) for day in lost} & set(parent.months) - set(contents.months)
        days = dict(sorted({**contents.days, **lost}.items()))
        plan = plan_raw(self._lake, days, parent, note.raw_days, self._read_blob)
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
            months=dict(sorted({**contents.months, **{each: parent.months[each] for each in lost_months}}.items())),
            without_raw=plan.without_raw,
            missing_raw=sorted(plan.missing),
            forgotten=sorted({*parent.forgotten, *(each for ids in note.forgotten.values() for each in ids)}),
            forgotten_days=sorted(note.forgotten),
        )
        return head, plan

    def _fingerprint(self) -> str | None:
        try:
            return fingerprint_of(read_key(self._lake))
        except (LakeError, OSError):
            return None

    def _blob(self, contents: Contents, digest: str) -> bytes:
        found = contents.blobs.get(digest)
        if found is None:
            return self._read_blob(digest)
        return found if isinstance(found, bytes) else found.read_bytes()

    def _read_blob(self, digest: str) -> bytes:
        return self._store.get(blob_key(digest))

    def _put_raw_files(self, files: Mapping[str, Path]) -> None:
        """Put raw files that are not known to be there; one that is there all the same stays as it is."""
        new = {key: path for key, path in files.items() if key not in self._raw_there}

        def put(item: tuple[str, Path]) -> None:
            self._store.put_new(*item)
            self._advance()

        self._total += len(new)
        at_once(put, new.items())
        self._raw_there |= set(new)
        for path in new.values():
            self._count(path.stat().st_size)

    def _put_files(self, files: Mapping[str, Path | bytes]) -> None:
        """Put files, several at a time."""

        def put(item: tuple[str, Path | bytes]) -> None:
            self._store.put(*item)
            self._advance()

        self._total += len(files)
        at_once(put, files.items())
        for content in files.values():
            self._count(len(content) if isinstance(content, bytes) else content.stat().st_size)

    def _advance(self) -> None:
        self._on_put(next(self._puts), self._total)

    def _count(self, put_bytes: int) -> None:
        self._objects += 1
        self._put_bytes += put_bytes

    def _for_readers(self) -> None:
        """What readers may see goes to them after the version, so that a trouble there costs no version."""
        state = self._begin()[1]
        published, sizes = put_for_readers(self._lake, self._settings, state.published, self._now)
        for size in sizes:
            self._count(size)
        if published != state.published:
            self._keep(msgspec.structs.replace(state, published=published))


def _same(head: Head, parent: Head) -> bool:
    """Whether a version would say just what its parent says."""
    said: dict[str, object] = {"seq": 0, "parent": None, "run_id": None, "made_at": None, "forgotten_days": []}
    return msgspec.structs.replace(head, **said) == msgspec.structs.replace(parent, **said)
