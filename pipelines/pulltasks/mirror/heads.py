"""Versions of a mirror: one numbered object each, created once, that names all that belongs to it.

Lives here: the form of a head, where objects lie, reading the newest one.
Does not live here: what a lake holds (contents), which versions are kept (retention).
"""

from __future__ import annotations

import re
from datetime import date, datetime  # noqa: TC003 - msgspec reads the annotations
from typing import TYPE_CHECKING

import msgspec

from pulltasks.errors import MirrorError, NotReadable
from pulltasks.json_reading import decode_file
from pulltasks.names import REGION_PATTERN

if TYPE_CHECKING:
    from pulltasks.mirror.store import Store

HEADS = "heads/"
BLOBS = "blobs/"
RAW = "raw/"
RAW_KEY = re.compile(
    r"raw/snapshot_date=(?P<day>\d{4}-\d\d-\d\d)/"
    r"(?:targets/[0-9a-f]{64}\.json"
    rf"|(?P<project>[0-9a-f]{{32}})/(?P<region>{REGION_PATTERN})/(?P<capture>[A-Za-z0-9._-]+)\.ndjson\.zst)"
)
EMPTIED_BYTES = 200  # an emptied version is smaller, one with files is larger


class Blob(msgspec.Struct, frozen=True, kw_only=True):
    """One file by its content."""

    sha256: str
    bytes: int


class Head(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One version of a lake.

    Attributes:
        seq: its number, from 1.
        lake_id: which lake it is a version of.
        parent: the version that it was made from; None for the first.
        run_id: who put it: tells a lost answer from a lost race.
        made_at: when, by the clock of the machine that put it.
        timezone: the calendar that the lake's dates are counted in.
        key_fingerprint: of the redaction key; None before there is one.
        published: the build that readers see, by the name of its file.
        files: lake paths of builds, page, alarms and run records.
        days: hash of the manifest of each day; it names the day's tables and raw files.
        months: likewise of each closed month; it names its days' manifests and tables as well.
        without_raw: days whose raw files are not there: `compact` removed them, or they never were.
        missing_raw: single raw files, by their keys, that a day was made of and that were gone before they were put.
        forgotten: identifiers of captures that were taken out; they never come back.
        forgotten_days: days that were taken out and whose raw files may still be there.
        is_emptied: whether only number, lake and parent are left.
    """

    seq: int
    lake_id: str
    parent: int | None = None
    run_id: str | None = None
    made_at: datetime | None = None
    timezone: str | None = None
    key_fingerprint: str | None = None
    published: str | None = None
    files: dict[str, Blob] = {}
    days: dict[date, str] = {}
    months: dict[date, str] = {}
    without_raw: list[date] = []
    missing_raw: list[str] = []
    forgotten: list[str] = []
    forgotten_days: list[date] = []
    is_emptied: bool = False

    def emptied(self) -> Head:
        """What is left of it once it is not kept."""
        return Head(seq=self.seq, lake_id=self.lake_id, parent=self.parent, is_emptied=True)


def head_key(seq: int) -> str:
    """Where a version lies; keys sort as numbers do."""
    return f"{HEADS}{seq:010d}.json"


def blob_key(sha256: str) -> str:
    """Where a file lies by its content."""
    return f"{BLOBS}{sha256}"


def raw_key(day: date, project_id: str, region: str, capture_id: str) -> str:
    """Where a capture lies; nobody else ever writes there."""
    return f"{RAW}snapshot_date={day}/{project_id}/{region}/{capture_id}.ndjson.zst"


def targets_key(day: date, sha256: str) -> str:
    """Where a target list lies, by its content: lists of several runs of a day stand beside each other."""
    return f"{RAW}snapshot_date={day}/targets/{sha256}.json"


def read_head(store: Store, seq: int) -> Head:
    """A version.

    Raises:
        MirrorError: when there is none of that number, or it cannot be read.
    """
    content = store.find(head_key(seq))
    if content is None:
        raise MirrorError(f"{store.url}: there is no version {seq}")
    try:
        return decode_file(content, Head)
    except NotReadable as error:
        raise MirrorError(f"{store.url}/{head_key(seq)}: cannot be read as a version ({error})") from None


def newest_seq(store: Store, known: int = 0) -> int:
    """The number of the newest version; 0 where there is none. Versions before a known one are not listed."""
    after = head_key(known - 1) if known > 1 else None
    return max((seq_of(found.key) for found in store.objects(HEADS, after)), default=0)


def seq_of(key: str) -> int:
    """The number in the name of a version; 0 for what is none."""
    name = key.removeprefix(HEADS).removesuffix(".json")
    return int(name) if name.isdecimal() else 0
