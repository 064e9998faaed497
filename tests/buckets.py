"""Buckets in memory, behind the real client library: what is asked of them is counted, and can be made to fail."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import GenericError
from obstore.store import MemoryStore

from pulltasks.mirror import store

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest


class Killed(BaseException):
    """Stands for the end of the process: nothing of the program catches it."""


class Buckets:
    """One store for each address; `put`, `get`, `list` and `delete` are counted."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.stores: dict[str, MemoryStore] = {}
        self.calls: list[tuple[str, str]] = []
        self.put_bytes = 0
        self.kill_at: int | None = None  # before the n-th put, counted from 1
        self.lose_answer_of: str | None = None  # puts below this prefix arrive and say that they did not
        self.is_reached = True
        self.ignores_conditions = False
        patch.setattr(store, "_client", lambda url, *_: self.stores.setdefault(url, MemoryStore()))
        for name in ("put", "get", "list", "delete"):
            patch.setattr(store.obstore, name, self._counting(name, getattr(obstore, name)))

    def _counting(self, name: str, function):
        def call(bucket, key="", *arguments, **options):
            self.calls.append((name, options.get("prefix", key)))
            if not self.is_reached:
                raise GenericError("error sending request: connection refused")
            if name == "put":
                if self.kill_at is not None and len(self.of("put")) == self.kill_at:
                    raise Killed
                if self.ignores_conditions:
                    options.pop("mode", None)
                content = arguments[0]
                self.put_bytes += len(content) if isinstance(content, bytes) else content.stat().st_size
            found = function(bucket, key, *arguments, **options) if key else function(bucket, *arguments, **options)
            if name == "put" and self.lose_answer_of and key.startswith(self.lose_answer_of):
                raise GenericError("operation timed out")
            return found

        return call

    def of(self, name: str) -> list[str]:
        return [key for each, key in self.calls if each == name]

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Counts from here on."""
        self.calls.clear()
        self.put_bytes = 0
        yield

    def keys(self, url: str, prefix: str = "") -> list[str]:
        bucket = self.stores.setdefault(url, MemoryStore())
        return sorted(each["path"] for batch in bucket.list(prefix or None) for each in batch)

    def content(self, url: str, key: str) -> bytes:
        return bytes(self.stores[url].get(key).bytes())
