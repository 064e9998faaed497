"""The open tables are the published ones, whole and masked, by version and as `current`, for readers of any kind."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

import duckdb
import pandas as pd
import pyarrow.parquet as pq
import pytest

from desk import SMALL_DAYS, Desk, copied
from pulltasks.lake.files import sha256_of
from pulltasks.lake.paths import KEPT_VERSIONS, LATEST, TABLES_OF_VERSION
from pulltasks.run.order import forget, snapshot
from pulltasks.warehouse.build.open_tables import LEFT_OUT, read_latest, write_tables
from pulltasks.warehouse.read.published import open_published
from pulltasks.warehouse.sql.models import load_models

if TYPE_CHECKING:
    from pathlib import Path

DAYS = [SMALL_DAYS[0] + timedelta(days=n) for n in range(6)]
ON = "[publish]\ntables = true\n"


@pytest.fixture
def before(one_day: Desk, tmp_path: Path) -> Desk:
    """A day is published, and from now on open tables are asked for."""
    return replace(copied(one_day, tmp_path), extra=ON)


@pytest.fixture
def desk(before: Desk, once) -> Desk:
    """A second day is published, with its open tables."""
    once("open tables", before, lambda: run(before, DAYS[1]))
    return before


def run(desk: Desk, day: date):
    return snapshot(desk.settings, day, desk.clock, simulated=True)


def test_every_published_table_is_there_with_the_rows_of_the_published_file(desk: Desk) -> None:
    latest = read_latest(desk.lake)
    with open_published(desk.lake) as warehouse:
        named = {name for (name,) in warehouse.execute("select table_name from information_schema.tables").fetchall()}
        assert set(latest.tables) == named - LEFT_OUT - {"meta_inputs"}
        for name, table in latest.tables.items():
            for path in (
                desk.lake.open_tables / table.file,
                desk.lake.open_tables / "current" / name / "data.parquet",
            ):
                assert sha256_of(path) == table.sha256
                ((differing,),) = warehouse.execute(
                    f"select count(*) from ((from {name} except all from '{path}') "
                    f"union all (from '{path}' except all from {name}))"
                ).fetchall()
                assert differing == 0
                types = {row[0]: row[1] for row in warehouse.execute(f"describe from '{path}'").fetchall()}
                assert types == {column.name: column.type for column in table.columns}
            assert table.rows == pq.read_metadata(path).num_rows
    assert latest.version in desk.lake.published.resolve().name


def test_columns_carry_their_descriptions_and_readers_of_other_kinds_read_them(desk: Desk) -> None:
    for name, table in read_latest(desk.lake).tables.items():
        path = desk.lake.open_tables / "current" / name / "data.parquet"
        schema = pq.read_schema(path)
        assert {field.name: field.metadata[b"description"].decode() for field in schema} == {
            column.name: column.description for column in table.columns
        }
        assert all(column.description for column in table.columns)
        assert len(pd.read_parquet(path)) == table.rows
        assert {column.type for column in table.columns} <= {
            "BIGINT", "BOOLEAN", "DATE", "DOUBLE", "TIMESTAMP", "VARCHAR", "VARCHAR[]",
        }  # fmt: skip


def test_versions_stay_for_those_who_read_them_and_current_follows(desk: Desk) -> None:
    versions = [read_latest(desk.lake).version]
    for day in DAYS[2 : KEPT_VERSIONS + 2]:
        run(desk, day)
        versions.append(read_latest(desk.lake).version)
    there = sorted(path.name for path in desk.lake.open_tables.iterdir())
    assert there == [*versions[-KEPT_VERSIONS:], "current"]
    file = desk.lake.open_tables / "current" / "dim_pull_tasks" / "data.parquet"
    assert duckdb.sql(f"select max(state_date) from '{file}'").fetchall() == [(DAYS[KEPT_VERSIONS + 1],)]


def test_what_is_there_is_not_written_again(desk: Desk) -> None:
    before = {path: path.stat().st_mtime_ns for path in desk.lake.open_tables.rglob("*.parquet")}
    run(desk, DAYS[1])
    assert {path: path.stat().st_mtime_ns for path in desk.lake.open_tables.rglob("*.parquet")} == before
    lost = desk.lake.open_tables / "current" / "dim_targets" / "data.parquet"
    lost.unlink()
    run(desk, DAYS[1])
    assert lost.is_file()


def test_a_reader_that_has_opened_a_file_reads_it_to_its_end(desk: Desk) -> None:
    path = desk.lake.open_tables / "current" / "fct_pull_task_changes" / "data.parquet"
    rows = read_latest(desk.lake).tables["fct_pull_task_changes"].rows
    with pq.ParquetFile(path) as opened:
        for day in DAYS[2:4]:
            run(desk, day)
        assert opened.read().num_rows == rows


def test_nothing_is_written_while_secrets_are_shown_and_the_run_says_so(desk: Desk) -> None:
    before = read_latest(desk.lake)
    result = run(replace(desk, extra=f"{ON}[warehouse]\nexpose_secrets = true\n"), DAYS[1])
    assert any("open tables are for everybody" in text for text in result.surprises)
    assert read_latest(desk.lake) == before
    assert result.troubles == ()


def test_that_they_cannot_be_written_takes_nothing_back(before: Desk) -> None:
    before.lake.open_tables.parent.write_text("somebody's own")
    result = run(before, DAYS[1])
    assert result.status.is_complete
    assert not result.is_complete
    assert "published, but the open tables could not be written" in result.troubles[0].text
    before.lake.open_tables.parent.unlink()
    assert run(before, DAYS[1]).is_complete


def test_files_are_for_everybody_and_their_folders_too(desk: Desk) -> None:
    for path in [desk.lake.open_tables.parent, *desk.lake.open_tables.parent.rglob("*")]:
        assert path.stat().st_mode & 0o777 == (0o755 if path.is_dir() else 0o644), path


def test_they_are_not_written_unless_they_are_asked_for(before: Desk) -> None:
    run(replace(before, extra=""), DAYS[1])
    assert not before.lake.open_tables.exists()
    with before.lake.lock():
        assert write_tables(before.lake, load_models(), "UTC").tables


def test_each_version_says_what_it_is_and_is_written_again_where_it_does_not(desk: Desk) -> None:
    said = desk.lake.open_tables / read_latest(desk.lake).version / TABLES_OF_VERSION
    assert said.read_bytes() == (desk.lake.root / "published" / LATEST).read_bytes()
    said.unlink()
    run(desk, DAYS[1])
    assert said.is_file()
    assert read_latest(desk.lake).timezone == "UTC"


def test_other_masks_and_another_key_leave_no_version_of_before(desk: Desk) -> None:
    run(desk, DAYS[2])
    assert len(versions(desk)) == 2
    desk.extra = f"{ON}[warehouse]\nmask_stream_names = true\n"
    run(desk, DAYS[2])
    assert versions(desk) == [read_latest(desk.lake).version]
    desk.lake.redaction_key.write_text("7a" * 32)
    desk.lake.redaction_key_checksum.unlink()
    run(desk, DAYS[2])
    assert versions(desk) == [read_latest(desk.lake).version]


def versions(desk: Desk) -> list[str]:
    return [path.name for path in desk.lake.open_tables.iterdir() if path.name != "current"]


def test_once_the_last_day_is_forgotten_no_table_is_left(desk: Desk) -> None:
    for day in DAYS[:2]:
        forget(desk.settings, day, desk.clock)
    assert read_latest(desk.lake) is None
    assert not desk.lake.open_tables.exists()
