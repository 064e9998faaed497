"""What is said of a target in the end: what happened and what to do, and nothing where nothing has to be done."""

from __future__ import annotations

from datetime import UTC, date, datetime

import pytest

from pulltasks.reasons import advice_on
from pulltasks.run.report import message_of, not_complete, once
from pulltasks.warehouse.read.status import Status, TargetStatus

P = "0123456789abcdef0123456789abcdef"
LABEL = f"beijing ({P}/cn-north-4)"


def target(coverage: str, reason: str | None, message: str | None = None) -> TargetStatus:
    return TargetStatus(P, "cn-north-4", "beijing", coverage, reason, message, None, None)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        (target("complete", None), None),
        (target("complete", "total_missing"), None),
        (target("failed", "forbidden", f"{LABEL}: HTTP 403"), f"{LABEL}: HTTP 403"),
        (target("missing", "no_run"), f"{LABEL}: missing (no_run): {advice_on('no_run')}"),
        (target("failed", "once_known"), f"{LABEL}: failed (once_known): run `pulltasks doctor` for more"),
    ],
)
def test_a_target_without_a_message_of_its_own_has_the_words_of_its_reason(
    found: TargetStatus, said: str | None
) -> None:
    assert message_of(found) == said


def test_a_run_ends_with_the_words_of_each_reason() -> None:
    status = Status(date(2026, 11, 22), datetime(2026, 11, 22, tzinfo=UTC), (target("missing", "no_capture"),), ())
    assert not_complete(status) == [f"{LABEL}: missing (no_capture): {advice_on('no_capture')}"]


def test_a_sentence_that_holds_for_many_targets_is_said_once() -> None:
    messages = [(f"t{n}", f"t{n}: HTTP 403 APIGW.0302 (no), request r-{n}; let it") for n in range(50)]
    messages += [("other", "other: another trouble, request r; do that"), ("good", None)]
    assert once(messages) == [
        "50 targets: HTTP 403 APIGW.0302 (no); let it",
        "other: another trouble, request r; do that",
    ]
