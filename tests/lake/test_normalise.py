"""Raw answers into tidy rows: nothing lost, nothing invented, the same bytes from the same answers."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import msgspec
import pyarrow.parquet as pq
import pytest

from pulltasks import tables
from pulltasks.lake.lake import Lake
from pulltasks.lake.manifests import read_manifest, stale_dates
from pulltasks.lake.normalise import normalise_day
from pulltasks.lake.raw import (
    RawCapture,
    RawWriter,
    TargetList,
)
from tidied import DAY, SAMPLE, TARGET, body, capture


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path / "lake")
    lake.prepare()
    return lake


def put(lake: Lake, raw: RawCapture) -> None:
    with lake.writing(lake.raw_file(DAY, *TARGET.key)) as path:
        writer = RawWriter(path, raw.capture)
        for line in raw.answers:
            writer.answer(line)
        writer.close(raw.verdict)
    listed = TargetList(snapshot_date=DAY, timezone="UTC", software_version="0", targets=[TARGET])
    with lake.writing(lake.targets_file(DAY)) as path:
        path.write_bytes(msgspec.json.encode(listed))


def test_the_same_raw_files_give_the_same_bytes(lake: Lake) -> None:
    put(lake, capture(body(*({"task_id": f"t{n}", "source_urls": ["a", "b"]} for n in range(50)))))
    first = normalise_day(lake, DAY)
    bytes_before = {table.name: lake.tidy_file(table.name, DAY).read_bytes() for table in tables.TABLES}
    assert normalise_day(lake, DAY) == first
    for table in tables.TABLES:
        assert lake.tidy_file(table.name, DAY).read_bytes() == bytes_before[table.name]


@pytest.mark.parametrize("moved", range(5))
def test_a_day_whose_files_do_not_fit_together_has_no_manifest(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, moved: int
) -> None:
    put(lake, capture(body({"task_id": "before"})))
    normalise_day(lake, DAY)
    put(lake, capture(body({"task_id": "after", "source_urls": ["a"], "callback_events": ["b"], "new": 1})))
    original, calls = Lake.put, iter(range(100))

    def full_disk(self: Lake, *arguments: Any, **options: Any) -> None:
        if next(calls) == moved:
            raise OSError(28, "No space left on device")
        original(self, *arguments, **options)

    monkeypatch.setattr(Lake, "put", full_disk)
    with pytest.raises(OSError, match="No space left"):
        normalise_day(lake, DAY)
    monkeypatch.undo()
    assert lake.tidy_dates() == []
    assert stale_dates(lake) == [DAY]
    normalise_day(lake, DAY)
    assert lake.tidy_dates() == [DAY]


def test_the_manifest_names_every_file_by_its_hash(lake: Lake) -> None:
    put(lake, capture(SAMPLE))
    normalise_day(lake, DAY)
    manifest = read_manifest(lake.manifest_file(DAY))
    assert set(manifest.tables) == {table.name for table in tables.TABLES}
    for name, entry in manifest.tables.items():
        content = (lake.tidy / entry.file).read_bytes()
        assert entry.sha256 == hashlib.sha256(content).hexdigest()
        assert entry.bytes == len(content)
        assert entry.rows == pq.read_metadata(lake.tidy_file(name, DAY)).num_rows
    assert stale_dates(lake) == []


def test_every_file_carries_its_schema_and_the_words_for_its_columns(lake: Lake) -> None:
    put(lake, capture(SAMPLE))
    normalise_day(lake, DAY)
    for table in tables.TABLES:
        schema = pq.read_schema(lake.tidy_file(table.name, DAY))
        assert schema.metadata[b"pulltasks.schema_version"] == str(tables.SCHEMA_VERSION).encode()
        assert [schema.field(c.name).metadata[b"description"].decode() for c in table.columns] == [
            c.description for c in table.columns
        ]
