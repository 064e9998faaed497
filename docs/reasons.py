"""Writes the tables of reasons in docs/troubleshooting.md, each between its two marks.

Lives here: what the tables look like.
Does not live here: what a reason means (pulltasks/reasons.toml), the text around the tables.
"""

from __future__ import annotations

import re
from pathlib import Path

from pulltasks.reasons import read_reasons

PAGE = Path(__file__).with_name("troubleshooting.md")
# `<!-- reasons: failed missing -->` begins a table of the reasons of these groups.
MARKED = re.compile(r"(<!-- reasons: ([a-z ]+) -->\n).*?(<!-- end of reasons -->)", re.DOTALL)
HEAD = """| reason | what happened and what to do | how it is recognised | who acts | may pass by itself |
|---|---|---|---|---|
"""


def table(groups: list[str]) -> str:
    """Return the table of the reasons of some groups, in the order of the file."""
    rows = [
        f"| `{name}` | {found.en} | {found.seen} | {found.who} | {'yes' if found.may_pass else 'no'} |\n"
        for name, found in read_reasons().items()
        if found.group in groups
    ]
    return HEAD + "".join(rows)


def page() -> str:
    """Return the page with its tables replaced."""
    return MARKED.sub(lambda found: found[1] + table(found[2].split()) + found[3], PAGE.read_text(encoding="utf-8"))


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
