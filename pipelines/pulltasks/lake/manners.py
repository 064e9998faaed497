"""The manners of the real service, as `doctor --probe` learnt them for each target.

Lives here: the record, the file `manners.json` of a lake, the sentence that names the unknown manners.
Does not live here: asking the service (doctor.probe), judging its answers (doctor.manners), printing (cli.output).
"""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - msgspec reads the annotations
from typing import TYPE_CHECKING, Literal

import msgspec

from pulltasks.errors import NotReadable
from pulltasks.json_reading import decode_file
from pulltasks.words import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pulltasks.lake.lake import Lake

Unknown = Literal["unknown"]
# The manners in the order in which they are shown.
MANNERS = (
    "by_unknown_id",
    "past_the_end",
    "offset_unit",
    "region_filters",
    "total_with_filters",
    "undocumented_fields",
)


class Manners(msgspec.Struct, frozen=True, kw_only=True):
    """The behaviour of the service for one target.

    Attributes:
        by_unknown_id: the answer to an id that no task has; `404` only with a code of the service itself.
        past_the_end: the answer to an offset beyond the list; `repeats` when it shows earlier tasks again.
        offset_unit: what `offset` counts.
        region_filters: whether `region` decides which tasks are listed.
        total_with_filters: whether `total` counts the tasks that a filter leaves, or all tasks.
        undocumented_fields: names of fields that the documentation lacks; fields beside the list of tasks as
            `(answer).name`. `***` means that there are more names, which are hidden.
        reasons: the reason for each unknown manner, by its name.
    """

    by_unknown_id: Literal["404", "empty", "other"] | Unknown = "unknown"
    past_the_end: Literal["empty", "refused", "repeats"] | Unknown = "unknown"
    offset_unit: Literal["rows", "pages"] | Unknown = "unknown"
    region_filters: Literal["yes", "no"] | Unknown = "unknown"
    total_with_filters: Literal["follows", "stays"] | Unknown = "unknown"
    undocumented_fields: tuple[str, ...] = ()
    reasons: dict[str, str] = {}

    @property
    def has_learnt_nothing(self) -> bool:
        """Tell whether all manners are unknown."""
        return self.reasons.keys() == set(MANNERS)


class Probed(msgspec.Struct, frozen=True, kw_only=True):
    """The manners of one target, and the time of the probe (UTC)."""

    probed_at: datetime
    manners: Manners


NOT_PROBED = Manners(reasons=dict.fromkeys(MANNERS, "not probed"))


def read_manners(lake: Lake) -> tuple[dict[str, Probed], str | None]:
    """Return the recorded manners by `project_id/region`, and a message if the file exists and cannot be read."""
    try:
        return decode_file(lake.manners.read_bytes(), dict[str, Probed]), None
    except FileNotFoundError:
        return {}, None
    except (OSError, NotReadable):  # the error's own text may quote the file
        return {}, f"{lake.manners}: cannot be read; remove it, and run `pulltasks doctor --probe` to write it again"


def write_manners(lake: Lake, found: Mapping[str, Probed]) -> None:
    """Add new manners to the file; the caller holds the lake's lock.

    A probe that learnt nothing does not replace an earlier one that did. A damaged file is replaced.

    Raises:
        OSError: when the file cannot be written; it is unchanged then.
    """
    known, _ = read_manners(lake)
    new = {key: probed for key, probed in found.items() if key not in known or not probed.manners.has_learnt_nothing}
    with lake.writing(lake.manners) as unfinished:
        unfinished.write_bytes(msgspec.json.format(msgspec.json.encode(known | new), indent=2))


def words_of_unknown(known: Mapping[str, Probed], targets: Sequence[str]) -> str | None:
    """Return a sentence that names the unknown manners of the service, or None if all are known.

    Args:
        known: the recorded manners, by target.
        targets: the targets to report on, as `project_id/region`.
    """
    if not known.keys() & {*targets}:
        return "not probed: how the service answers; run `pulltasks doctor --probe`"
    unknown = [known[target].manners.reasons if target in known else NOT_PROBED.reasons for target in targets]
    counts = {name: sum(name in reasons for reasons in unknown) for name in MANNERS}
    all_targets = counted(len(targets), "target")
    named = ", ".join(f"{name} at {count} of {all_targets}" for name, count in counts.items() if count)
    return f"unknown about the service: {named}; `pulltasks doctor --probe` gives the reasons" if named else None
