"""docs/tables.md is what the code says, and its examples run."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from desk import Desk
from pulltasks.warehouse.read.published import open_published
from pulltasks.warehouse.sql.dictionary import dictionary
from pulltasks.warehouse.sql.models import load_models

PAGE = Path(__file__).parents[3] / "docs" / "tables.md"


def test_the_page_is_what_the_code_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == dictionary(), "run `make docs`"


def test_every_example_runs_and_finds_something(desk: Desk) -> None:
    desk.sandbox.faults[desk.places[1].project_id, None] = "forbidden"
    for day in (date(2026, 11, 21), date(2026, 11, 22)):
        desk.run(day)
    with open_published(desk.lake) as connection:
        for model in load_models().in_order:
            if model.example:
                found = connection.sql(model.example).fetchall()
                assert found or model.name == "rpt_data_quality", model.name  # the sandbox holds no surprises
