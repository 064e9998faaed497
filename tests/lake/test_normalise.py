"""Raw answers into tidy rows: nothing lost, nothing invented, the same bytes from the same answers."""

from __future__ import annotations

import hashlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pulltasks import tables
from pulltasks.errors import NewerForm
from pulltasks.lake.lake import Lake
from pulltasks.lake.manifests import read_manifest, stale_dates, write_json
from pulltasks.lake.normalise import BegunDay, normalise_day
from pulltasks.lake.raw import (
    FORMAT,
    RawCapture,
    RawWriter,
    TargetLine,
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


def test_a_later_version_does_not_find_that_this_one_called_its_raw_file_damaged(lake: Lake) -> None:
    put(lake, capture(body({"task_id": "t"})))
    before = normalise_day(lake, DAY)
    with pa.CompressedOutputStream(str(lake.raw_file(DAY, *TARGET.key)), "zstd") as stream:
        stream.write(b'{"format":%d,"of":"another form"}\n' % (FORMAT + 1))
    with pytest.raises(NewerForm, match="install that version again"):
        normalise_day(lake, DAY)
    assert read_manifest(lake.manifest_file(DAY)) == before.manifest


def test_rows_of_a_later_version_do_not_replace_those_of_a_damaged_raw_file(lake: Lake) -> None:
    put(lake, capture(body({"task_id": "t"})))
    later = msgspec.structs.replace(normalise_day(lake, DAY).manifest, schema_version=tables.SCHEMA_VERSION + 1)
    write_json(lake, lake.manifest_file(DAY), later)
    lake.raw_file(DAY, *TARGET.key).write_bytes(b"oops")
    with pytest.raises(NewerForm, match=f"pulltasks rebuild --from {DAY} --to {DAY}"):
        normalise_day(lake, DAY)
    assert read_manifest(lake.manifest_file(DAY)) == later


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


def arrive(lake: Lake, target: TargetLine, kind: str) -> None:
    """Put a raw file in its place: a good one, a damaged one, or that of another target."""
    path = lake.raw_file(DAY, *target.key)
    if kind == "none" or path.exists():
        return
    raw = capture(body({"task_id": target.project_id[-4:], "source_urls": ["a"]}))
    with lake.writing(path) as unfinished:
        writer = RawWriter(
            unfinished, msgspec.structs.replace(raw.capture, target=TARGET if kind == "stray" else target)
        )
        for line in raw.answers:
            writer.answer(line)
        writer.close(raw.verdict)
        if kind == "damaged":
            unfinished.write_bytes(unfinished.read_bytes()[:-9])


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_a_day_that_is_begun_while_its_raw_files_arrive_gives_the_bytes_of_one_written_at_once(data) -> None:
    """Some have no raw file, a damaged one, or one of another target; files come before, at or after their turn."""
    kinds = data.draw(
        st.lists(st.sampled_from(["good", "good", "none", "damaged", "stray", "late"]), min_size=1, max_size=6)
    )
    targets = [msgspec.structs.replace(TARGET, project_id=f"{n:032x}") for n in range(len(kinds))]
    turns = data.draw(st.lists(st.sampled_from(range(len(kinds))), max_size=3).map(sorted))
    early = data.draw(st.sets(st.sampled_from(range(len(kinds)))))
    with TemporaryDirectory() as folder:
        lake = Lake(Path(folder) / "lake")
        lake.prepare()
        listed = TargetList(snapshot_date=DAY, timezone="UTC", software_version="0", targets=targets)
        with lake.writing(lake.targets_file(DAY)) as path:
            path.write_bytes(msgspec.json.encode(listed))
        begun = BegunDay(lake, DAY)
        for number in early:
            arrive(lake, targets[number], kinds[number])
        at_turn = ["none" if kind == "late" else kind for kind in kinds]
        for turn in turns:
            for target, kind in zip(targets[: turn + 1], at_turn, strict=False):
                arrive(lake, target, kind)
            begun.add_through(targets[turn].key)
        for target, kind in zip(targets, kinds, strict=True):
            arrive(lake, target, kind)
        made = normalise_day(lake, DAY, begun=begun)
        assert normalise_day(lake, DAY) == made
        assert not [*lake.unfinished("x").parent.iterdir()]


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
