"""Writes docs/spark.md: the twenty questions of docs/querying.md as Spark asks them of the views of a fleet.

Lives here: reading the questions, the page.
Does not live here: how a select is written for Spark (pulltasks.fleet), the comparison of the answers (tests/engines).
"""

from __future__ import annotations

import re
from pathlib import Path

from pulltasks.fleet.statements import left_out, questions_for

PAGE = Path(__file__).with_name("querying.md")
HEAD = """# The twenty questions in Spark

Made by `make docs` from [querying.md](querying.md), which says what each answer means. The views are those that
`pulltasks sql --engine spark` makes ([fleet.md](fleet.md)). Each was asked in Spark 3.5 and 4 and gave the rows of
DuckDB (`make test-engines`). What a macro is called with in DuckDB is a condition on `snapshot_date` here.
"""


def questions() -> dict[str, str]:
    """The numbered questions and their SQL, as DuckDB asks them."""
    text = PAGE.read_text(encoding="utf-8")
    found = re.findall(r"^### (\d+\. [^\n]+)\n(?:(?!^### ).)*?^```sql\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    return dict(found)


def in_spark() -> dict[str, str]:
    """The same as Spark asks them; left out is what asks what Spark does not have."""
    gone = left_out("spark")
    asked = {title: sql for title, sql in questions().items() if not any(name in sql for name in gone)}
    written = questions_for("spark")
    return {title: written(sql) for title, sql in asked.items()}


def page() -> str:
    """The whole page."""
    parts = [f"## {title}\n\n```spark\n{sql}\n```\n" for title, sql in in_spark().items()]
    return "\n".join([HEAD, *parts])


if __name__ == "__main__":
    print(page(), end="")
