"""The tidy tables: every column is described, keys are columns, and no field of the API is without a place."""

from __future__ import annotations

import pytest

from pulltasks.tables import API_FIELDS, PULL_TASKS, TABLES, Table


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_table_says_what_it_is(table: Table) -> None:
    names = [column.name for column in table.columns]
    assert len(set(names)) == len(names)
    assert set(table.key) <= set(names)
    assert all(column.description.endswith(".") for column in table.columns)
    assert table.schema.names == names
    assert [table.schema.field(c.name).metadata.get(b"unit", b"").decode() or None for c in table.columns] == [
        column.unit for column in table.columns
    ]


def test_every_field_has_a_column_or_rows_of_its_own() -> None:
    columns = {column.name for column in PULL_TASKS.columns}
    for field in API_FIELDS:
        assert (field.tidy_name in columns) == (field.kind != "texts"), field.name
        assert (f"{field.name}_raw" in columns) == (field.kind == "time"), field.name
