"""The words around an alarm: headings, kinds, reasons, in English and Chinese; severities and links.

Lives here: the choice of words for an alarm.
Does not live here: the words (words.toml), what is wrong (rules), the shape of a message (webhook, services).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pulltasks.alerts.rules import BACKUP_FAILED, CREDENTIAL_REFUSED, NO_COMPLETE_DAY, RUN_FAILED, SCHEMA_SURPRISE, TEST
from pulltasks.words import read_words, say

if TYPE_CHECKING:
    from pulltasks.alerts.rules import Alert

# Critical: no target has new data. Warning: some targets have none. Info: the data is there and has something new.
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
# The section of docs/troubleshooting.md that explains a kind; the default is the section on alarms.
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
    """Return a sentence of a message in a language."""
    return say(language, f"alarm.{key}", values)


def kind_in(language: str, kind: str) -> str:
    """Return the name of a kind of alarm in a language."""
    return say(language, f"kind.{kind}")


def link_of(alert: Alert) -> str:
    """Return the path and anchor in the documentation that explains an alarm."""
    return f"docs/troubleshooting.md#{_ANCHORS.get(alert.kind, 'alarms')}"


def line_of(language: str, alert: Alert) -> str:
    """Return an alarm in one line; in Chinese with the translated reason, if there is a translation."""
    # alarm texts are written in English, so a Chinese line is made of the reason instead
    reason = f"reason.{alert.reason}"
    if language != "zh" or reason not in read_words():
        return f"{kind_in(language, alert.kind)}: {alert.text}"
    target = f" {alert.target.label}" if alert.target else ""
    kind = kind_in(language, alert.kind)
    return text_in(language, "said", kind=kind, target=target, words=say(language, reason), reason=alert.reason)
