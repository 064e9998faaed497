"""What a file system refuses is told with path, call and advice, in a run and on the command line."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from desk import SMALL_DAYS, Desk, copied
from pulltasks.file_errors import advice_on, words_of

DAY = SMALL_DAYS[0]
# What file systems answer that have no locks, no modes, no links, no fsync of folders, no room, or went away.
UNABLE = "this file system cannot do that"
KINDS = {
    errno.EINVAL: UNABLE,
    errno.ENOLCK: UNABLE,
    errno.ENOTSUP: UNABLE,
    errno.EPERM: UNABLE,
    errno.EROFS: "read-only",
    errno.ENOSPC: "make room",
    errno.EDQUOT: "quota",
    errno.EACCES: "let this user read and write it",
    errno.ENAMETOOLONG: "shorter path",
    errno.ESTALE: "mount it again",
}


@pytest.fixture(scope="module")
def prepared(made_once):
    with made_once(DAY) as desk:
        yield desk


def refusing(number: int) -> Callable[..., None]:
    def call(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return call


def of_folders(number: int) -> Callable[[int], None]:
    real = os.fsync

    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        real(descriptor)

    return fsync


@pytest.mark.filterwarnings("ignore:.*runs.ndjson. cannot be written")  # the log of runs lies on the same disk
@pytest.mark.parametrize("number", KINDS, ids=errno.errorcode.get)
@pytest.mark.parametrize("call", ["lock", "fsync", "rename", "chmod", "symlink"])
def test_what_the_file_system_refuses_names_path_call_and_advice(
    prepared: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command, call: str, number: int
) -> None:
    if (call, number) == ("lock", errno.EACCES):
        pytest.skip("so some file systems say that another process holds the lock")
    desk = copied(prepared, tmp_path)
    config = desk.config_file
    for build in (*desk.lake.builds(), desk.lake.published):
        build.unlink()
    with monkeypatch.context() as patch:
        if call == "lock":
            patch.setattr(fcntl, "flock", refusing(number))
        elif call == "fsync":
            patch.setattr(os, "fsync", of_folders(number))
        else:
            name = {"rename": "replace", "chmod": "chmod", "symlink": "symlink_to"}[call]
            patch.setattr(Path, name, refusing(number))
        code, _, err = command("rebuild", "--from", DAY, "--to", DAY, "--config", config)
    assert code in {1, 2, 3}
    assert "Traceback" not in err
    assert "error in pulltasks" not in err, err
    text = " ".join(err.split())
    assert f"{call}: {os.strerror(number)}" in text, text
    assert str(desk.lake.root) in text
    assert KINDS[number] in text


def test_an_error_of_another_kind_keeps_the_systems_words() -> None:
    error = OSError(errno.EEXIST, "File exists", "/lake/x")
    assert advice_on(error) == "fix that"
    assert words_of(error).startswith("/lake/x: File exists; what was published is unchanged.")
    assert words_of(OSError("nothing but words")).startswith("nothing but words; ")
