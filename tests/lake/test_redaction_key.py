"""The redaction key is made once, is its owner's alone, and is never replaced in silence."""

from __future__ import annotations

from pathlib import Path

import pytest

from pulltasks.errors import LakeError
from pulltasks.lake.files import PRIVATE_FILE
from pulltasks.lake.lake import Lake
from pulltasks.lake.redaction_key import read_key, read_or_make_key


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path)
    lake.prepare()
    return lake


def test_a_key_gets_its_checksum_once_and_another_key_is_refused(lake: Lake) -> None:
    key = read_or_make_key(lake)
    lake.redaction_key_checksum.unlink()
    assert read_or_make_key(lake) == key
    assert lake.redaction_key_checksum.stat().st_mode & 0o777 == PRIVATE_FILE
    assert key.hex() not in lake.redaction_key_checksum.read_text()
    lake.redaction_key.write_text("0" * 64 + "\n")
    with pytest.raises(LakeError, match=r"not the key that redaction\.key\.sha256 was made of"):
        read_or_make_key(lake)
    lake.redaction_key_checksum.unlink()
    assert read_or_make_key(lake) == read_key(lake) == bytes(32)
