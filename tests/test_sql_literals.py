"""Texts as literals, and SQL without its comments."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulltasks.sql_literals import escaped, quoted, without_comments


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
def test_the_database_reads_a_literal_as_the_text_that_it_was(text: str) -> None:
    assert duckdb.sql(f"select {quoted(text)}").fetchall() == [(text,)]
    path = Path("/lake") / text
    assert duckdb.sql(f"select '{escaped(path)}'").fetchall() == [(str(path),)]


@pytest.mark.parametrize(
    ("sql", "bare"),
    [
        ("select 1 -- one\n,  2", "select 1 , 2"),
        ("select '--  no', \"/* no */\" /* yes\n */ from a", "select '--  no', \"/* no */\" from a"),
        ("select 'it''s -- no' -- it's", "select 'it''s -- no'"),
    ],
)
def test_comments_are_no_part_of_sql_and_texts_are(sql: str, bare: str) -> None:
    assert without_comments(sql) == bare
