"""The same rows give the same file, whatever pieces they come in."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pulltasks import tables
from pulltasks.lake import parquet
from tidied import DAY


def test_pieces_of_any_size_give_the_same_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "ROW_GROUP_ROWS", 7)
    table = tables.PULL_TASK_CALLBACK_EVENTS
    whole = pa.Table.from_pylist(
        [
            {"snapshot_date": DAY, "project_id": "p", "region": "r", "task_id": f"{n:03}", "position": 0}
            for n in range(40)
        ],
        schema=table.schema,
    )
    contents = set()
    for size in (1, 3, 7, 8, 40):
        with parquet.TidyWriter(table, tmp_path / "file") as writer:
            for start in range(0, 40, size):
                writer.add(whole.slice(start, size))
            writer.finish()
            contents.add((tmp_path / "file").read_bytes())
            assert pq.read_table(tmp_path / "file").equals(whole)
    assert len(contents) == 1


@pytest.mark.parametrize("pieces", [1, 3, 50])
def test_a_row_group_ends_with_the_row_that_fills_it(tmp_path: Path, monkeypatch, pieces: int) -> None:
    monkeypatch.setattr(parquet, "ROW_GROUP_TEXT", 1000)
    table = next(table for table in tables.TABLES if table.name == "pull_task_callback_events")
    texts = ["x" * (n * 37 % 400) for n in range(50)]
    rows = pa.Table.from_pylist([{"event": text} for text in texts], schema=table.schema)
    with parquet.TidyWriter(table, tmp_path / "file") as writer:
        for begin in range(0, 50, 50 // pieces):
            writer.add(rows.slice(begin, 50 // pieces))
        writer.finish()
        found = pq.ParquetFile(tmp_path / "file")
        groups = [found.read_row_group(n)["event"].to_pylist() for n in range(found.num_row_groups)]
    assert [text for group in groups for text in group] == texts
    sizes = [sum(map(len, group)) for group in groups]
    assert all(size >= 1000 > size - len(group[-1]) for size, group in zip(sizes[:-1], groups, strict=False))
    assert len(groups) > 5
