"""What is said of a target in the end: what happened and what to do, and nothing where nothing has to be done."""

from __future__ import annotations

from datetime import UTC, date, datetime

from pulltasks.capture.day import CaptureResult
from pulltasks.reasons import advice_on
from pulltasks.run.report import failed_attempts, judged, not_complete, targets_after
from pulltasks.settings import Target
from pulltasks.warehouse.read.status import Status, TargetStatus

P = "0123456789abcdef0123456789abcdef"
LABEL = f"beijing ({P}/cn-north-4)"
DAY = date(2026, 11, 22)


def target(coverage: str, reason: str | None, words: str | None = None, region: str = "cn-north-4") -> TargetStatus:
    found = TargetStatus(P, region, "beijing", coverage, reason, None, None, None)
    return TargetStatus(P, region, "beijing", coverage, reason, words and f"{found.label}: {words}", None, DAY)


def status(*targets: TargetStatus) -> Status:
    return Status(DAY, datetime(2026, 11, 22, tzinfo=UTC), targets, ())


def test_a_target_without_a_message_of_its_own_has_the_words_of_its_reason() -> None:
    found = [target("missing", "no_capture"), target("failed", "once_known"), target("complete", "total_missing")]
    assert [not_complete(status(each)) for each in found] == [
        [f"  missing (no_capture): {advice_on('no_capture')}", "    beijing"],
        ["  failed (once_known): run `pulltasks doctor` for more", "    beijing"],
        [],
    ]


def test_a_sentence_that_holds_for_many_targets_is_said_once() -> None:
    refused = [target("failed", "forbidden", f"HTTP 403, request r-{n}; let it", f"cn-north-{n}") for n in (1, 2)]
    assert not_complete(status(*refused, target("failed", "throttled", "HTTP 429, request r; wait"))) == [
        "  failed (forbidden): HTTP 403; let it",
        "    beijing (…89abcdef · cn-north-1), beijing (…89abcdef · cn-north-2)",
        "  failed (throttled): HTTP 429, request r; wait",
        "    beijing (…89abcdef · cn-north-4)",
    ]


def test_an_attempt_that_failed_is_told_even_if_an_earlier_capture_counts() -> None:
    known = status(target("complete", None))
    asked = Target(project_id=P, region="cn-north-4", name="beijing")
    new = Target(project_id=P, region="cn-north-9")
    attempts = [CaptureResult(each, "failed", "forbidden", "no", 0, 1) for each in (asked, new)]
    found = targets_after(known, judged(attempts, known))
    assert [(each.label, each.coverage, each.last_complete_date) for each in found] == [
        (LABEL, "failed", DAY),
        (f"{P}/cn-north-9", "failed", None),
    ]
    good = judged([CaptureResult(asked, "complete", None, None, 9, 1)], known)
    assert targets_after(known, good) == list(known.targets)


def test_of_an_attempt_alone_nobody_says_since_when_it_fails() -> None:
    refused = CaptureResult(
        Target(project_id=P, region="cn-north-4", name="beijing"), "failed", "forbidden", "no", 0, 1
    )
    assert failed_attempts([refused]) == ["  failed (forbidden): no", "    beijing"]
