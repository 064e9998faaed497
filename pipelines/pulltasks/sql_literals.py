"""Texts and paths as literals of SQL, for the few statements that cannot bind them.

Lives here: quoting.
Does not live here: any statement.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def escaped(path: Path) -> str:
    """Return a path, escaped for use between single quotes in SQL."""
    return str(path).replace("'", "''")


def quoted(text: str) -> str:
    """Return a text as a literal of SQL, with its quotes."""
    return "'" + text.replace("'", "''") + "'"


# Texts and names between quotes are matched first and kept: `--` in them is not a comment.
_COMMENTS = re.compile(r"""('(?:[^']|'')*'|"(?:[^"]|"")*")|--[^\n]*|/\*.*?\*/""", re.DOTALL)
_BLANKS = re.compile(r"""('(?:[^']|'')*'|"(?:[^"]|"")*")|\s+""")


def without_comments(sql: str) -> str:
    """Return SQL without comments and with single blanks: equal results mean the same to the database."""
    bare = _COMMENTS.sub(lambda match: match[1] or " ", sql)
    return _BLANKS.sub(lambda match: match[1] or " ", bare).strip()
