"""What a process of the command line does not import, or not before it is used.

Lives here: what libraries would import for nothing, and what stands in its place.
Does not live here: which modules a verb imports itself (each when it needs them), Arrow (lazily).

All of it holds for a process of the command line alone: who imports this package gets every library as it is.
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

# Libraries import these where they are installed: pyarrow pandas and numpy, with the first array that it makes; httpx
# a command line of its own.
HIDDEN = frozenset({"pandas", "numpy", "httpx._main"})
# The vendor's signer imports these for signatures by SM2 and P-256, which are not made here.
STOOD_IN_FOR = frozenset({"pyasn1", "pyasn1.codec", "pyasn1.codec.der", "pyasn1.codec.der.encoder"})
STOOD_IN_FOR |= {"pyasn1.codec.der.decoder", "pyasn1.type", "pyasn1.type.univ"}
# pydantic asks every installed package whether it brings a plug-in: there is none.
PLUGINS = "pydantic.plugin._loader"
# The package puts relations around the database's own module, which few verbs use and which take longer to import.
DATABASE = "duckdb"
_LIGHTER = {*STOOD_IN_FOR, PLUGINS, DATABASE}
# pydantic-settings imports this for a command line of its own; it is loaded when a name of it is used.
PUT_OFF = frozenset({"asyncio"})
# aiohttp reads all certificates of the machine when it is imported; each request is given those that it is checked by.
WITH_CERTIFICATES = "aiohttp.connector"
# Objects that live as long as the process are most of what there is: to look through them again and again finds none.
GC_THRESHOLD = 200_000


def import_at_need() -> None:
    """Keep out of this process what no verb needs, and put off what not every verb needs."""
    gc.set_threshold(GC_THRESHOLD)
    sys.meta_path.insert(0, _AtNeed())


class _AtNeed(MetaPathFinder, Loader):
    """Hides packages, and gives lighter modules in the place of others."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: object = None) -> ModuleSpec | None:  # noqa: ARG002
        """Find the modules that are given here, and none of the hidden ones."""
        if fullname in HIDDEN:
            raise ModuleNotFoundError(f"{fullname} is not used here", name=fullname)
        if fullname in _LIGHTER:
            return ModuleSpec(fullname, self, is_package=True)
        if fullname in PUT_OFF | {WITH_CERTIFICATES} and (spec := PathFinder.find_spec(fullname, path)) and spec.loader:
            spec.loader = LazyLoader(spec.loader) if fullname in PUT_OFF else _WithoutCertificates(spec.loader)
            return spec
        return None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Give the database's own module for the package around it, else an empty one."""
        if spec.name == DATABASE:
            return _database_without_relations()
        module = ModuleType(spec.name)
        if spec.name == PLUGINS:
            module.get_plugins = tuple  # type: ignore[attr-defined]
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Leave the module as it is."""


def _database_without_relations() -> ModuleType:
    """Return the database's own module; the first call of `sql`, which gives a relation, imports the whole package."""
    database = import_module("_duckdb")

    def sql(connection: object, *arguments: object, **options: object) -> object:
        _LIGHTER.discard(DATABASE)
        sys.modules.pop(DATABASE, None)
        import_module(DATABASE)  # gives the class of connections its own `sql`
        return type(connection).sql(connection, *arguments, **options)  # type: ignore[attr-defined]

    database.DuckDBPyConnection.sql = sql
    return database


class _WithoutCertificates(Loader):
    """Loads a module whose default contexts of TLS trust nobody."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Let the module be made as it is made otherwise."""
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Run the module, to whom a context without certificates is given."""
        import ssl

        def context() -> ssl.SSLContext:
            return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

        with_certificates = ssl.create_default_context
        ssl.create_default_context = context  # type: ignore[assignment]
        try:
            self._loader.exec_module(module)
        finally:
            ssl.create_default_context = with_certificates
