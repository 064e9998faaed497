"""What people read in their own language: the words of the page, of alarms and of messages.

Lives here: reading words.toml, with the words of reasons.toml; choosing a language and a form.
Does not live here: where a text stands (dashboard/page, alerts), sentences of errors (where they are found).
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from pulltasks.reasons import read_reasons

LANGUAGES = ("en", "zh")
# A text in each language; one that counts may have the forms `one` and `other`.
Words = dict[str, dict[str, str | dict[str, str]]]


@cache
def read_words() -> Words:
    """Every text by its key, such as `banner.complete` or `reason.forbidden`, in each language."""
    groups = tomllib.loads(Path(__file__).with_name("words.toml").read_text(encoding="utf-8"))
    words = {f"{group}.{key}": texts for group, entries in groups.items() for key, texts in entries.items()}
    return words | {f"reason.{name}": {"en": reason.en, "zh": reason.zh} for name, reason in read_reasons().items()}


def say(language: str, key: str, values: dict[str, object] | None = None) -> str:
    """A text in a language, its values put in; of two forms the one that `count` asks for."""
    values = values or {}
    text = read_words()[key][language]
    form = text if isinstance(text, str) else text["one" if values.get("count") == 1 else "other"]
    return form.format(**values)
