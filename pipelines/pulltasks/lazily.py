"""Packages that take long to import, imported at the first use of one of their names.

Lives here: Arrow, which most modules of the lake use and a run with nothing to do never needs.
Does not live here: packages that the command line never imports (cli.lazy_imports).
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
else:

    class _Lazily:
        """Imports a module when one of its names is used; each name is looked up once."""

        def __init__(self, module: str) -> None:
            self._module = module

        def __getattr__(self, name: str) -> Any:
            value = getattr(import_module(self._module), name)
            setattr(self, name, value)
            return value

    pa = _Lazily("pyarrow")
    pc = _Lazily("pyarrow.compute")
    pq = _Lazily("pyarrow.parquet")

__all__ = ["pa", "pc", "pq"]
