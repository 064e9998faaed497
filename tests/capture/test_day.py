"""Captures over real HTTP: boundaries, verdicts, dates, and targets that do not disturb each other."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from math import ceil
from zoneinfo import ZoneInfo

import pytest

from desk import BEIJING, SINGAPORE, Desk
from pulltasks.capture.day import CaptureOptions, DayCapture, check_date
from pulltasks.clock import Clock
from pulltasks.errors import ConfigError, DateRefused
from pulltasks.lake.raw import read_capture
from pulltasks.sandbox.data import Place, tasks_on
from pulltasks.sandbox.server import Sandbox, serving

DAY = date(2026, 11, 22)


class Counted(Sandbox):
    """A sandbox that lists exactly so many tasks."""

    def _rendered_rows(self, place: Place, day: date) -> list[tuple[str, bytes]]:
        return [(f"t{n:05}", b'{"task_id":"t%05d"}' % n) for n in range(place.task_count)]


@pytest.mark.parametrize("limit", [1, 2, 100])
@pytest.mark.parametrize("count", [0, 1, 99, 100, 101, 195, 196, 200, 1000])
def test_page_boundaries_cost_what_the_formula_says(tmp_path, count: int, limit: int) -> None:
    if limit == 1 and count > 200:
        count = 300  # two sweeps of one row each prove no more with a thousand
    sandbox = Counted((replace(BEIJING, task_count=count),))
    with serving(sandbox) as url:
        desk = Desk(
            sandbox, url, tmp_path, sandbox.places, extra=f"page_size = {limit}\npage_overlap = {min(5, limit - 1)}\n"
        )
        (result,) = desk.capture(DAY)
    assert (result.verdict, result.task_count) == ("complete", count)
    if limit > 1:
        overlap = min(5, limit - 1)
        quiet = 1 if count < limit else 1 + ceil((count - limit + 1) / (limit - overlap))
        assert result.requests == quiet + (count == 0)  # an empty list is read twice
    else:
        assert result.requests == 2 * (count + (count > 0)) + 2 * (count == 0)
    assert len(sandbox.log) - 1 == result.requests  # one more asks whether this is a sandbox


def test_one_target_that_fails_does_not_touch_the_others(desk: Desk) -> None:
    desk.sandbox.faults[SINGAPORE.project_id, None] = "forbidden"
    good, bad = desk.capture(DAY)
    assert (good.target.name, good.verdict) == ("beijing", "complete")
    assert (bad.target.name, bad.verdict, bad.reason) == ("singapore", "failed", "forbidden")
    assert "live:stream:listPullTask" in (bad.message or "")
    raw = read_capture(desk.lake.raw_file(DAY, *bad.target.key))
    assert (raw.verdict.error_code, [answer.status for answer in raw.answers]) == ("APIGW.0302", [403])


def test_every_answer_is_kept_as_it_was_received(desk: Desk) -> None:
    desk.capture(DAY)
    raw = read_capture(desk.lake.raw_file(DAY, BEIJING.project_id, BEIJING.region))
    count = len(tasks_on(1, BEIJING, DAY))
    assert sorted(answer.offset for answer in raw.answers) == [0, 95, 190]
    assert [answer.sequence for answer in raw.answers] == [0, 1, 2]
    assert all(answer.request_id and answer.date and answer.status == 200 for answer in raw.answers)
    assert (raw.verdict.verdict, raw.verdict.task_count, raw.verdict.total_first) == ("complete", count, count)
    assert raw.capture.target.name == "beijing"


def test_a_complete_target_is_not_asked_again_that_day(desk: Desk) -> None:
    desk.sandbox.faults[SINGAPORE.project_id, None] = "forbidden"
    desk.capture(DAY)
    desk.sandbox.faults.clear()
    desk.sandbox.log.clear()
    good, better = desk.capture(DAY)
    assert (good.is_new, good.requests, better.is_new, better.verdict) == (False, 0, True, "complete")
    assert not any(BEIJING.project_id in path for _, path, _, _ in desk.sandbox.log)


def test_refresh_asks_again_and_the_later_complete_capture_counts(desk: Desk) -> None:
    desk.capture(DAY)
    before = read_capture(desk.lake.raw_file(DAY, BEIJING.project_id, BEIJING.region)).capture.capture_id
    assert desk.capture(DAY, refresh=True)[0].is_new
    assert read_capture(desk.lake.raw_file(DAY, BEIJING.project_id, BEIJING.region)).capture.capture_id != before


def test_a_simulated_date_is_refused_by_what_is_no_sandbox(tmp_path) -> None:
    class Earnest(Sandbox):
        def _answer(self, request, reply):
            answer = super()._answer(request, reply)
            del answer.headers["X-Pulltasks-Sandbox-Date"]
            return answer

    sandbox = Earnest((BEIJING,))
    with serving(sandbox) as url:
        desk = Desk(sandbox, url, tmp_path, sandbox.places)
        with pytest.raises(DateRefused, match="shows only the present"):
            desk.capture(DAY)
    assert desk.lake.raw_dates() == []
    assert [path for _, path, _, _ in sandbox.log] == ["/"]


SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.mark.parametrize(
    ("now", "day", "began_at", "accepted"),
    [
        (datetime(2026, 11, 22, 12, tzinfo=SHANGHAI), DAY, None, True),
        (datetime(2026, 11, 22, 20, tzinfo=UTC), DAY, None, False),  # the 23rd in Shanghai
        (datetime(2026, 11, 22, 12, tzinfo=SHANGHAI), DAY - timedelta(days=1), None, False),
        (datetime(2026, 11, 22, 12, tzinfo=SHANGHAI), DAY + timedelta(days=1), None, False),
        (datetime(2026, 11, 23, 0, 29, tzinfo=SHANGHAI), DAY, datetime(2026, 11, 22, 23, 59, tzinfo=SHANGHAI), True),
        (datetime(2026, 11, 23, 0, 31, tzinfo=SHANGHAI), DAY, datetime(2026, 11, 22, 23, 59, tzinfo=SHANGHAI), False),
        (datetime(2026, 11, 23, 0, 10, tzinfo=SHANGHAI), DAY, datetime(2026, 11, 23, 0, 5, tzinfo=SHANGHAI), False),
    ],
)
def test_only_the_day_on_which_the_run_began_is_accepted(desk: Desk, now, day: date, began_at, accepted: bool) -> None:
    settings = desk.settings.model_copy(update={"timezone": "Asia/Shanghai"})
    if accepted:
        check_date(settings, day, now, began_at=began_at)
    else:
        with pytest.raises(DateRefused, match="pulltasks rebuild --from"):
            check_date(settings, day, now, began_at=began_at)


DAYS = [date(2026, 11, 16) + timedelta(days=n) for n in range(5)]


def test_a_run_that_began_before_midnight_begins_no_capture_half_an_hour_after_it(desk: Desk) -> None:
    began_at = datetime(2026, 11, 22, 23, 59, tzinfo=UTC)
    day = began_at.date()

    def capture(now: datetime):
        desk.sandbox.now = lambda: now
        desk.lake.prepare()
        settings = desk.settings
        clock = Clock(lambda: now, desk.clock.new_id)
        return asyncio.run(DayCapture(settings, desk.lake, day, clock, CaptureOptions(began_at=began_at)).run())

    late = capture(began_at + timedelta(minutes=20))
    assert [result.verdict for result in late] == ["complete", "complete"]
    for path in desk.lake.raw_files(day):
        path.unlink()
    from pulltasks.capture import day as module

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "check_date", lambda *_, **__: None)  # the run has begun; its captures begin too late
        too_late = capture(began_at + timedelta(minutes=40))
    assert {(result.verdict, result.reason) for result in too_late} == {("missing", "day_has_passed")}
    assert desk.lake.raw_files(day) == []


def test_without_targets_nothing_is_begun(desk: Desk) -> None:
    settings = desk.settings.model_copy(update={"targets": []})
    with pytest.raises(ConfigError, match=r"add a \[\[targets\]\] table"):
        asyncio.run(DayCapture(settings, desk.lake, DAYS[0], desk.clock, CaptureOptions(simulated=True)).run())
    assert not desk.lake.root.exists()
