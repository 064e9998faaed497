"""What engines write otherwise: each knows the types, and a literal of it is the text that it was."""

from __future__ import annotations

import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st

from pulltasks.fleet.dialects import DIALECTS

# The engines' own parsers take back control characters in other ways.
TEXTS = st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"]), max_size=20)


@pytest.mark.parametrize("engine", DIALECTS)
@given(text=TEXTS)
def test_a_literal_is_read_as_the_text_that_it_was(engine: str, text: str) -> None:
    read = sqlglot.parse_one(f"select {DIALECTS[engine].literal(text)}", dialect=engine)
    assert read.selects[0].this == text


@pytest.mark.parametrize("engine", DIALECTS)
def test_every_type_of_a_published_column_has_a_name_there(engine: str) -> None:
    types = DIALECTS[engine].types
    assert types.keys() == DIALECTS["duckdb"].types.keys()
    for name in types.values():
        assert sqlglot.exp.DataType.build(name, dialect=engine)
