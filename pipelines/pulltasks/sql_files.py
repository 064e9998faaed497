"""The folder of SQL files: beside this module in an installation, at the root of a checkout.

Lives here: one function.
Does not live here: reading models (warehouse.sql.models) and masks (masking).
"""

from __future__ import annotations

from pathlib import Path


def sql_folder() -> Path:
    """Return the folder with `staging`, `marts`, `reports`, `macros`, `checks` and `masks`."""
    installed = Path(__file__).parent / "sql"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "sql"
