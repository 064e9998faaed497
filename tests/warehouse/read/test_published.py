"""The published file, as a reader holds it."""

from __future__ import annotations

import subprocess
import sys

import duckdb

from desk import DAYS, Desk
from pulltasks.warehouse.read.published import open_published

READER = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1], read_only=True)
print(connection.sql("select through_date from meta_build").fetchall()[0][0], flush=True)
sys.stdin.readline()
print(connection.sql("select max(snapshot_date) from fct_daily_task_counts").fetchall()[0][0], flush=True)
"""


def test_a_reader_keeps_its_build_while_others_are_published(desk: Desk, begin) -> None:
    """In a process of its own; a second connection of this process sees the newest each time."""
    begin(desk, DAYS[0])
    held = [duckdb.connect(str(desk.lake.published.resolve()), read_only=True), open_published(desk.lake)]
    with subprocess.Popen(
        [sys.executable, "-c", READER, str(desk.lake.published)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as reader:
        assert reader.stdout
        assert reader.stdout.readline().strip() == str(DAYS[0])
        first = desk.lake.published.resolve()
        for day in DAYS[1:5]:
            desk.run(day)
            held.append(open_published(desk.lake))
            assert held[-1].sql("select through_date from meta_build").fetchall() == [(day,)]
        assert first not in desk.lake.builds()
        out, _ = reader.communicate("\n")
    assert (out.strip(), reader.returncode) == (str(DAYS[0]), 0)
    seen = [connection.sql("select max(snapshot_date) from dim_dates").fetchall()[0][0] for connection in held]
    assert seen == [DAYS[0], *DAYS[:5]]
    for connection in held:
        connection.close()
