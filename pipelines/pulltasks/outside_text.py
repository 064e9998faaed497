"""Text from outside, made safe for a terminal, a log line, a message and Dagster's metadata.

Lives here: masking it, escaping characters that control a terminal, cutting it.
Does not live here: the masks (sql/masks), the messages around it (huawei, cli.output, alerts.rules).
"""

from __future__ import annotations

import re
import unicodedata

MAX_CHARACTERS = 500
# Masks look for blanks and separators. Most codes and identifiers have none, which spares loading the masks.
_PLAIN = re.compile(r"[A-Za-z0-9._-]*")
# Control characters, invisible ones and those that change the direction of text, lone surrogates, line separators.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def fit(text: str, max_characters: int = MAX_CHARACTERS) -> str:
    """Return text from outside as one masked line of at most `max_characters`, without control characters."""
    if len(text) <= max_characters and _PLAIN.fullmatch(text):
        return text
    from pulltasks.masking import mask_words

    cut = text[: 4 * max_characters]  # masking a long text takes time, and most of it is cut away below
    shown = visible(mask_words(cut))
    return shown if len(shown) <= max_characters else shown[: max_characters - 1] + "…"


def visible(text: str) -> str:
    """Return a text with escapes for invisible and control characters, line breaks among them."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        _escaped(character) if unicodedata.category(character) in _HIDDEN else character for character in text
    )


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode()
