"""Folders of SQL files that a test writes; no test by itself."""

from __future__ import annotations

from pathlib import Path

HEADER = "-- What it is.\n-- kind: table\n-- grain: one row\n-- example: select 1\n-- key: a\n-- column: a BIGINT | A number.\n"


def folder(tmp_path: Path, **files: str) -> Path:
    for layer in ("staging", "marts", "reports", "checks"):
        (tmp_path / layer).mkdir()
    for name, text in files.items():
        layer = {"stg": "staging", "dim": "marts", "pul": "marts", "fct": "marts", "rpt": "reports"}.get(
            name[:3], "checks"
        )
        (tmp_path / layer / f"{name}.sql").write_text(text)
    return tmp_path
