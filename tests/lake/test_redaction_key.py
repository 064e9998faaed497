"""The redaction key is made once, is its owner's alone, and is never replaced in silence."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from desk import Desk
from history import contents
from pulltasks.errors import LakeError
from pulltasks.lake import redaction_key
from pulltasks.lake.files import PRIVATE_FILE
from pulltasks.lake.lake import Lake
from pulltasks.lake.redaction_key import read_key, read_or_make_key
from pulltasks.run.order import snapshot


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


DAYS = [date(2026, 11, 16) + timedelta(days=n) for n in range(5)]


def run(desk: Desk, day: date, **options: object):
    return snapshot(desk.settings, day, desk.clock, simulated=True, **options)


def test_a_lost_key_is_not_replaced_in_silence(desk: Desk) -> None:
    run(desk, DAYS[0])
    desk.lake.redaction_key.unlink()
    with pytest.raises(LakeError, match="the redaction key is gone"):
        run(desk, DAYS[1])
    for path in desk.lake.warehouse.iterdir():
        path.unlink()
    assert run(desk, DAYS[1]).is_complete
    assert len(redaction_key.read_or_make_key(desk.lake)) == redaction_key.KEY_BYTES


def test_it_is_nowhere_in_what_readers_get(three_days: Desk) -> None:
    key = three_days.lake.redaction_key.read_text().strip()
    for path in three_days.lake.warehouse.glob("*.duckdb"):
        assert bytes.fromhex(key) not in path.read_bytes()
    assert key not in str(contents(three_days.lake.published.resolve()))
