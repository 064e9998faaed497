"""The headers of SQL files: what they must have, and what they may take from other tables."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pulltasks.errors import ModelError
from pulltasks.warehouse.sql.models import load_models
from sql_texts import HEADER, folder


def test_a_header_is_like_others_in_its_own_order_and_describes_columns_otherwise(tmp_path: Path) -> None:
    alike = HEADER.replace("-- column: a BIGINT | A number.\n", "-- like: dim_b (b)\n-- column: a BIGINT | A number.\n")
    other = (
        HEADER.replace("-- column: a", "-- like: target\n-- like: tidy.captures (started_at)\n-- column: a")
        + "-- column: target_name VARCHAR | Its name now.\n-- column: b BIGINT | B.\n"
    )
    models = load_models(folder(tmp_path, dim_a=alike + "select 1 as a, 2 as b", dim_b=other + "select 1 as a"))
    assert [column.name for column in models["dim_a"].columns] == ["b", "a"]
    assert [(column.name, column.type, column.description) for column in models["dim_b"].columns] == [
        ("project_id", "VARCHAR", "Project of the target."),
        ("region", "VARCHAR", "Region of the target."),
        ("target_name", "VARCHAR", "Its name now."),
        ("started_at", "TIMESTAMP", "When the capture began, UTC."),
        ("a", "BIGINT", "A number."),
        ("b", "BIGINT", "B."),
    ]


def test_a_comment_below_the_header_is_no_part_of_it(tmp_path: Path) -> None:
    text = HEADER + "\n-- check: a > 1\n-- kind: view\nselect\n    -- check: a > 2\n    1 as a"
    model = load_models(folder(tmp_path, dim_a=text))["dim_a"]
    assert (model.kind.name, model.checks) == ("table", ())


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("dim_a", HEADER + "-- like: dim_c\nselect 1 as a", "like dim_c: not a model"),
        ("dim_a", HEADER + "-- like: tidy.none\nselect 1 as a", "like tidy.none: not a model"),
        ("dim_a", HEADER + "-- like: dim_a\nselect 1 as a", "like dim_a: not a model"),
        ("dim_a", HEADER + "-- like: target (a)\nselect 1 as a", "like target: it has no column a"),
        ("dim_a", HEADER.replace("-- What it is.\n", "") + "select 1 as a", "must begin with a description"),
        ("dim_a", HEADER.replace("-- grain: one row\n", "") + "select 1 as a", "one line '-- grain: …'"),
        ("dim_a", HEADER.replace("table", "cube") + "select 1 as a", "kind is 'cube'"),
        ("dim_a", HEADER.replace("| A number.", "") + "select 1 as a", "name TYPE | description"),
        ("assert_a", "select 1", "must say what the check means"),
        ("assert_a", "-- It holds.\n-- chek: a\nselect 1", "assert_a.sql:2: 'chek' is not allowed here"),
        (
            "dim_a",
            HEADER + "-- chek: a > 0\nselect 1 as a",
            "dim_a.sql:7: 'chek' is not a key of a header; the keys are argument",
        ),
        ("dim_a", "-- grian: x\n" + HEADER + "select 1 as a", "dim_a.sql:1: 'grian' is not a key of a header"),
        ("dim_a", HEADER + "-- Check: a > 0\nselect 1 as a", "dim_a.sql:7: 'Check' is not a key of a header"),
        ("dim_a", HEADER + "-- check a > 0\nselect 1 as a", "dim_a.sql:7: '-- check a > 0' is not of the form"),
        ("dim_a", HEADER + "--\n-- check: a > 0\nselect 1 as a", "dim_a.sql:7: '-- ' is not of the form"),
        ("dim_a", HEADER + "-- kind: view\nselect 1 as a", "dim_a.sql:7: the header says '-- kind: …' twice"),
        ("dim_a", HEADER + "-- check: a > 0\n-- check: a > 0\nselect 1 as a", "says '-- check: a > 0' twice"),
        ("dim_a", HEADER + "-- column: a BIGINT | Another.\nselect 1 as a", "describes the column a twice"),
        (
            "dim_a",
            HEADER + "-- parts: days\nselect 1 as a",
            "parts is 'days'; it can be tasks, or a model that it reads",
        ),
    ],
)
def test_what_is_wrong_with_a_header_is_said_with_the_name_of_its_file(
    tmp_path: Path, name: str, text: str, words: str
) -> None:
    files = {name: text} if name.startswith("dim") else {"dim_b": HEADER + "select 1 as a", name: text}
    with pytest.raises(ModelError, match="(?s).*" + re.escape(words)):
        load_models(folder(tmp_path, **files))
