"""The words around an alarm: each kind has some, a severity, and a place in the documentation."""

from __future__ import annotations

from pathlib import Path

from pulltasks.alerts.rules import KINDS, Alert
from pulltasks.alerts.words import SEVERITIES, kind_in, line_of, link_of
from pulltasks.words import read_words

ROOT = Path(__file__).parents[2]


def test_every_kind_has_words_a_severity_and_a_heading_that_explains_it() -> None:
    kinds = {*KINDS, "test"}
    assert set(SEVERITIES) == kinds == {key.partition(".")[2] for key in read_words() if key.startswith("kind.")}
    headings = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8").splitlines()
    anchors = {line.lstrip("# ").lower().replace(" ", "-") for line in headings if line.startswith("#")}
    assert {link_of(Alert(kind, "", None)).partition("#")[2] for kind in kinds} <= anchors


def test_a_reason_that_has_no_words_keeps_the_text_in_both_languages() -> None:
    alert = Alert("failed", "it failed", None, reason="no_such_reason")
    for language in ("en", "zh"):
        assert line_of(language, alert) == f"{kind_in(language, 'failed')}: it failed"
