"""Errors of the file system as messages: path, call and advice.

Lives here: naming the call that failed, advice per kind of error.
Does not live here: catching them (cli.ending, and callers that can continue without a file).
"""

from __future__ import annotations

import errno
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Each of these errors means that the file system lacks something the lake needs.
_UNABLE = (
    "this file system cannot do that for this user: put the lake (lake.root) where locks, modes, links and fsync work, "
    "on a local disk or NFS 4"
)
_ADVICE = {
    errno.EACCES: "let this user read and write it, or name a folder you may write to",
    errno.EDQUOT: "the quota is used up: raise it, or make room",
    errno.EINVAL: _UNABLE,
    errno.EIO: "the disk or the share is failing: look into the system's log",
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENAMETOOLONG: "name a folder with a shorter path (lake.root)",
    errno.ENFILE: "raise the limit of open files (ulimit -n)",
    errno.ENODEV: _UNABLE,
    errno.ENOLCK: _UNABLE,
    errno.ENOSPC: "the disk is full, or has no inodes left: make room",
    errno.ENOSYS: _UNABLE,
    errno.ENOTSUP: _UNABLE,
    errno.EPERM: _UNABLE,
    errno.EROFS: "it is mounted read-only: mount it so that it can be written",
    errno.ESTALE: "the share was replaced meanwhile: mount it again",
    errno.EXDEV: "keep all of the lake on one file system",
}


@contextmanager
def naming(call: str, path: Path) -> Iterator[None]:
    """Add the call and the path to an error of the file system.

    Raises:
        OSError: of the same kind, with both.
    """
    try:
        yield
    except OSError as error:
        raise named(error, call, path) from error


def named(error: OSError, call: str, path: Path) -> OSError:
    """Return an error of the same kind whose text has the call and the path."""
    return OSError(error.errno or 0, f"{call}: {error.strerror or error}", str(path))


def advice_on(error: OSError) -> str:
    """Return the advice on an error of the file system, as a part of a sentence."""
    return _ADVICE.get(error.errno or 0, "fix that")


def words_of(error: OSError) -> str:
    """Return an error of the file system as a message: path, call if known, the system's words, advice."""
    where = f"{error.filename}: " if error.filename else ""
    what = f"{where}{error.strerror or error}"
    return f"{what}; what was published is unchanged. To continue, {advice_on(error)}; then run again"
