"""Tidy tables, read with the library, with DuckDB and with what others use."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow.dataset as ds
import pytest

from desk import BEIJING, Desk
from pulltasks import tidy_files
from pulltasks.lake.compaction import compact_month
from pulltasks.run.order import snapshot
from pulltasks.sandbox.server import Sandbox, serving

DAYS = [date(2026, 10, 30), date(2026, 10, 31), date(2026, 11, 1)]


def test_the_files_of_a_table_are_read_alike_by_every_reader(tmp_path: Path) -> None:
    sandbox = Sandbox((replace(BEIJING, task_count=7),))
    with serving(sandbox) as url:
        desk = Desk(sandbox, url, tmp_path, sandbox.places, extra="[lake]\nkeep_daily_months = 1\n")
        for day in DAYS:
            snapshot(desk.settings, day, desk.clock, simulated=True)
    counts = []
    for is_closed in (False, True):
        if is_closed:
            with desk.lake.lock():
                compact_month(desk.lake, date(2026, 10, 1))
        files = tidy_files("pull_tasks", "2026-10-01", DAYS[-1], lake=desk.lake.root)
        assert len(files) == (2 if is_closed else 3)
        counts += [
            ds.dataset(files, format="parquet").count_rows(),
            sum(len(pd.read_parquet(file, partitioning=None)) for file in files),
            duckdb.execute("select count(*) from read_parquet($1, hive_partitioning = false)", [files]).fetchall()[0][
                0
            ],
        ]
    assert len(set(counts)) == 1
    assert tidy_files("captures", DAYS[0], DAYS[0], lake=desk.lake.root)
    with pytest.raises(ValueError, match="is not a tidy table; the tables are pull_tasks"):
        tidy_files("tasks", DAYS[0], DAYS[0], lake=desk.lake.root)
