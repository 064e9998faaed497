"""Macros: a day that is not known is an error, and what is scheduled at a moment is told from the times."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import duckdb
import pytest

from desk import SMALL_DAYS, Desk
from pulltasks.warehouse.read.published import open_published

if TYPE_CHECKING:
    from collections.abc import Iterator

DAYS = SMALL_DAYS[:3]
OF_A_DATE = ("pull_tasks_as_of", "pull_task_source_urls_as_of", "pull_task_callback_events_as_of")


@pytest.fixture(scope="module")
def published(three_days: Desk) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_published(three_days.lake) as connection:
        yield connection


@pytest.mark.parametrize("macro", OF_A_DATE)
@pytest.mark.parametrize("day", ["date '2026-10-29'", "date '2026-11-02'", "null"])
@pytest.mark.parametrize(
    "query", ["select * from {}", "select count(*) from {}", "select task_id from {} where task_id = 'none' limit 1"]
)
def test_a_day_that_is_not_known_is_an_error_that_names_the_days(published, macro, day, query) -> None:
    with pytest.raises(duckdb.InvalidInputException, match="is not known: there are 2026-10-30 to 2026-11-01"):
        published.sql(query.format(f"{macro}({day})")).fetchall()


@pytest.mark.parametrize("macro", OF_A_DATE)
def test_the_first_and_the_last_day_are_known(published, macro) -> None:
    for day in (DAYS[0], DAYS[-1]):
        assert published.sql(f"select count(*) > 0 from {macro}(date '{day}')").fetchall() == [(True,)]


def test_what_is_scheduled_before_the_first_day_is_an_error(published) -> None:
    with pytest.raises(duckdb.InvalidInputException, match="the first day begins at 2026-10-30 00:00:00 UTC"):
        published.sql("select count(*) from tasks_scheduled_at(timestamp '2026-10-29 23:59:59')").fetchall()


@pytest.mark.parametrize("moment", [datetime(2026, 10, 30), datetime(2026, 10, 31, 20), datetime(2026, 11, 25, 3)])
def test_what_is_scheduled_at_a_moment_is_what_its_times_say(published, moment: datetime) -> None:
    known = min(moment.date(), DAYS[-1])
    expected = published.execute(
        "select task_id from pull_tasks_as_of($1) where (start_time is null or start_time <= $2) "
        "and (end_time is null or end_time > $2) and start_time_raw is null and coalesce(end_time_raw, '') = ''",
        [known, moment],
    ).fetchall()
    found = published.execute("select task_id, snapshot_date from tasks_scheduled_at($1)", [moment]).fetchall()
    assert sorted(task_id for task_id, _ in found) == sorted(task_id for (task_id,) in expected)
    assert {day for _, day in found} == {known}
    assert found
