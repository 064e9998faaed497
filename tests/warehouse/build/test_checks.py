"""What a check may stop: of one model, and of several, on each day that a build adds."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from desk import DAYS, Desk
from pulltasks.errors import ModelError
from pulltasks.lake.normalise import normalise_day
from pulltasks.warehouse.build.publish import build_and_publish
from pulltasks.warehouse.sql.models import SQL_FOLDER, load_models


def test_a_check_that_fails_stops_the_publish(desk: Desk, begin, tmp_path: Path) -> None:
    begin(desk, DAYS[0])
    before = desk.lake.published.resolve()
    folder = tmp_path / "sql"
    shutil.copytree(SQL_FOLDER, folder)
    file = folder / "marts" / "fct_daily_task_counts.sql"
    file.write_text(file.read_text().replace("-- check: targets", "-- check: task_count < 3\n-- check: targets"))
    desk.capture(DAYS[1])
    with desk.lake.lock():
        normalise_day(desk.lake, DAYS[1])
        with pytest.raises(
            ModelError, match=r"nothing was published.*\n.*fct_daily_task_counts: task_count < 3 \(\d+ rows"
        ):
            build_and_publish(desk.lake, load_models(folder), desk.settings.warehouse, datetime.now(UTC))
    assert desk.lake.published.resolve() == before


def test_a_day_that_would_write_an_earlier_row_again_is_refused(desk: Desk, tmp_path: Path) -> None:
    folder = tmp_path / "sql"
    shutil.copytree(SQL_FOLDER, folder)
    file = folder / "marts" / "dim_dates.sql"
    file.write_text(
        file.read_text().replace(
            "from stg_days as days",
            f"from (select date '{DAYS[0]}' as snapshot_date, null::timestamp as starts_at, true as has_run) as days",
        )
    )
    models = load_models(folder)
    for day in DAYS[:2]:
        desk.capture(day)
        with desk.lake.lock():
            normalise_day(desk.lake, day)
            if day == DAYS[0]:
                build_and_publish(desk.lake, models, desk.settings.warehouse, datetime.now(UTC))
    with desk.lake.lock(), pytest.raises(ModelError, match="dim_dates: key_is_unique"):
        build_and_publish(desk.lake, models, desk.settings.warehouse, datetime.now(UTC))


def test_a_header_that_differs_from_the_select_is_refused(desk: Desk, begin, tmp_path: Path) -> None:
    folder = tmp_path / "sql"
    shutil.copytree(SQL_FOLDER, folder)
    file = folder / "reports" / "rpt_effective_callbacks.sql"
    file.write_text(file.read_text().replace("column: is_named BOOLEAN", "column: is_told BOOLEAN"))
    begin(desk, DAYS[0])
    with (
        desk.lake.lock(),
        pytest.raises(
            ModelError,
            match="rpt_effective_callbacks: the select and the header's columns differ in is_named BOOLEAN, is_told BOOLEAN",
        ),
    ):
        build_and_publish(desk.lake, load_models(folder), desk.settings.warehouse, datetime.now(UTC))


def test_the_checks_over_several_models_hold_on_every_day_that_a_build_adds(desk: Desk, tmp_path: Path) -> None:
    """A day that would break them is not taken in by the build of the next one."""
    folder = tmp_path / "sql"
    shutil.copytree(SQL_FOLDER, folder)
    file = folder / "marts" / "dim_targets.sql"
    wrong = f"when today.coverage = 'complete' then today.task_count + (today.snapshot_date = date '{DAYS[1]}')::int"
    file.write_text(file.read_text().replace("when today.coverage = 'complete' then today.task_count", wrong))
    for day in DAYS[:3]:
        desk.capture(day)
        with desk.lake.lock():
            normalise_day(desk.lake, day)
    with desk.lake.lock(), pytest.raises(ModelError, match=rf"{DAYS[1]}: assert_counts_agree \(2 rows"):
        build_and_publish(desk.lake, load_models(folder), desk.settings.warehouse, datetime.now(UTC))
