"""What a process of the command line may not import, as no verb needs it.

Lives here: hiding it from libraries that would import it for nothing.
Does not live here: which modules a verb imports itself (each when it needs them).
"""

from __future__ import annotations

import sys
from importlib.abc import MetaPathFinder


def hide_what_no_verb_needs() -> None:
    """Hide pandas and other unneeded packages from this process."""
    sys.meta_path.insert(0, _Hidden())


class _Hidden(MetaPathFinder):
    """Hides packages that libraries import if present and no verb needs; they double the time of a small snapshot.

    pyarrow imports pandas with the first array that it makes; httpx imports a command line of its own.
    """

    names = frozenset({"pandas", "httpx._main"})

    def find_spec(self, fullname: str, path: object, target: object = None) -> None:  # noqa: ARG002 - as it is called
        """Find none but the hidden packages here."""
        if fullname in self.names:
            raise ModuleNotFoundError(f"{fullname} is not used here", name=fullname)
