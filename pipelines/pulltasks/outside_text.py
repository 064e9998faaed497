"""Words that others wrote, made fit for a terminal, a log line, a message and Dagster's metadata.

Lives here: masking them, showing what controls a terminal as escapes, cutting them.
Does not live here: the masks (sql/masks), who says what (huawei, cli.output, alerts.rules).
"""

from __future__ import annotations

import re
import unicodedata

MAX_CHARACTERS = 500
# Without blanks and separators there is nothing that a mask looks for: most codes and identifiers are so.
_PLAIN = re.compile(r"[A-Za-z0-9._-]*")
# Control characters, what is invisible or turns the direction of writing, halves of pairs, lines of their own.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def fit(text: str, max_characters: int = MAX_CHARACTERS) -> str:
    """Words from outside: masked, in one line, nothing in them that does anything, and not too long."""
    if len(text) <= max_characters and _PLAIN.fullmatch(text):
        return text
    from pulltasks.masking import mask_words

    cut = text[: 4 * max_characters]  # what is cut away below need not be looked at
    shown = visible(mask_words(cut))
    return shown if len(shown) <= max_characters else shown[: max_characters - 1] + "…"


def visible(text: str) -> str:
    """A text with escapes for what cannot be seen or would control a terminal; line breaks count as such."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        _escaped(character) if unicodedata.category(character) in _HIDDEN else character for character in text
    )


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode()
