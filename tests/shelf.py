"""Lakes that many tests begin with: each is made once in a run of the tests, by the process that needs it first.

What is on the shelf is never handed out itself, only copied: a test may damage its lake as it likes. A lake is found by
what it is called, so two that differ must be called differently. No test by itself.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

    import pytest

NOTE = "note"


class Shelf:
    """A folder of lakes that all processes of a run of the tests share."""

    def __init__(self, factory: pytest.TempPathFactory) -> None:
        base = factory.getbasetemp()
        self._folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "shelf"
        self._folder.mkdir(exist_ok=True)

    def put_or_copy(self, name: Hashable, lake: Path, make: Callable[[], str]) -> str:
        """Let `lake` hold what is called so; return the note that `make` returned when it was made.

        `make` makes it in place where nothing is called so yet. It may call this again for what its lake begins with.
        """
        shelved = self._folder / hashlib.sha256(repr(name).encode()).hexdigest()[:16]
        with FileLock(f"{shelved}.lock"):
            if shelved.is_dir():
                shutil.rmtree(lake, ignore_errors=True)
                copy_lake(shelved / "lake", lake)
            else:
                note = make()
                unfinished = shelved.with_suffix(".unfinished")
                shutil.rmtree(unfinished, ignore_errors=True)
                copy_lake(lake, unfinished / "lake")
                (unfinished / NOTE).write_text(note, encoding="utf-8")
                unfinished.rename(shelved)
        return (shelved / NOTE).read_text(encoding="utf-8")


def copy_lake(lake: Path, to: Path) -> None:
    """Copy a lake with its links, times and modes."""
    shutil.copytree(lake, to, symlinks=True)
