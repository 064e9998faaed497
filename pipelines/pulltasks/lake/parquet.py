"""Write one tidy file: the same rows give the same bytes, in whatever pieces they are added.

Lives here: row groups, compression, the schema in the file.
Does not live here: the path of the file (lake), the rows (normalise).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pulltasks.lazily import pa, pc, pq

if TYPE_CHECKING:
    from pathlib import Path

    from pulltasks import tables

# Fixed, so that the same rows give the same bytes.
ROW_GROUP_ROWS = 100_000
# Bytes. A row group also ends with the row whose text reaches this sum, because all of it is in memory at once.
ROW_GROUP_TEXT = 100_000_000
_ROWS_PER_PIECE = 5_000
# On one day almost every value in these columns is different: a dictionary of them would cost time and space.
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
        self._most_text = 0  # an upper bound of the pending rows' bytes of text
        self._is_full = False
        # in a month's file a value is repeated on each day, so a dictionary pays for every column
        repeating = [column.name for column in table.columns if is_month or column.name not in _WITHOUT_DICTIONARY]
        self._writer = pq.ParquetWriter(path, table.schema, compression="zstd", use_dictionary=repeating)

    def __enter__(self) -> TidyWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()
        self.path.unlink(missing_ok=True)

    def add(self, rows: pa.Table) -> None:
        """Add rows; they must follow the earlier ones in the order of the key."""
        self.rows += rows.num_rows
        for begin in range(0, rows.num_rows, _ROWS_PER_PIECE):
            piece = rows.slice(begin, _ROWS_PER_PIECE)
            while piece.num_rows:
                taken = self._rows_to_take(piece)
                self._pending.append(piece.slice(0, taken))
                self._pending_rows += taken
                if self._is_full:
                    self._write()
                piece = piece.slice(taken)

    def finish(self) -> None:
        """Write the last row group and close the file."""
        self._write()
        self._writer.close()

    def _rows_to_take(self, piece: pa.Table) -> int:
        """Return how many rows of a piece belong to the current row group, including the row that fills it."""
        rows: int = min(piece.num_rows, ROW_GROUP_ROWS - self._pending_rows)
        self._is_full = self._pending_rows + rows == ROW_GROUP_ROWS
        self._most_text += piece.slice(0, rows).nbytes
        # measuring text costs time; an array is never smaller than its text, so its size settles most cases
        if self._most_text < ROW_GROUP_TEXT:
            return rows
        before = sum(pc.sum(_text_sizes(part)).as_py() for part in self._pending)
        text = pc.cumulative_sum(_text_sizes(piece.slice(0, rows)), start=before)
        self._most_text = text[-1].as_py()
        if self._most_text < ROW_GROUP_TEXT:
            return rows
        self._is_full = True
        return int(pc.sum(pc.less(text, ROW_GROUP_TEXT)).as_py()) + 1

    def _write(self) -> None:
        if self._pending_rows:
            # one chunk per column: the bytes must not depend on the pieces in which the rows came
            group = pa.concat_tables(self._pending).combine_chunks()
            self._writer.write_table(group, row_group_size=ROW_GROUP_ROWS)
        self._pending, self._pending_rows, self._most_text, self._is_full = [], 0, 0, False


def _text_sizes(rows: pa.Table) -> pa.Array:
    """Return the bytes of text in each row, as an array of integers."""
    sizes = pa.array([0] * rows.num_rows, pa.int64())
    for column in rows.columns:
        if pa.types.is_string(column.type):
            sizes = pc.add(sizes, pc.fill_null(pc.binary_length(column), 0).cast(pa.int64()))
    return sizes
