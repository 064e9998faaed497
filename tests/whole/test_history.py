"""The history loses nothing: what it says of a day is what was listed, and building it in other ways gives the same."""

from __future__ import annotations

import duckdb
import pytest

from desk import BEIJING, DAYS, RUNS_WITH_GAPS, Desk, rows
from history import contents, differences
from pulltasks.lake.normalise import normalise_day
from pulltasks.warehouse.build.plan import plan_build
from pulltasks.warehouse.sql.models import load_models

NONE = {
    "pull_tasks_as_of": (0, 0),
    "pull_task_source_urls_as_of": (0, 0),
    "pull_task_callback_events_as_of": (0, 0),
}


def test_as_of_a_day_is_what_was_listed_on_it(desk: Desk, begin_with_gaps) -> None:
    begin_with_gaps(desk)
    for day in RUNS_WITH_GAPS:
        assert differences(desk.lake, day) == NONE, day


def test_as_of_a_day_that_is_not_complete_is_the_last_known_state_with_its_date(desk: Desk, begin_with_gaps) -> None:
    begin_with_gaps(desk)
    states = f"""
        select target_name, state_date, count(*) from pull_tasks_as_of('{DAYS[1]}') group by all order by all
    """
    before = rows(desk, f"select target_name, count(*) from pull_tasks_as_of('{DAYS[0]}') group by all order by all")
    after = rows(desk, f"select target_name, count(*) from pull_tasks_as_of('{DAYS[1]}') group by all order by all")
    assert rows(desk, states) == [("beijing", DAYS[1], after[0][1]), ("singapore", DAYS[0], before[1][1])]


def test_an_attached_warehouse_answers_views_at_once_and_macros_after_use(desk: Desk, begin) -> None:
    begin(desk, DAYS[0])
    with duckdb.connect() as connection:
        connection.execute(f"attach '{desk.lake.published.resolve()}' as w (read_only)")
        (listed,) = connection.sql("select count(*) from w.fct_pull_task_days").fetchall()
        connection.execute("use w")
        for macro in NONE:
            assert connection.sql(f"from {macro}('{DAYS[0]}')").fetchall()
        assert connection.sql(f"select count(*) from pull_tasks_as_of(date '{DAYS[0]}')").fetchall() == [listed]
    assert listed[0] > 0


def test_the_view_of_days_is_what_the_macro_says_of_each(desk: Desk, begin_with_gaps) -> None:
    begin_with_gaps(desk)
    for day in RUNS_WITH_GAPS:
        listed = rows(desk, f"select task_id, content_hash from fct_pull_task_days where snapshot_date = date '{day}'")
        known = rows(
            desk, f"select task_id, content_hash from pull_tasks_as_of('{day}') where state_date = date '{day}'"
        )
        assert sorted(listed) == sorted(known)
        assert listed


@pytest.mark.slow
def test_an_older_day_captured_anew_rolls_forward_to_what_a_full_build_gives(desk: Desk) -> None:
    for day in DAYS:
        desk.run(day)
    assert list(desk.lake.bases()) == [DAYS[0], DAYS[3]]  # beside the three newest: ever fewer, the older they are
    older = DAYS[4]
    desk.lake.raw_file(older, BEIJING.project_id, BEIJING.region).unlink()  # the capture of that day is lost
    desk.lake.manifest_file(older).unlink()
    normalise_day(desk.lake, older)
    assert plan_build(desk.lake, load_models(), desk.settings.warehouse).days == tuple(DAYS[4:])
    path = desk.build()
    rolled = contents(path)
    assert list(desk.lake.bases()) == [DAYS[0], DAYS[3]]
    desk.lake.raw_file(DAYS[2], BEIJING.project_id, BEIJING.region).unlink()
    normalise_day(desk.lake, DAYS[2])
    rolled = contents(desk.build())
    assert list(desk.lake.bases()) == [DAYS[0]]  # the other held the day as it was
    for file in (*desk.lake.warehouse.glob("*"), *desk.lake.bases().values()):
        file.unlink()
    assert rolled == contents(desk.build())
