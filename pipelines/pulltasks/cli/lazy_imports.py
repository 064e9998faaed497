"""Keep unused modules of libraries out of a process of the command line, or import them at their first use.

Lives here: which modules libraries import needlessly, and their lighter replacements.
Does not live here: the imports of a verb (each inside the function that needs it), Arrow (lazily).

This applies to processes of the command line only: a program that imports this package gets every library unchanged.
"""

from __future__ import annotations

import gc
import sys
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

# Libraries import these if they are installed: pyarrow imports pandas and numpy with its first array, and httpx its
# command line.
HIDDEN = frozenset({"pandas", "numpy", "httpx._main"})
# The vendor's signer imports these for SM2 and P-256 signatures, which pulltasks does not use.
EMPTY = frozenset({"pyasn1", "pyasn1.codec", "pyasn1.codec.der", "pyasn1.codec.der.encoder"})
EMPTY |= {"pyasn1.codec.der.decoder", "pyasn1.type", "pyasn1.type.univ"}
# pydantic searches every installed package for plug-ins, of which pulltasks has none.
PLUGINS = "pydantic.plugin._loader"
# The package adds relations to the module `_duckdb`; few verbs use them, and they take longer to import than the rest.
DATABASE = "duckdb"
_LIGHTER = {*EMPTY, PLUGINS, DATABASE}
# pydantic-settings imports this for its own command line; it is loaded when one of its names is used.
AT_FIRST_USE = frozenset({"asyncio"})
# aiohttp reads all certificates of the machine at its import, although each request brings its own.
WITH_CERTIFICATES = "aiohttp.connector"
# Most objects live as long as the process, so searching them for garbage often costs time and finds nothing.
GC_THRESHOLD = 200_000


def import_at_need() -> None:
    """Hide the modules that no verb needs from this process, and delay those that only some verbs need."""
    gc.set_threshold(GC_THRESHOLD)
    sys.meta_path.insert(0, _AtNeed())


class _AtNeed(MetaPathFinder, Loader):
    """Hides packages, and replaces others by lighter modules."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: object = None) -> ModuleSpec | None:  # noqa: ARG002
        """Find replaced and delayed modules; refuse hidden ones; leave all others to the next finder."""
        if fullname in HIDDEN:
            raise ModuleNotFoundError(f"{fullname} is not used here", name=fullname)
        if fullname in _LIGHTER:
            return ModuleSpec(fullname, self, is_package=True)
        is_changed = fullname in AT_FIRST_USE or fullname == WITH_CERTIFICATES
        if is_changed and (spec := PathFinder.find_spec(fullname, path)) and spec.loader:
            spec.loader = LazyLoader(spec.loader) if fullname in AT_FIRST_USE else _WithoutCertificates(spec.loader)
            return spec
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return `_duckdb` for the package `duckdb`, else an empty module."""
        if spec.name == DATABASE:
            return _database_without_relations()
        module = ModuleType(spec.name)
        if spec.name == PLUGINS:
            module.get_plugins = tuple  # type: ignore[attr-defined]
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Do nothing: the module is complete."""


def _database_without_relations() -> ModuleType:
    """Return `_duckdb`; its first call of `sql`, which returns a relation, imports the whole package."""
    database = import_module("_duckdb")

    def sql(connection: object, *arguments: object, **options: object) -> object:
        _LIGHTER.discard(DATABASE)
        sys.modules.pop(DATABASE, None)
        import_module(DATABASE)  # restores the real `sql` of the class of connections
        return type(connection).sql(connection, *arguments, **options)  # type: ignore[attr-defined]

    database.DuckDBPyConnection.sql = sql
    return database


class _WithoutCertificates(Loader):
    """Loads a module with default TLS contexts that trust no certificate."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Create the module as its own loader does."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Run the module, while `ssl.create_default_context` gives a context without certificates."""
        import ssl

        def context() -> ssl.SSLContext:
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

        with_certificates = ssl.create_default_context
        ssl.create_default_context = context  # type: ignore[assignment]
        try:
            self._loader.exec_module(module)
        finally:
            ssl.create_default_context = with_certificates
