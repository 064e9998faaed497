"""Which raw files of a lake must be put before a version may name its days, and which it cannot have.

Lives here: deciding it, day by day, from manifests and what lies on disk.
Does not live here: putting (push), the names of objects (heads).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pulltasks.lake.manifests import Manifest
from pulltasks.mirror.contents import decoded, raw_files_of, raw_of_manifest, raw_on_disk
from pulltasks.mirror.store import sha256

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import date
    from pathlib import Path

    from pulltasks.lake.lake import Lake
    from pulltasks.mirror.heads import Head


@dataclass
class RawPlan:
    """What to put, and what a version says is not there.

    Attributes:
        to_put: files by the keys of their objects.
        without_raw: days of which no raw file is there.
        missing: keys of single ones that are not there.
    """

    to_put: dict[str, Path] = field(default_factory=dict)
    without_raw: list[date] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)


def plan_raw(
    lake: Lake, days: Mapping[date, str], parent: Head, removed: Collection[date], read: Callable[[str], bytes]
) -> RawPlan:
    """What must be put so that each of these days has its raw files, or is said not to have them.

    Args:
        lake: what lies on disk.
        days: the hash of each day's manifest in the version to come.
        parent: the version before; what it names and does not say to lack is there.
        removed: days whose raw files `compact` let go.
        read: gives a blob of the mirror by its hash.
    """
    plan, on_disk = RawPlan(), set(lake.raw_dates())
    for day, digest in days.items():
        is_removed = day in removed and day not in on_disk
        is_known = parent.days.get(day) == digest
        if is_removed or (is_known and day in parent.without_raw and day not in on_disk):
            plan.without_raw.append(day)
        elif is_known and day not in parent.without_raw:
            _still_missing(lake, day, digest, parent, read, plan)
        else:
            _new_day(lake, day, digest, parent, read, plan)
    for day in on_disk - set(days):
        plan.to_put |= raw_files_of(lake, day)
    return plan


def _manifest(lake: Lake, day: date, digest: str, read: Callable[[str], bytes]) -> Manifest:
    """The manifest of a day, from disk where it is that one."""
    path = lake.manifest_file(day)
    if path.is_file():
        content = path.read_bytes()
        if sha256(content) == digest:
            return decoded(content, Manifest, digest)
    return decoded(read(digest), Manifest, digest)


def _still_missing(
    lake: Lake, day: date, digest: str, parent: Head, read: Callable[[str], bytes], plan: RawPlan
) -> None:
    """Of a day that the parent has, only what it lacks may have come back."""
    prefix = f"raw/snapshot_date={day}/"
    lacking = [key for key in parent.missing_raw if key.startswith(prefix)]
    if lacking:
        found = raw_on_disk(lake, day, _manifest(lake, day, digest, read))
        plan.to_put |= {key: path for key, path in found.items() if key in lacking}
        plan.missing += [key for key in lacking if key not in found]


def _new_day(lake: Lake, day: date, digest: str, parent: Head, read: Callable[[str], bytes], plan: RawPlan) -> None:
    """A day that the parent does not have, or has otherwise."""
    manifest = _manifest(lake, day, digest, read)
    if manifest.sources is None:
        plan.to_put |= raw_files_of(lake, day)
        return
    needed = raw_of_manifest(day, manifest)
    found = raw_on_disk(lake, day, manifest)
    there: set[str] = set()
    if day in parent.days and day not in parent.without_raw and set(needed) - set(found):
        before = decoded(read(parent.days[day]), Manifest, parent.days[day])
        there = set(raw_of_manifest(day, before)) - set(parent.missing_raw)
    missing = [key for key in needed if key not in found and key not in there]
    plan.to_put |= found
    if needed and len(missing) == len(needed):
        plan.without_raw.append(day)
    else:
        plan.missing += missing
