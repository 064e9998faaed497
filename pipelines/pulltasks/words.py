"""Texts in the reader's language: those of the page, of alarms and of reasons.

Lives here: reading words.toml, with the texts of reasons.toml; choosing a language and a form; a number with its noun;
a range of days.
Does not live here: the use of a text (dashboard/page, alerts), messages of errors (where they are raised).
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from pulltasks.reasons import read_reasons

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date

LANGUAGES = ("en", "zh")
# A text in each language; one that counts may have the forms `one` and `other`.
Words = dict[str, dict[str, str | dict[str, str]]]


@cache
def read_words() -> Words:
    """Return every text in each language, by its key, such as `banner.complete` or `reason.forbidden`."""
    import tomllib

    groups = tomllib.loads(Path(__file__).with_name("words.toml").read_text(encoding="utf-8"))
    words = {f"{group}.{key}": texts for group, entries in groups.items() for key, texts in entries.items()}
    return words | {f"reason.{name}": {"en": reason.en, "zh": reason.zh} for name, reason in read_reasons().items()}


def say(language: str, key: str, values: dict[str, object] | None = None) -> str:
    """Return a text in a language with its values filled in; the value `count` chooses between `one` and `other`."""
    values = values or {}
    text = read_words()[key][language]
    form = text if isinstance(text, str) else text["one" if str(values.get("count")) == "1" else "other"]
    return form.format(**values)


def counted(count: int, noun: str) -> str:
    """Return a number with its English noun, which takes an `s` unless it is one: `1 task`, `2,000 tasks`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def spans(days: Sequence[date]) -> str:
    """Return days, which are in order, as a range such as `2026-11-01 to 2026-11-07`."""
    if not days:
        return "none"
    return str(days[0]) if len(days) == 1 else f"{days[0]} to {days[-1]}"
