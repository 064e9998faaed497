"""A history of many days: lossless, the same however it was built, and no dearer by the day."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from history import contents, differences
from pulltasks.config import from_environment
from pulltasks.lake.compaction import clear_compacted_days, compact_month, months_to_compact
from pulltasks.lake.lake import Lake
from pulltasks.lake.normalise import normalise_day
from pulltasks.sandbox.archive import write_archive
from pulltasks.sandbox.data import Place
from pulltasks.warehouse.build.plan import plan_build
from pulltasks.warehouse.build.publish import build_and_publish
from pulltasks.warehouse.sql.models import load_models

FIRST = date(2026, 1, 20)
NOW = datetime(2027, 6, 1, tzinfo=UTC)
NONE = {(0, 0)}


def places(count: int, tasks: int) -> tuple[Place, ...]:
    """Targets of which about 1 task in 100 changes on a day."""
    return tuple(Place(f"{n:032x}", "cn-north-4", tasks, f"target-{n}", pace=30) for n in range(count))


def prepare(folder: Path, targets: int, days: int, tasks: int) -> tuple[Lake, list[date]]:
    lake = Lake(folder / "lake")
    lake.prepare()
    span = [FIRST + timedelta(days=n) for n in range(days)]
    with lake.lock():
        return lake, write_archive(lake, places(targets, tasks), span)


def build(lake: Lake) -> Path:
    with lake.lock():
        return build_and_publish(lake, load_models(), from_environment().warehouse, NOW)


def rebuilt_from_nothing(lake: Lake) -> Path:
    for path in (*lake.warehouse.glob("*"), *lake.bases().values()):
        path.unlink()
    return build(lake)


def scalar(path: Path, query: str) -> int:
    with duckdb.connect(str(path), read_only=True) as connection:
        ((value,),) = connection.sql(query).fetchall()
    return int(value)


def check_days(lake: Lake, days: list[date], count: int) -> None:
    for day in random.Random(count).sample(days, min(count, len(days))):
        assert set(differences(lake, day).values()) == NONE, day


@pytest.mark.slow
def test_forty_days_of_three_targets(tmp_path: Path) -> None:
    lake, days = prepare(tmp_path, targets=3, days=40, tasks=100)
    models, settings = load_models(), from_environment()
    assert len(days) < 40  # days without a run are among them
    for day in days:
        normalise_day(lake, day)
        if day not in days[1:20]:  # these are added in one go, the others one by one
            if day != days[0]:
                assert len(plan_build(lake, models, settings.warehouse).days) == (20 if day == days[20] else 1)
            published = build(lake)
    assert scalar(published, "select count(distinct coverage) from rpt_snapshot_coverage") == 4  # all but held
    check_days(lake, days, 12)
    # an older day is captured anew: the days after it are added again, and not all before it
    by_day = contents(published)
    lake.raw_file(days[30], places(3, 100)[0].project_id, "cn-north-4").unlink()
    normalise_day(lake, days[30])
    assert days[0] not in plan_build(lake, models, settings.warehouse).days
    rolled = contents(build(lake))
    assert rolled != by_day
    assert rolled == contents(rebuilt_from_nothing(lake))
    with lake.lock():
        for month in months_to_compact(lake, settings.lake, date.max):
            compact_month(lake, month)
    with lake.lock():
        clear_compacted_days(lake)
    check_days(lake, days, 5)


@pytest.mark.slow
def test_a_year_of_thirty_targets(tmp_path: Path) -> None:
    lake, days = prepare(tmp_path, targets=30, days=365, tasks=300)
    for position, day in enumerate(days):
        normalise_day(lake, day)
        if position % 60 == 0 or position > len(days) - 3:
            published = build(lake)
    versions = scalar(published, "select count(*) from dim_pull_task_versions")
    assert versions > 30 * 300 * 2.5
    assert published.stat().st_size / versions < 400  # and a row for each target and day
    check_days(lake, days, 30)
    in_steps = contents(published)
    assert in_steps == contents(rebuilt_from_nothing(lake))
    with lake.lock():
        for month in months_to_compact(lake, from_environment().lake, date.max):
            compact_month(lake, month)
    with lake.lock():
        clear_compacted_days(lake)
    check_days(lake, days, 10)
