"""The reasons of verdicts, refusals and failed runs: what each means, what to do, who has to act.

Lives here: reading reasons.toml.
Does not live here: which reason an answer or a day has (proof, huawei, capture, lake, sql), messages around it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

# Who has to do something before a target can be complete again.
Actor = Literal["administrator", "operator", "nobody"]


class Reason(NamedTuple):
    """A reason; reasons.toml describes the fields, `group` is the name of its table there."""

    group: str
    who: Actor
    may_pass: bool
    seen: str
    en: str
    zh: str


# A reason that only an earlier version knew.
_UNKNOWN = Reason(
    group="",
    who="nobody",
    may_pass=True,
    seen="",
    en="run `pulltasks doctor` for more",
    zh="请运行 `pulltasks doctor` 进一步诊断",
)


@cache
def read_reasons() -> dict[str, Reason]:
    """Return every reason by its name, in the order of the file."""
    import tomllib

    groups = tomllib.loads(Path(__file__).with_name("reasons.toml").read_text(encoding="utf-8"))
    return {name: Reason(group, **entry) for group, entries in groups.items() for name, entry in entries.items()}


def reason_of(name: str | None) -> Reason:
    """Return what a `verdict_reason` means; of one that only an earlier version knew, where to find out."""
    return read_reasons().get(name or "", _UNKNOWN)


def advice_on(name: str | None) -> str:
    """Return what happened and what to do, in English, to follow other words of a message."""
    return reason_of(name).en
