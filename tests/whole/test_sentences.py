"""Every sentence of the program is true and right for none, one and many, and where a value is not known."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from pulltasks.alerts.rules import KINDS, Failure, LakeState, find_alerts
from pulltasks.alerts.webhook import Message
from pulltasks.alerts.words import line_of
from pulltasks.cli.output import print_age, print_status
from pulltasks.errors import ConfigError
from pulltasks.huawei.pace import Reached
from pulltasks.lake.manners import Manners, Probed, words_of_unknown
from pulltasks.proof import evidence
from pulltasks.run.report import not_complete
from pulltasks.settings import Limits
from pulltasks.warehouse.read.schema_drift import SchemaDrift
from pulltasks.warehouse.read.status import Status, TargetStatus, judge
from sentences import faults_of, faults_of_punctuation

if TYPE_CHECKING:
    from collections.abc import Callable

DAY = date(2026, 11, 22)
NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
LIMITS = Limits(lake=timedelta(hours=26), target=timedelta(hours=50))
COUNTS = (0, 1, 2, 1234)
HOUR_AGO, WEEK_AGO, TOMORROW = (NOW - timedelta(hours=hours) for hours in (1, 168, -24))
# How a target was last known: its coverage, its reason, and the end of its last complete capture.
KNOWN = {
    "complete": ("complete", None, HOUR_AGO),
    "late": ("failed", "forbidden", WEEK_AGO),
    "never": ("failed", "forbidden", None),
    "without a reason": ("failed", None, None),
    "ahead": ("complete", None, TOMORROW),
}


def status(count: int, known: str, captured_at: datetime | None = HOUR_AGO) -> Status:
    coverage, reason, at = KNOWN[known]
    targets = tuple(
        TargetStatus(f"{n:032x}", "cn-north-4", f"t{n}", coverage, reason, None, None, at.date() if at else None, at)
        for n in range(count)
    )
    return Status(DAY, NOW, targets, (), captured_at=captured_at)


def all_states() -> list[Status]:
    return [
        status(count, known, captured_at)
        for count in COUNTS
        for known in KNOWN
        for captured_at in (HOUR_AGO, WEEK_AGO, TOMORROW, None)
    ]


def printed(capsys: pytest.CaptureFixture[str], say: Callable[[], None]) -> str:
    say()
    return " ".join(capsys.readouterr().out.split())


def test_the_terminal_says_what_is_known_of_any_number_of_targets(capsys: pytest.CaptureFixture[str]) -> None:
    for found in all_states():
        freshness = judge(found, NOW, LIMITS)
        for every in (False, True):
            text = printed(capsys, lambda f=found, a=freshness, e=every: print_status(f, a, None, LIMITS, {}, every=e))
            assert not faults_of(text), text
        text = printed(capsys, lambda f=found, a=freshness: print_age(f, a, LIMITS))
        assert not faults_of(text), text


@pytest.mark.parametrize("count", COUNTS[1:])
def test_what_was_never_complete_has_no_age(capsys: pytest.CaptureFixture[str], count: int) -> None:
    found = status(count, "never")
    text = printed(capsys, lambda: print_age(found, judge(found, NOW, LIMITS), LIMITS))
    assert ("was never complete: t0" in text, "longer than" in text) == (True, False)
    alerts = find_alerts(LakeState(found, ()), (), NOW, DAY, LIMITS)
    assert not [alert.text for alert in alerts if re.search(r"\d h ago|longer than", alert.text)]


def test_where_nothing_is_published_or_a_clock_is_wrong_no_age_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    for captured_at in (None, TOMORROW):
        found = status(2, "never", captured_at)
        text = printed(capsys, lambda f=found: print_age(f, judge(f, NOW, LIMITS), LIMITS))
        text += " ".join(alert.text for alert in find_alerts(LakeState(found, ()), (), NOW, DAY, LIMITS))
        assert not re.search(r"\d h", text), text


def test_alarms_are_right_for_any_number_in_both_languages() -> None:
    for found in all_states():
        surprises = [SchemaDrift("new_field", "unknown_field", n, n, DAY) for n in COUNTS[1:]]
        alerts = find_alerts(LakeState(found, surprises), [Failure(KINDS[0], "no room")], NOW, DAY, LIMITS)
        for language in ("en", "zh"):
            message = Message(NOW, DAY, found.complete, len(found.targets), alerts, language=language)
            assert not [faults for line in message.lines for faults in faults_of(line)]
            assert not faults_of_punctuation(message.heading, language)
    for alert in find_alerts(LakeState(status(1, "never"), ()), (), NOW, DAY, LIMITS):
        assert not faults_of_punctuation(line_of("zh", alert), "zh")
        assert not faults_of_punctuation(line_of("en", alert), "en")


@pytest.mark.parametrize("count", COUNTS)
def test_other_sentences_with_numbers_are_right(count: int) -> None:
    premises = {"has_overlaps": True, "is_past_ceiling": False, "order_witness": "create_time", "repairs": count}
    tested = evidence.Tested(pages=count, sweeps_agree=False, totals=frozenset({None}), **premises)
    probed = Probed(probed_at=NOW, manners=Manners(reasons={"offset_unit": "no"}))
    texts = [
        evidence.sentence(tested),
        evidence.sentence(replace(tested, sweeps_agree=True, totals=frozenset({count, 5}))),
        str(ConfigError(["a: is empty"] * count)),
        str(Reached(per_second=count, in_flight=count, refused=count, allowed_per_second=2.5)),
        words_of_unknown({f"t{n}": probed for n in range(count)}, [f"t{n}" for n in range(count)]) or "",
        *not_complete(status(count, "without a reason")),
    ]
    assert not [faults for text in texts for faults in faults_of(text)]
