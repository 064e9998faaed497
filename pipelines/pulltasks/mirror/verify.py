"""Whether a lake and its mirror are whole: everything that is named is there, and is what its name says.

Lives here: reading all of it; nothing is changed.
Does not live here: mending (lake.audit, push, restore).
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from pulltasks.errors import LakeError, MirrorError, NotReadable
from pulltasks.lake.lake import sha256_of
from pulltasks.lake.manifests import Manifest, RawSource, read_manifest, read_month_manifest
from pulltasks.lake.redaction_key import read_key
from pulltasks.mirror.contents import blobs_of, decoded, raw_of_manifest
from pulltasks.mirror.heads import blob_key, newest_seq, read_head
from pulltasks.mirror.store import Store, at_once, sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import date, datetime

    from pulltasks.lake.lake import Lake
    from pulltasks.settings import Settings


def verify_lake(lake: Lake) -> Iterator[str]:
    """What is wrong with the lake's own files, a line each."""
    if lake.restoring.is_file():
        yield f"{lake.root}: is being restored; run `pulltasks lake restore` again to its end"
    try:
        read_key(lake)
    except LakeError as error:
        yield str(error)
    except OSError:
        if lake.builds():
            yield f"{lake.redaction_key}: is gone; restore it from where it was kept"
    yield from _months(lake)
    for day in lake.tidy_dates():
        yield from _day(lake, day)


def _months(lake: Lake) -> Iterator[str]:
    for month in lake.compacted_months():
        path = lake.month_manifest_file(month)
        try:
            entries = read_month_manifest(path).tables.values()
        except LakeError as error:
            yield str(error)
            continue
        for entry in entries:
            yield from _wrong(lake.tidy / entry.file, entry.sha256, path)


def _day(lake: Lake, day: date) -> Iterator[str]:
    path = lake.manifest_file(day)
    try:
        manifest = read_manifest(path)
    except LakeError as error:
        yield str(error)
        return
    for entry in [] if lake.is_compacted(day) else manifest.tables.values():
        yield from _wrong(lake.tidy / entry.file, entry.sha256, path)
    for source in manifest.sources.captures if manifest.sources and day in lake.raw_dates() else []:
        yield from _wrong(lake.raw_file(day, source.project_id, source.region), source.sha256, path)


def _wrong(path: Path, digest: str, named_by: Path) -> Iterator[str]:
    if not path.is_file():
        yield f"{path}: is not there, though {named_by.name} names it"
    elif sha256_of(path) != digest:
        yield f"{path}: is not what {named_by.name} names"


def verify_mirror(
    settings: Settings, now: Callable[[], datetime], *, on_object: Callable[[int, int], None] = lambda _done, _of: None
) -> tuple[int, list[str]]:
    """The mirror's newest version, and what is wrong with what it names, a line each.

    Raises:
        MirrorError: when it cannot be reached, or there is no version.
    """
    assert settings.lake.mirror.url  # noqa: S101 - the caller asked for an address
    store = Store(settings.lake.mirror.url, settings, now)
    if not (seq := newest_seq(store)):
        raise MirrorError(f"{store.url}: there is no version of a lake; `pulltasks lake push` puts the first one")
    head = read_head(store, seq)
    troubles: list[str] = []

    def read(digest: str) -> bytes:
        content = store.get(blob_key(digest))
        if sha256(content) != digest:
            raise NotReadable(f"blob {digest}: is not what its name says")
        return content

    try:
        named = {blob_key(digest): digest for digest in blobs_of(head, read).values()}
        for day, digest in head.days.items():
            if day not in head.without_raw:
                sources = raw_of_manifest(day, decoded(read(digest), Manifest, digest))
                named |= {
                    key: each.sha256 if isinstance(each, RawSource) else each
                    for key, each in sources.items()
                    if key not in head.missing_raw
                }
    except (NotReadable, MirrorError) as error:
        return seq, [str(error)]
    done = 0
    with tempfile.TemporaryDirectory() as folder:

        def look(item: tuple[int, tuple[str, str]]) -> None:
            nonlocal done
            number, (key, digest) = item
            place = Path(folder) / str(number)
            try:
                if store.fetch(key, place) != digest:
                    troubles.append(f"{store.url}/{key}: is not what its name or its manifest says")
            except MirrorError as error:
                troubles.append(str(error))
            place.unlink(missing_ok=True)
            done += 1
            on_object(done, len(named))

        at_once(look, enumerate(named.items()))
    return seq, sorted(troubles)


def reads_conditions(store: Store, name: str) -> bool:
    """Whether the store keeps to `If-None-Match`: a second object of one name is refused. Leaves nothing behind."""
    key = f"probe/{name}"
    try:
        store.create(key, b"first")
        return not store.create(key, b"second")
    finally:
        store.delete(key)
