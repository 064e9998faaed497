"""The reasons of verdicts, refusals and failed runs: their meaning, the advice, who has to act.

Lives here: reading reasons.toml.
Does not live here: the choice of a reason (proof, huawei, capture, lake, sql), messages around it.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal, NamedTuple

# The one who has to act before a target can be complete again.
Actor = Literal["administrator", "operator", "nobody"]


class Reason(NamedTuple):
    """A reason; reasons.toml describes the fields, `group` is the name of its table there."""

    group: str
    who: Actor
    may_pass: bool
    seen: str
    en: str
    zh: str


# The description of a reason that only an earlier version knew.
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
    """Return the description of a `verdict_reason`; for an unknown one, a pointer to `pulltasks doctor`."""
    return read_reasons().get(name or "", _UNKNOWN)


def advice_on(name: str | None) -> str:
    """Return the cause and the advice in English, as the end of a message."""
    return reason_of(name).en
