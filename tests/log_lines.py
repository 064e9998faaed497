"""What a run says on standard error beside the lines of its log; no test by itself."""

from __future__ import annotations

import re

LINE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ (INFO|WARNING|ERROR) (?:[0-9a-f]{8}|-) (\w+): (.+)")


def without_log(said: str) -> str:
    return "".join(line for line in said.splitlines(keepends=True) if not LINE.fullmatch(line.rstrip("\n")))
