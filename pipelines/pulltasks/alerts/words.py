"""The words around an alarm: headings, kinds, reasons, in English and Chinese; severities and links.

Lives here: reading words.toml, choosing the language.
Does not live here: what is wrong (rules), the shape of a message (webhook, services).
"""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pulltasks.alerts.rules import CREDENTIAL_REFUSED, NO_COMPLETE_DAY, RUN_FAILED, SCHEMA_SURPRISE, TEST

if TYPE_CHECKING:
    from pulltasks.alerts.rules import Alert

# Critical: nobody gets new data. Warning: some targets do not. Info: the data is there, and something is new in it.
SEVERITIES = {
    RUN_FAILED: "critical",
    NO_COMPLETE_DAY: "critical",
    CREDENTIAL_REFUSED: "critical",
    "failed": "warning",
    "incomplete": "warning",
    "missing": "warning",
    "held": "warning",
    SCHEMA_SURPRISE: "info",
    TEST: "info",
}
# Where docs/troubleshooting.md explains a kind.
_ANCHORS = {
    RUN_FAILED: "when-something-is-wrong",
    CREDENTIAL_REFUSED: "credentials",
    "failed": "network-and-service",
    "incomplete": "listings-that-are-not-proved",
    "held": "listings-that-are-not-proved",
    "missing": "listings-that-are-not-proved",
    TEST: "alarms",
}
_ENGLISH = {
    "heading": "pulltasks: {day}, {complete} of {expected} targets complete",
    "unreadable": "pulltasks: nothing that is published can be read",
    "more": "and {count} more; run `pulltasks status` to see all",
    "resolved": "resolved: {kind} {target}",
    "resolved_alone": "resolved: {kind}",
}


@cache
def chinese() -> dict[str, dict[str, str]]:
    """The Chinese words: `text`, `kind` and `reason`, each by its key."""
    return tomllib.loads(Path(__file__).with_name("words.toml").read_text(encoding="utf-8"))


def text_in(language: str, key: str, **values: Any) -> str:
    """A sentence of a message in a language."""
    sentences = chinese()["text"] if language == "zh" else _ENGLISH
    return sentences[key].format(**values)


def kind_in(language: str, kind: str) -> str:
    """What a kind of alarm is called."""
    return chinese()["kind"][kind] if language == "zh" else kind.replace("_", " ")


def link_of(alert: Alert) -> str:
    """Where the documentation explains an alarm."""
    return f"docs/troubleshooting.md#{_ANCHORS.get(alert.kind, 'alarms')}"


def said_in(language: str, alert: Alert) -> str:
    """An alarm in one line: in Chinese the reason in words; where there are none for it, the text as it is."""
    known = chinese()["reason"].get(alert.reason or "") if language == "zh" else None
    if known is None:
        return f"{kind_in(language, alert.kind)}: {alert.text}"
    target = f" {alert.target.label}" if alert.target else ""
    kind = kind_in(language, alert.kind)
    return text_in(language, "said", kind=kind, target=target, words=known, reason=alert.reason)
