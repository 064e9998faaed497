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
    """A path as it may stand between single quotes in SQL."""
    return str(path).replace("'", "''")


def quoted(text: str) -> str:
    """A text as a literal of SQL."""
    return "'" + text.replace("'", "''") + "'"


_COMMENTS = re.compile(r"""('(?:[^']|'')*'|"(?:[^"]|"")*")|--[^\n]*|/\*.*?\*/""", re.DOTALL)
_BLANKS = re.compile(r"""('(?:[^']|'')*'|"(?:[^"]|"")*")|\s+""")


def without_comments(sql: str) -> str:
    """SQL without comments, each run of blanks as one: equal where the database reads the same."""
    bare = _COMMENTS.sub(lambda match: match[1] or " ", sql)
    return _BLANKS.sub(lambda match: match[1] or " ", bare).strip()
