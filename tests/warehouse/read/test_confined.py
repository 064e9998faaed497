"""One statement that reads the lake, and nothing else of this machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from desk import Desk
from pulltasks.errors import QueryRefused
from pulltasks.warehouse.read.confined import one_select, open_confined


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "there is no query"),
        ("  -- only a comment\n", "there is no query"),
        ("select 1; select 2", "there are 2 statements"),
        ("selekt 1", "cannot be read"),
    ],
)
def test_what_is_no_single_statement_is_said_to_be_so(text: str, words: str) -> None:
    with pytest.raises(QueryRefused, match=words):
        one_select(text)


READS = ("select 1", "from dim_targets", "show tables", "describe dim_targets", "summarize dim_targets",
         "explain select 1", "explain analyze select 1", "with a as (select 1) select * from a", "values (1)")  # fmt: skip

# What would write, read other files, reach the network, or change a setting.
REFUSED = (
    "create table x as select 1", "create view x as select 1", "create macro x() as 1", "drop table dim_targets",
    "insert into dim_targets select * from dim_targets", "update dim_targets set region = 'x'", "delete from dim_targets",
    "alter table dim_targets add column x int", "truncate dim_targets", "comment on table dim_targets is 'x'",
    "copy (select 1) to '{file}'", "copy dim_targets from '{file}'", "export database '{file}'", "import database '{file}'",
    "explain analyze copy (select 1) to '{file}'", "attach '{file}' as x", "detach pulltasks", "use memory",
    "set enable_external_access = true", "set memory_limit = '1GB'", "reset lock_configuration", "pragma database_list",
    "install httpfs", "load httpfs", "call pragma_version()", "prepare p as select 1", "execute p", "checkpoint", "vacuum",
    "begin", "create secret (type s3)",
    "select * from read_csv('{file}')", "select * from read_text('{file}')", "select * from read_blob('/etc/*')",
    "select * from read_parquet('{file}')", "from '{file}'", "from 'https://127.0.0.1/x.parquet'",
    "select * from glob('/etc/*')", "select * from read_json('{file}')", "select * from query('copy (select 1) to ''{file}''')",
)  # fmt: skip


@pytest.mark.parametrize("unredacted", [False, True])
def test_a_query_reads_the_lake_and_nothing_else(three_days: Desk, tmp_path: Path, unredacted: bool) -> None:
    import duckdb

    file = tmp_path / "secret.csv"
    file.write_text("a\nsecret\n")
    spill = tmp_path / "spill"
    spill.mkdir()
    with open_confined(three_days.lake, spill, unredacted=unredacted) as connection:
        for sql in REFUSED:
            with pytest.raises((QueryRefused, duckdb.Error)):
                connection.execute(one_select(sql.format(file=file))).fetchall()
        assert connection.execute("select current_database()").fetchall() == [("pulltasks",)]
    assert file.read_text() == "a\nsecret\n"
    assert {path.name for path in tmp_path.iterdir()} == {"secret.csv", "spill"}


def test_what_reads_is_let_through(three_days: Desk, tmp_path: Path) -> None:
    with open_confined(three_days.lake, tmp_path) as connection:
        for sql in READS:
            assert connection.execute(one_select(sql)).fetchall()
