"""What is told of a lake: each trouble once, the worst first, with what to do."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from pulltasks.alerts.rules import KINDS, AlertTarget, Failure, LakeState, find_alerts
from pulltasks.alerts.webhook import Message, body_of
from pulltasks.settings import Limits
from pulltasks.warehouse.read.schema_drift import SchemaDrift
from pulltasks.warehouse.read.status import Status, TargetStatus

DAY = date(2026, 11, 22)
NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
LIMITS = Limits(lake=timedelta(hours=26), target=timedelta(hours=50))
P = "0123456789abcdef0123456789abcdef"
HOUR_AGO = NOW - timedelta(hours=1)


def target(
    coverage: str, reason: str | None = None, message: str | None = None, at: datetime | None = HOUR_AGO
) -> TargetStatus:
    return TargetStatus(P, "cn-north-4", "beijing", coverage, reason, message, None, at.date() if at else None, at)


def state(*targets: TargetStatus, surprises=(), captured_at: datetime | None = HOUR_AGO) -> LakeState:
    return LakeState(Status(DAY, NOW, targets, (), captured_at=captured_at), surprises)


def found(lake_state: LakeState | None, *failures: Failure) -> list[tuple]:
    alerts = find_alerts(lake_state, failures, NOW, DAY, LIMITS)
    return [(alert.kind, alert.reason, alert.snapshot_date, alert.text) for alert in alerts]


def test_nothing_wrong_is_no_alarm() -> None:
    assert found(state(target("complete"), target("complete", "total_missing"))) == []


@pytest.mark.parametrize(
    ("coverage", "reason", "message", "kind", "text"),
    [
        ("failed", "forbidden", f"{P}: let it", "failed", f"{P}: let it"),
        ("failed", "credential_refused", f"{P}: check", "credential_refused", f"{P}: check"),
        ("incomplete", "x", None, "incomplete", f"beijing ({P}/cn-north-4): incomplete on 2026-11-22 (x); run `pulltasks doctor` for more"),
        ("missing", "no_capture", None, "missing", f"beijing ({P}/cn-north-4): missing on 2026-11-22 (no_capture); the runs of that day did not capture this target; run `pulltasks snapshot` while the day lasts"),
        ("held", "lost", "accept it", "held", f"beijing ({P}/cn-north-4): accept it"),
    ],
)  # fmt: skip
def test_a_target_that_is_not_complete_says_which_and_what_to_do(
    coverage: str, reason: str, message: str | None, kind: str, text: str
) -> None:
    assert found(state(target(coverage, reason, message))) == [(kind, reason, DAY, text)]
    (alert,) = find_alerts(state(target(coverage, reason, message)), [], NOW, DAY, LIMITS)
    assert alert.target == AlertTarget(P, "cn-north-4", "beijing")


def test_what_is_worst_is_told_first() -> None:
    surprise = SchemaDrift("new_field", "unknown_field", 3, 1, DAY)
    targets = [target(each) for each in ("held", "missing", "incomplete", "failed")] + [target("failed", KINDS[2])]
    alerts = found(
        state(*targets, surprises=[surprise], captured_at=None),
        Failure("LakeError", "no room"),
        Failure("backup_failed", "no"),
    )
    assert tuple(kind for kind, *_ in alerts) == KINDS


@pytest.mark.parametrize(("age_seconds", "is_told"), [(26 * 3600, False), (26 * 3600 + 1, True)])
def test_an_age_is_told_when_it_is_beyond_what_is_allowed(age_seconds: int, is_told: bool) -> None:
    alerts = found(state(target("complete"), captured_at=NOW - timedelta(seconds=age_seconds)))
    assert [alert[:3] for alert in alerts] == [("no_complete_day", None, DAY)] * is_told


@pytest.mark.parametrize(("age_seconds", "is_told"), [(50 * 3600, False), (50 * 3600 + 1, True)])
def test_a_target_that_is_not_complete_for_too_long_is_told_by_its_name(age_seconds: int, is_told: bool) -> None:
    late = target("failed", "forbidden", f"{P}: let it", NOW - timedelta(seconds=age_seconds))
    alerts = found(state(late, target("complete")))
    assert [alert[0] for alert in alerts] == ["no_complete_day", "failed"][1 - is_told :]
    if is_told:
        assert alerts[0][3].startswith(f"beijing ({P}/cn-north-4): was last complete on 2026-11-20, 50.0 h ago, longer")
    # where the lake itself is too old, the ages of its targets say nothing more
    alerts = found(state(late, captured_at=NOW - timedelta(hours=27)))
    assert [alert[0] for alert in alerts] == ["no_complete_day", "failed"]
    assert "find out why no later run has published" in alerts[0][3]


def test_a_refused_credential_is_told_by_itself_only_where_all_were_complete_before() -> None:
    refused = Failure("credential_refused", f"{P}: check the access key")
    assert [alert[:2] for alert in found(state(target("complete")), refused)] == [("credential_refused",) * 2]
    assert len(found(state(target("failed", "credential_refused", f"{P}: check")), refused)) == 1


def test_a_text_is_one_line_of_bounded_length() -> None:
    (_, _, _, text), = found(None, Failure("ConfigError", "1 mistake:\n  \u202eapi\x07: x" + "频" * 1000))  # fmt: skip
    assert text.startswith("1 mistake: api : x频")
    assert (text.isprintable(), text.endswith("频…"), len(text.encode()) <= 450) == (True, True, True)


def test_a_surprise_is_told_as_of_its_first_day_however_often_it_comes() -> None:
    few, many = (SchemaDrift("new_field", "unknown_field", n, 1, DAY) for n in (1, 500))
    (one,), (other,) = (find_alerts(state(surprises=[each]), [], NOW, DAY, LIMITS) for each in (few, many))
    assert one.key == other.key
    assert one.text != other.text


def test_the_documentation_names_every_kind_and_shows_the_shape() -> None:
    text = (Path(__file__).parents[2] / "docs" / "alerts.md").read_text(encoding="utf-8")
    assert all(f"`{kind}`" in text for kind in KINDS)
    shown = json.loads(text.partition("```json\n")[2].partition("```")[0])
    alerts = find_alerts(state(target("failed", "forbidden")), [], NOW, DAY, LIMITS)
    sent = json.loads(body_of(Message(NOW, DAY, 1, 2, alerts), "json"))
    assert list(shown) == list(sent)
    assert [list(part) for part in (shown["alerts"][0], shown["alerts"][0]["target"])] == [
        list(part) for part in (sent["alerts"][0], sent["alerts"][0]["target"])
    ]
