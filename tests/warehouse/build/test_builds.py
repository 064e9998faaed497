"""The builds that are there: which are kept, and which are removed."""

from __future__ import annotations

from datetime import UTC, datetime

from desk import DAYS, Desk
from pulltasks.lake.normalise import normalise_day
from pulltasks.warehouse.build.builds import KEPT_BUILDS
from pulltasks.warehouse.build.plan import plan_build
from pulltasks.warehouse.build.publish import build_and_publish
from pulltasks.warehouse.sql.models import load_models


def test_a_second_build_of_a_day_begins_before_that_day_every_time(desk: Desk, begin) -> None:
    begin(desk, DAYS[0])
    for _ in range(KEPT_BUILDS + 1):
        desk.capture(DAYS[1], refresh=True)
        with desk.lake.lock():
            normalise_day(desk.lake, DAYS[1])
            plan = plan_build(desk.lake, load_models(), desk.settings.warehouse)
            assert plan.days == (DAYS[1],)
            build_and_publish(desk.lake, load_models(), desk.settings.warehouse, datetime.now(UTC))
    assert len(list(desk.lake.warehouse.glob("pulltasks-*.duckdb"))) <= KEPT_BUILDS + 1
