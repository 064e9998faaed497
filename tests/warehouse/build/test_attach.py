"""The copy that a day is added to: what stays in it, and what is written anew."""

from __future__ import annotations

import duckdb
import pytest

from pulltasks.warehouse.build.attach import make_room


@pytest.mark.parametrize(("replaced", "is_anew"), [(0, False), (100, False), (101, True), (1000, True)])
def test_a_table_with_many_replaced_rows_is_written_anew(tmp_path, replaced: int, *, is_anew: bool) -> None:
    with duckdb.connect() as connection:
        connection.execute(f"attach '{tmp_path}/base.duckdb' as base; attach '{tmp_path}/copy.duckdb' as warehouse")
        for catalog in ("base", "warehouse"):
            connection.execute(f"create table {catalog}.main.held as select range as k from range(1000)")
            connection.execute(f"create table {catalog}.main.made as select 1 as k")
        connection.execute(f"delete from warehouse.main.held where k < {replaced}")
        connection.execute(f"insert into warehouse.main.held select range from range({replaced})")
        make_room(connection, {"held"})
        found = connection.execute("select count(*), count(distinct k), max(rowid) from warehouse.main.held").fetchall()
        assert found == [(1000, 1000, 999 if is_anew else 999 + replaced)]
        assert connection.execute("from warehouse.main.made").fetchall() == []
