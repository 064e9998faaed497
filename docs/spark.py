"""Write docs/spark.md: the twenty questions of docs/querying.md in Spark's SQL, over the views of a fleet.

Lives here: reading the questions, the form of the page.
Does not live here: translating a select for Spark (pulltasks.fleet), comparing the answers (tests/engines).
"""

from __future__ import annotations

import re
from pathlib import Path

from pulltasks.fleet.statements import left_out, questions_for

PAGE = Path(__file__).with_name("querying.md")
HEAD = """# The twenty questions in Spark

`make docs` generates this page from [querying.md](querying.md), which explains each answer. The views are those that
`pulltasks sql --engine spark` creates ([fleet.md](fleet.md)). `make test-engines` runs each query in Spark 3.5 and 4
and compares the rows with DuckDB's. The argument of a macro in DuckDB is a condition on `snapshot_date` here.
"""


def questions() -> dict[str, str]:
    """Return the SQL of the numbered questions, for DuckDB, by title."""
    text = PAGE.read_text(encoding="utf-8")
    found = re.findall(r"^### (\d+\. [^\n]+)\n(?:(?!^### ).)*?^```sql\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    return dict(found)


def in_spark() -> dict[str, str]:
    """Return the SQL of the questions for Spark, by title, without those that need what Spark does not have."""
    missing = left_out("spark")
    possible = {title: sql for title, sql in questions().items() if not any(name in sql for name in missing)}
    translate = questions_for("spark")
    return {title: translate(sql) for title, sql in possible.items()}


def page() -> str:
    """Return the page as Markdown."""
    parts = [f"## {title}\n\n```spark\n{sql}\n```\n" for title, sql in in_spark().items()]
    return "\n".join([HEAD, *parts])


if __name__ == "__main__":
    print(page(), end="")
