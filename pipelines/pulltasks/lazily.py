"""Packages that take long to import, imported when one of their names is used first.

Lives here: Arrow, which most modules of the lake name and a run with nothing to do never needs.
Does not live here: what the command line keeps out of its process altogether (cli.lazy_imports).
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
        """Stands for a module until a name of it is used; each name is looked up once."""

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
