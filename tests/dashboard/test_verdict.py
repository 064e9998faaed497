"""The brief says in five lines what the page says first, and no more than is known."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest

from desk import SINGAPORE, SMALL_DAYS, Desk
from pulltasks.dashboard import brief
from pulltasks.dashboard.contents import read_overview
from pulltasks.dashboard.verdict import brief_of, verdict_of
from pulltasks.reasons import advice_on
from pulltasks.settings import Limits
from pulltasks.warehouse.read.published import open_published
from sentences import faults_of, faults_of_punctuation

DAYS = SMALL_DAYS[:2]
LIMITS = Limits(lake=timedelta(hours=26), target=timedelta(hours=50))


@pytest.fixture
def two_days(desk: Desk, begin, once) -> Desk:
    """Two days; on the second one Singapore is refused."""

    def make() -> None:
        begin(desk, DAYS[0])
        desk.sandbox.faults[SINGAPORE.project_id, DAYS[1]] = "forbidden"
        desk.run(DAYS[1])

    once("a brief", desk, make)
    return desk


def test_the_brief_has_the_numbers_of_the_warehouse_over_what_is_known_on_both_days(two_days: Desk) -> None:
    with open_published(two_days.lake) as warehouse:
        one = lambda query: warehouse.execute(query).fetchall()[0][0]  # noqa: E731
        tasks = one("select count(*) from pull_tasks")
        changed = one(
            f"select count(distinct task_id) from fct_pull_task_changes where snapshot_date = date '{DAYS[1]}'"
        )
        alone = one("select count(*) from rpt_tasks_without_backup")
        known = "select sum(task_count) from fct_daily_task_counts where region = 'cn-north-4' and snapshot_date = date '{}'"
        change = one(known.format(DAYS[1])) - one(known.format(DAYS[0]))
    lines = brief(two_days.lake, two_days.settings, "en", datetime.now(UTC))
    assert len(lines) == 5
    assert lines[0].startswith(f"pulltasks {DAYS[1]}: Incomplete: 1 of 2 targets, {tasks} tasks, captured ")
    assert lines[0].endswith(f", last complete for all targets on {DAYS[0]}.")
    assert lines[1] == f"singapore: failed; {advice_on('forbidden')}."
    assert lines[2].startswith(f"Changed since the last complete capture: {changed}. ")
    assert lines[2].endswith(f"Without a backup source: {alone} ({100 * alone / tasks:.0f} %).")
    sign = "+" if change > 0 else "\N{MINUS SIGN}" if change else "±"
    assert (
        lines[3]
        == f"Tasks: {sign}{abs(change)}. Compared with {DAYS[0]}, over 1 of 2 targets: those known on both days."
    )


def test_a_target_that_was_not_known_the_day_before_is_in_neither_side_of_a_comparison(two_days: Desk) -> None:
    with open_published(two_days.lake) as warehouse:
        found = read_overview(warehouse, "UTC", LIMITS)
    *_, beijing, singapore = found["coverage"]
    assert (beijing, singapore) == ("cc", "cf")
    both, known, none = (
        brief_of({**found, "coverage": [beijing, of_singapore]}, "en", datetime.now(UTC))[3]
        for of_singapore in ("cc", "fc", "cf")
    )
    assert "over 2 of 2 targets" in both
    assert known == none
    assert "over 1 of 2 targets" in known


def test_the_brief_names_the_busiest_hour_of_those_to_come(two_days: Desk) -> None:
    with open_published(two_days.lake) as warehouse:
        found = read_overview(warehouse, "UTC", LIMITS)
        ((ends,),) = warehouse.execute(
            "select count(*) from rpt_expiring_tasks where ends = 'within_24_hours'"
        ).fetchall()
        now = datetime.combine(DAYS[1], time(18, 30), UTC)
        ((hour, tasks),) = warehouse.execute(
            "select hour_start, sum(tasks_scheduled)::int from rpt_schedule_load "
            f"where hour_start > '{now:%Y-%m-%d %H:%M}'::timestamp - interval 1 hour group by 1 order by 2 desc, 1 limit 1"
        ).fetchall()
    *_, last = brief_of(found, "en", now)
    assert last == (
        f"{ends} tasks end within 24 hours of the capture. Busiest: {hour:%Y-%m-%d %H:%M} UTC, {tasks} tasks scheduled."
    )


# What may be known of the targets of a lake.
KNOWN = {
    "complete": {},
    "failed": {"coverage": "failed", "verdict_reason": "forbidden", "has_known_changes": False},
    "of an unknown reason": {"coverage": "failed", "verdict_reason": "of_tomorrow"},
    "without a reason": {"coverage": "missing", "verdict_reason": None},
    "never": {"coverage": "failed", "last_complete_date": None, "last_complete_at": None, "task_count": None},
    "not expected": {"is_expected": False, "coverage": None},
}


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("known", KNOWN)
def test_every_brief_has_five_lines_that_are_right_whatever_is_known(two_days: Desk, known: str, language: str) -> None:
    with open_published(two_days.lake) as warehouse:
        found = read_overview(warehouse, "UTC", LIMITS)
    now = datetime.now(UTC)
    for count in (0, 1, 2):
        targets = [{**target, **KNOWN[known]} for target in found["targets"]][:count]
        contents = {**found, "targets": targets, "coverage": found["coverage"][:count]}
        contents["counts"] = [row for row in found["counts"] if row[0] < count]
        for moment in (now, now + timedelta(days=9), now - timedelta(days=9)):
            lines = brief_of(contents, language, moment)
            assert len(lines) == 5
            for line in lines:
                assert not (faults_of(line) if language == "en" else faults_of_punctuation(line, "zh")), line
        assert verdict_of(contents).known <= count


@pytest.mark.parametrize(
    ("passed", "state"),
    [(timedelta(0), "Incomplete"), (timedelta(hours=27), "Old"), (timedelta(days=-1), "Clock wrong")],
)
def test_a_brief_says_how_old_the_data_are(two_days: Desk, passed: timedelta, state: str) -> None:
    first, *_ = brief(two_days.lake, two_days.settings, "en", datetime.now(UTC) + passed)
    assert first.startswith(f"pulltasks {DAYS[1]}: {state}: ")


def test_what_was_never_complete_is_no_number(two_days: Desk) -> None:
    with open_published(two_days.lake) as warehouse:
        found = read_overview(warehouse, "UTC", LIMITS)
    never = {
        **found,
        "targets": [{**target, **KNOWN["never"], "has_known_changes": False} for target in found["targets"]],
    }
    _, _, numbers, _, ahead = brief_of(never, "en", datetime.now(UTC))
    assert numbers.count("not known") == 4
    assert not any(letter.isdigit() for letter in numbers + ahead)
