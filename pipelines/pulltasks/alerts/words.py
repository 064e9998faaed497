"""The words around an alarm: headings, kinds, reasons, in English and Chinese; severities and links.

Lives here: which of the words an alarm says.
Does not live here: the words (words.toml), what is wrong (rules), the shape of a message (webhook, services).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pulltasks.alerts.rules import BACKUP_FAILED, CREDENTIAL_REFUSED, NO_COMPLETE_DAY, RUN_FAILED, SCHEMA_SURPRISE, TEST
from pulltasks.words import read_words, say

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
    BACKUP_FAILED: "warning",
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
    BACKUP_FAILED: "the-backup",
    TEST: "alarms",
}


def text_in(language: str, key: str, **values: object) -> str:
    """A sentence of a message in a language."""
    return say(language, f"alarm.{key}", values)


def kind_in(language: str, kind: str) -> str:
    """What a kind of alarm is called."""
    return say(language, f"kind.{kind}")


def link_of(alert: Alert) -> str:
    """Where the documentation explains an alarm."""
    return f"docs/troubleshooting.md#{_ANCHORS.get(alert.kind, 'alarms')}"


def said_in(language: str, alert: Alert) -> str:
    """An alarm in one line: in Chinese the reason in words; where there are none for it, the text as it is."""
    reason = f"reason.{alert.reason}"
    if language != "zh" or reason not in read_words():
        return f"{kind_in(language, alert.kind)}: {alert.text}"
    target = f" {alert.target.label}" if alert.target else ""
    kind = kind_in(language, alert.kind)
    return text_in(language, "said", kind=kind, target=target, words=say(language, reason), reason=alert.reason)
