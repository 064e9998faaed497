"""Writing one tidy file: the same rows give the same bytes, whatever pieces they come in.

Lives here: row groups, compression, the schema in the file.
Does not live here: where the file lies (lake), what the rows are (normalise).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

if TYPE_CHECKING:
    from pathlib import Path

    from pulltasks import tables

# Fixed, so that the same rows give the same bytes.
ROW_GROUP_ROWS = 100_000
# On one day almost every value is another one: to collect them in a dictionary first costs time and room.
_WITHOUT_DICTIONARY = frozenset(
    {"task_id", "content_hash", "stream_name", "push_args", "destination_url", "callback_url", "url"}
    | {"create_time", "start_time", "end_time"}
)


class TidyWriter:
    """Writes one tidy file in row groups of one size, whatever pieces the rows come in."""

    def __init__(self, table: tables.Table, path: Path, *, is_month: bool = False) -> None:
        self.table = table
        self.path = path
        self.rows = 0
        self._pending: list[pa.Table] = []
        self._pending_rows = 0
        # in a month's file a value stands once for each day
        repeating = [column.name for column in table.columns if is_month or column.name not in _WITHOUT_DICTIONARY]
        self._writer = pq.ParquetWriter(path, table.schema, compression="zstd", use_dictionary=repeating)

    def __enter__(self) -> TidyWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()
        self.path.unlink(missing_ok=True)

    def add(self, rows: pa.Table) -> None:
        """Take rows that follow those before in the order of the key."""
        self._pending.append(rows)
        self._pending_rows += rows.num_rows
        self.rows += rows.num_rows
        while self._pending_rows >= ROW_GROUP_ROWS:
            self._write(ROW_GROUP_ROWS)

    def finish(self) -> None:
        """Write what is left and end the file."""
        self._write(self._pending_rows)
        self._writer.close()

    def _write(self, rows: int) -> None:
        whole = pa.concat_tables([self.table.schema.empty_table(), *self._pending]).combine_chunks()
        if rows:
            self._writer.write_table(whole.slice(0, rows), row_group_size=ROW_GROUP_ROWS)
        rest = whole.slice(rows)
        self._pending, self._pending_rows = [rest], rest.num_rows
