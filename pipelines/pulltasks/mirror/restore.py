"""Bringing a lake back from its mirror into an empty root; every file is held against its hash.

Lives here: the order of getting, what may be there already, raw files that no version names yet.
Does not live here: whether a lake and a mirror are whole (verify).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from pulltasks.errors import LakeError, MirrorError, NotReadable
from pulltasks.json_reading import decode_file
from pulltasks.lake.lake import PRIVATE_FILE, PUBLIC_FILE, sha256_of
from pulltasks.lake.manifests import REPAIR_WINDOW_DAYS, Manifest, RawSource
from pulltasks.lake.raw import rank, read_capture
from pulltasks.lake.redaction_key import fingerprint_of
from pulltasks.mirror.contents import blobs_of, decoded, raw_of_manifest
from pulltasks.mirror.heads import EMPTIED_BYTES, HEADS, RAW, Head, blob_key, head_key, newest_seq, read_head, seq_of
from pulltasks.mirror.state import State, write_state
from pulltasks.mirror.store import Store, at_once, sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from pulltasks.lake.lake import Lake
    from pulltasks.mirror.store import Found
    from pulltasks.settings import Settings

DAMAGED = "{place}: is damaged: its content is not what its name says"


class Restoring(msgspec.Struct, frozen=True, kw_only=True):
    """Which version a root is being restored to."""

    url: str
    seq: int


@dataclass(frozen=True)
class Restored:
    """What a restore brought back.

    Attributes:
        head: the version.
        files: how many files of it stand there now.
        got_bytes: how much was fetched by this call.
        adopted: raw files that no version names yet; the next run makes tables of them.
    """

    head: Head
    files: int
    got_bytes: int
    adopted: int


def restore(
    lake: Lake,
    settings: Settings,
    now: Callable[[], datetime],
    *,
    seq: int | None = None,
    key_file: Path | None = None,
    on_file: Callable[[int, int], None] = lambda _done, _of: None,
) -> Restored:
    """Bring a lake back; a second call goes on where the first one was stopped.

    Args:
        lake: an empty root, or one that is being restored; the caller holds its lock.
        settings: where the mirror is.
        now: the time.
        seq: the version; None for the newest.
        key_file: a file with the redaction key, where the mirror has none.
        on_file: is told how many files of how many are there.

    Raises:
        LakeError: when the root holds another lake, or the redaction key is missing or another one.
        MirrorError: when something is missing or damaged there, or it cannot be reached; a later call goes on.
    """
    assert settings.lake.mirror.url  # noqa: S101 - the caller asked for an address
    store = Store(settings.lake.mirror.url, settings, now)
    newest = newest_seq(store)
    if not newest:
        raise MirrorError(f"{store.url}: there is no version of a lake")
    head = read_head(store, seq or newest)
    if head.is_emptied:
        raise MirrorError(f"{store.url}: version {head.seq} is kept no longer; the newest one is {newest}")
    _require_room(lake, store, head)
    key = _key(lake, store, head, key_file)
    _begin(lake, store, head, key)
    got = _Getting(lake, store)
    manifests: dict[str, bytes] = {}

    def read(digest: str) -> bytes:
        if digest not in manifests:
            manifests[digest] = got.blob(digest)
        return manifests[digest]

    named = _damaged(store, partial(blobs_of, head, read))
    raw = _raw_of(head, read)
    total, done = len(named) + len(raw), 0

    def told(step: Callable[[], None]) -> None:
        nonlocal done
        step()
        done += 1
        on_file(done, total)

    steps: list[Callable[[], None]] = [partial(got.file, path, digest) for path, digest in named.items()]
    steps += [partial(got.raw_file, day, key, source) for key, (day, source) in raw.items()]
    at_once(told, steps)
    adopted = _adopt(lake, store, head, set(raw)) if head.seq == newest else 0
    if head.published is not None:
        lake.link(head.published, lake.published)
    state = State(
        url=store.url,
        lake_id=head.lake_id,
        seq=head.seq,
        blobs=dict.fromkeys(named.values(), (head.seq, head.seq)),
        known_from=head.seq,
        kept={
            seq_of(found.key): settings.today(found.at)
            for found in store.objects(HEADS)
            if seq_of(found.key) <= head.seq and found.size > EMPTIED_BYTES
        },
    )
    write_state(lake, state)
    lake.restoring.unlink()
    return Restored(head, total, got.got_bytes, adopted)


def _begin(lake: Lake, store: Store, head: Head, key: str | None) -> None:
    """Mark the root as being restored; the key is the first file."""
    with lake.writing(lake.restoring) as unfinished:
        unfinished.write_bytes(msgspec.json.encode(Restoring(url=store.url, seq=head.seq)))
    if key is not None:
        with lake.writing(lake.redaction_key) as unfinished:
            unfinished.write_text(key + "\n", encoding="ascii")


def _require_room(lake: Lake, store: Store, head: Head) -> None:
    """Make sure that the root is empty, or was left by a restore to the same version."""
    wanted = Restoring(url=store.url, seq=head.seq)
    if lake.restoring.is_file():
        found = decode_file(lake.restoring.read_bytes(), Restoring)
        if found != wanted:
            raise LakeError(
                f"{lake.root}: is being restored to version {found.seq} of {found.url}; go on with --version "
                f"{found.seq}, or name an empty root"
            )
        return
    if lake.raw_dates() or lake.tidy_dates() or lake.builds() or lake.redaction_key.exists():
        raise LakeError(f"{lake.root}: holds a lake; a restore needs an empty root (lake.root). Nothing was touched")


def _key(lake: Lake, store: Store, head: Head, key_file: Path | None) -> str | None:
    """The redaction key, from the file or the mirror; None where the lake had none. It is held against the version."""
    if head.key_fingerprint is None:
        return None
    name = lake.redaction_key.name
    if key_file is not None:
        try:
            text = key_file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise LakeError(f"--key {key_file}: cannot be read ({error})") from None
    elif name in head.files:
        text = store.get(blob_key(head.files[name].sha256)).decode("ascii", "replace").strip()
    elif lake.redaction_key.is_file():
        text = lake.redaction_key.read_text(encoding="ascii", errors="replace").strip()
    else:
        raise LakeError(
            f"{store.url}: holds no redaction key, and without it no fingerprint means what it meant. Give the key "
            f"that was kept elsewhere: --key FILE (its fingerprint is {head.key_fingerprint})"
        )
    try:
        is_it = fingerprint_of(bytes.fromhex(text)) == head.key_fingerprint
    except ValueError:
        is_it = False
    if not is_it:
        raise LakeError(
            f"{key_file or lake.redaction_key}: is another key than the lake was published with (fingerprint "
            f"{head.key_fingerprint}); give that one with --key FILE"
        )
    return text


class _Getting:
    """Gets what is not there yet, and holds it against its hash."""

    def __init__(self, lake: Lake, store: Store) -> None:
        self._lake = lake
        self._store = store
        self.got_bytes = 0

    def blob(self, digest: str) -> bytes:
        """A small one, such as a manifest."""
        content = self._store.get(blob_key(digest))
        self.got_bytes += len(content)
        if sha256(content) != digest:
            raise MirrorError(DAMAGED.format(place=f"{self._store.url}/{blob_key(digest)}"))
        return content

    def file(self, path: str, digest: str) -> None:
        """A file of the version."""
        mode = PUBLIC_FILE if path.startswith("warehouse/") and "exposed" not in path else PRIVATE_FILE
        self._place(self._lake.root / path, blob_key(digest), digest, mode)

    def raw_file(self, day: date, key: str, source: RawSource | str) -> None:
        """A raw file that a day was made of."""
        if isinstance(source, str):
            self._place(self._lake.targets_file(day), key, source, PRIVATE_FILE)
        else:
            path = self._lake.raw_file(day, source.project_id, source.region)
            self._place(path, key, source.sha256, PRIVATE_FILE)

    def _place(self, path: Path, key: str, digest: str, mode: int) -> None:
        if path.is_file() and sha256_of(path) == digest:
            return
        with self._lake.writing(path, mode=mode) as unfinished:
            found = self._store.fetch(key, unfinished)
            self.got_bytes += unfinished.stat().st_size
            if found != digest:
                raise MirrorError(DAMAGED.format(place=f"{self._store.url}/{key}"))


def _damaged(store: Store, read: Callable[[], dict[str, str]]) -> dict[str, str]:
    try:
        return read()
    except NotReadable as error:
        raise MirrorError(f"{store.url}: {error}; name an older version with --version") from None


def _raw_of(head: Head, read: Callable[[str], bytes]) -> Mapping[str, tuple[date, RawSource | str]]:
    """The raw files that the days of a version were made of and that were not let go."""
    gone, forgotten = set(head.without_raw), set(head.forgotten)
    return {
        key: (day, source)
        for day, digest in head.days.items()
        if day not in gone
        for key, source in raw_of_manifest(day, decoded(read(digest), Manifest, digest)).items()
        if not (isinstance(source, RawSource) and source.capture_id in forgotten)
    }


def _adopt(lake: Lake, store: Store, head: Head, named: set[str]) -> int:
    """Fetch raw files that were put after the newest version; returns how many. The best capture of a target stands."""
    at = next(found.at for found in store.objects(HEADS, head_key(head.seq - 1)) if found.key == head_key(head.seq))
    since = max(head.days, default=None)
    after = f"{RAW}snapshot_date={since - timedelta(days=REPAIR_WINDOW_DAYS)}" if since else None
    unnamed = [found for found in store.objects(RAW, after) if found.key not in named and found.at >= at]
    adopted = 0
    for found in sorted(unnamed, key=lambda found: found.at):
        adopted += _adopt_one(lake, store, found, set(head.forgotten))
    return adopted


def _adopt_one(lake: Lake, store: Store, found: Found, forgotten: set[str]) -> int:
    _, day_part, *parts = found.key.split("/")
    day = date.fromisoformat(day_part.removeprefix("snapshot_date="))
    content = store.get(found.key)
    if parts[0] == "targets":
        path = lake.targets_file(day)
    else:
        project_id, region, name = parts
        if name.removesuffix(".ndjson.zst") in forgotten:
            return 0
        path = lake.raw_file(day, project_id, region)
    unfinished = lake.unfinished("adopted")
    unfinished.write_bytes(content)
    if parts[0] != "targets" and path.is_file() and _rank(path) > _rank(unfinished):
        unfinished.unlink()
        return 0
    lake.put(unfinished, path)
    return 1


def _rank(path: Path) -> tuple[int, datetime]:
    """How good a capture is; a damaged one is worse than any other."""
    try:
        capture = read_capture(path, with_answers=False)
    except LakeError:
        return (-1, datetime.min.replace(tzinfo=UTC))
    return rank(capture.verdict, capture.capture)
