"""What is said of a run in the end."""

from __future__ import annotations

from pulltasks.run.report import once


def test_a_sentence_that_holds_for_many_targets_is_said_once() -> None:
    messages = [(f"t{n}", f"t{n}: HTTP 403 APIGW.0302 (no), request r-{n}; let it") for n in range(50)]
    messages += [("other", "other: another trouble, request r; do that"), ("good", None)]
    assert once(messages) == [
        "50 targets: HTTP 403 APIGW.0302 (no); let it",
        "other: another trouble, request r; do that",
    ]
