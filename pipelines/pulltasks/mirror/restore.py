"""Bringing a lake back from its mirror into an empty root; every file is held against its hash.

Lives here: the order of getting, what may be there already, raw files that no version names yet.
Does not live here: whether a lake and a mirror are whole (verify), names that a version may use (contents).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from pulltasks.errors import LakeError, MirrorError, NotReadable
from pulltasks.json_reading import decode_file
from pulltasks.lake.lake import EXPOSED, PRIVATE_FILE, PUBLIC_FILE, sha256_of
from pulltasks.lake.manifests import REPAIR_WINDOW_DAYS, Manifest
from pulltasks.lake.raw import rank, read_capture
from pulltasks.lake.redaction_key import fingerprint_of
from pulltasks.mirror.contents import blobs_of, decoded, raw_of_manifest
from pulltasks.mirror.heads import (
    EMPTIED_BYTES,
    HEADS,
    RAW,
    RAW_KEY,
    Head,
    blob_key,
    newest_seq,
    read_head,
    seq_of,
)
from pulltasks.mirror.state import State, write_state
from pulltasks.mirror.store import Store, at_once, sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pulltasks.lake.lake import Lake
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
        head: the version, without days that were taken out since.
        files: how many files of it stand there now.
        got_bytes: how much was fetched by this call.
        adopted: raw files that no version names yet; the next run makes tables of them.
        without_raw: days of which no raw file is there, in the mirror neither.
    """

    head: Head
    files: int
    got_bytes: int
    adopted: int
    without_raw: tuple[date, ...]


@dataclass(frozen=True)
class _File:
    """One file to bring back."""

    path: Path
    key: str
    sha256: str
    mode: int = PRIVATE_FILE


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
    newest_head = read_head(store, newest)
    head = newest_head if seq in {None, newest} else read_head(store, seq)
    if head.is_emptied:
        raise MirrorError(f"{store.url}: version {head.seq} is kept no longer; the newest one is {newest}")
    _require_room(lake, store, head)
    key = _key(lake, store, head, key_file)
    _begin(lake, store, head, key)
    getting = _Getting(store)
    try:
        head, raw_alone = _without_what_was_taken_out(head, newest_head, getting.blob)
        files = list(_files(lake, head, raw_alone, newest_head, getting.blob))
        named = set(blobs_of(head, getting.blob).values())
        unnamed = _raw_without_names(lake, store, head, newest_head, getting.blob)
    except NotReadable as error:
        raise MirrorError(f"{store.url}: {error}; name an older version with --version") from None
    done = 0

    def bring(file: _File) -> None:
        nonlocal done
        getting.bring(lake, file)
        done += 1
        on_file(done, len(files))

    at_once(bring, files)
    adopted = sum(_adopt(lake, store, each) for each in unnamed)
    for path in (lake.tidy / "manifests").glob("*.json"):
        if path not in {file.path for file in files}:
            path.unlink()
    if head.published is not None:
        lake.link(head.published, lake.published)
    state = State(
        url=store.url,
        lake_id=head.lake_id,
        seq=newest,
        run_id=newest_head.run_id,
        blobs=dict.fromkeys(named, (head.seq, head.seq)),
        known_from=newest,
        kept={
            seq_of(found.key): settings.today(found.at) for found in store.objects(HEADS) if found.size > EMPTIED_BYTES
        },
    )
    write_state(lake, state)
    lake.restoring.unlink()
    return Restored(head, len(files), getting.got_bytes, adopted, tuple(newest_head.without_raw))


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


def _without_what_was_taken_out(head: Head, newest: Head, read: Callable[[str], bytes]) -> tuple[Head, dict[date, str]]:
    """A version without days of captures that were forgotten since, and without the builds that hold them.

    Of a closed month that holds such a day the others come back by their raw files alone: the second part names them
    by the hashes of the days' manifests; the next run makes their tables.
    """
    forgotten = set(newest.forgotten)

    def is_forgotten(day: date, digest: str) -> bool:
        if newest.days.get(day) == digest:
            return False
        sources = decoded(read(digest), Manifest, digest).sources
        return any(source.capture_id in forgotten for source in (sources.captures if sources else ()))

    gone = {day for day, digest in head.days.items() if is_forgotten(day, digest)}
    if not gone:
        return head, {}
    opened = {day.replace(day=1) for day in gone} & set(head.months)
    rest = {day: digest for day, digest in head.days.items() if day not in gone}
    without = msgspec.structs.replace(
        head,
        days={day: digest for day, digest in rest.items() if day.replace(day=1) not in opened},
        months={month: digest for month, digest in head.months.items() if month not in opened},
        files={name: blob for name, blob in head.files.items() if not name.startswith("warehouse/")},
        published=None,
    )
    return without, {day: digest for day, digest in rest.items() if day.replace(day=1) in opened}


def _files(
    lake: Lake, head: Head, raw_alone: dict[date, str], newest: Head, read: Callable[[str], bytes]
) -> Iterator[_File]:
    """Every file of a version that is there: what was let go since is not."""
    for name, digest in blobs_of(head, read).items():
        is_public = name.startswith("warehouse/") and EXPOSED not in name
        yield _File(lake.root / name, blob_key(digest), digest, PUBLIC_FILE if is_public else PRIVATE_FILE)
    absent = {*head.missing_raw, *newest.missing_raw}
    for day, digest in {**head.days, **raw_alone}.items():
        if day in head.without_raw or day in newest.without_raw:
            continue
        for key, source in raw_of_manifest(day, decoded(read(digest), Manifest, digest)).items():
            if key in absent:
                continue
            if isinstance(source, str):
                yield _File(lake.targets_file(day), key, source)
            else:
                yield _File(lake.raw_file(day, source.project_id, source.region), key, source.sha256)


def _raw_without_names(
    lake: Lake, store: Store, head: Head, newest: Head, read: Callable[[str], bytes]
) -> list[tuple[Path, str]]:
    """Raw files that no version names: put by a run that came to no version, or of days whose manifest names none."""
    named: set[str] = set()
    by_name_of_day: set[date] = set()
    for day, digest in head.days.items():
        manifest = decoded(read(digest), Manifest, digest)
        named |= set(raw_of_manifest(day, manifest))
        if manifest.sources is None:
            by_name_of_day.add(day)
    gone = {*newest.without_raw, *newest.forgotten_days}
    since = max(newest.days, default=date.min + timedelta(days=REPAIR_WINDOW_DAYS)) - timedelta(days=REPAIR_WINDOW_DAYS)
    begin = min([since, *by_name_of_day])
    found: list[tuple[Path, str]] = []
    for each in store.objects(RAW, f"{RAW}snapshot_date={begin}"):
        match = RAW_KEY.fullmatch(each.key)
        if match is None or each.key in named:
            continue
        day = date.fromisoformat(match["day"])
        is_newest = head.seq == newest.seq and day >= since
        if day in gone or match["capture"] in newest.forgotten or not (is_newest or day in by_name_of_day):
            continue
        if match["project"]:
            found.append((lake.raw_file(day, match["project"], match["region"]), each.key))
        elif day not in head.days or day in by_name_of_day:
            found.append((lake.targets_file(day), each.key))
    return found


class _Getting:
    """Gets what is not there yet, and holds it against its hash."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._small: dict[str, bytes] = {}
        self.got_bytes = 0

    def blob(self, digest: str) -> bytes:
        """A small one, such as a manifest; fetched once."""
        if digest not in self._small:
            content = self._store.get(blob_key(digest))
            self.got_bytes += len(content)
            if sha256(content) != digest:
                raise MirrorError(DAMAGED.format(place=f"{self._store.url}/{blob_key(digest)}"))
            self._small[digest] = content
        return self._small[digest]

    def bring(self, lake: Lake, file: _File) -> None:
        """One file, unless it is there."""
        if file.path.is_file() and sha256_of(file.path) == file.sha256:
            return
        with lake.writing(file.path, mode=file.mode) as unfinished:
            found = self._store.fetch(file.key, unfinished)
            self.got_bytes += unfinished.stat().st_size
            if found != file.sha256:
                raise MirrorError(DAMAGED.format(place=f"{self._store.url}/{file.key}"))


def _adopt(lake: Lake, store: Store, unnamed: tuple[Path, str]) -> int:
    """Fetch a raw file that no version names; of two captures of a target the better one stands."""
    path, key = unnamed
    unfinished = lake.unfinished("adopted")
    store.fetch(key, unfinished)
    is_capture = path.suffix == ".zst"
    if path.is_file() and (not is_capture or _rank(path) >= _rank(unfinished)):
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
