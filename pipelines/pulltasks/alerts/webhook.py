"""Send one message to a webhook: the body in the format of its receiver, and the request.

Lives here: bodies for monitors and DingTalk, tries, the meaning of each response.
Does not live here: which alarms there are (rules), which of them are sent (notify), other chats (services).

The standard library sends the request: the address is a secret, and httpx would log all of it.
"""

from __future__ import annotations

import urllib.request
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from itertools import islice
from queue import Empty, Queue
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

import msgspec
import stamina

from pulltasks.alerts.words import SEVERITIES, kind_in, line_of, link_of, text_in
from pulltasks.errors import AlertNotSent, NotReadable
from pulltasks.json_reading import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date, datetime

    from pulltasks.alerts.rules import Alert, AlertKey

# An error is reported once, after the last try; the default hook would print every try.
stamina.instrumentation.set_on_retry_hooks([])

MAX_ALERTS = 20
TRIES = 3
THIS_MACHINE = frozenset({"127.0.0.1", "localhost", "::1"})
TIMEOUT_SECONDS = 10.0
DEADLINE_SECONDS = 45.0
# A normal response is a few words. At most 64 kB are read, so that a receiver cannot send without end.
MAX_PIECES, PIECE_BYTES = 16, 4096
THROTTLED, SERVER_ERROR, REDIRECTS = 429, 500, range(300, 400)

# DingTalk gives a 200 response to every request; the code in the body tells success (0) from refusal.
DINGTALK_THROTTLES = frozenset({130101, 410100, 90018})
ADVICE_BY_CODE: dict[int | str, str] = {
    310000: "let the bot's keyword be pulltasks, or set alerts.urls to dingtalk://SECRET@TOKEN for its signature",
    300001: "copy the address of the bot again",
}


@dataclass(frozen=True)
class Message:
    """The alarms of one message.

    Attributes:
        sent_at: the time of sending, UTC.
        snapshot_date: the newest published day, None when nothing is published; `targets_*` count that day.
        alerts: the new alarms, in the order in which they are sent.
        resolved: keys of alarms that were sent before and no longer hold.
        language: of the words around the texts, `en` or `zh`.
    """

    sent_at: datetime
    snapshot_date: date | None
    targets_complete: int | None
    targets_expected: int | None
    alerts: Sequence[Alert]
    resolved: Sequence[AlertKey] = ()
    language: str = "en"

    @property
    def heading(self) -> str:
        """The state of the lake, in one line: the newest day and its complete targets."""
        if self.snapshot_date is None:
            return text_in(self.language, "unreadable")
        counts = {"complete": self.targets_complete, "count": self.targets_expected}
        return text_in(self.language, "heading", day=self.snapshot_date, **counts)

    @property
    def lines(self) -> list[str]:
        """The heading, one line for each of the first 20 alarms, the number of the others, the resolved ones."""
        lines = [line_of(self.language, alert) for alert in self.alerts[:MAX_ALERTS]]
        more = len(self.alerts) - len(lines)
        if more:
            lines.append(text_in(self.language, "more", count=more))
        for key in self.resolved[:MAX_ALERTS]:
            which = "resolved" if key.target else "resolved_alone"
            lines.append(text_in(self.language, which, kind=kind_in(self.language, key.kind), target=key.target))
        return [self.heading, *lines]

    @property
    def severity(self) -> str:
        """The highest severity of its alarms: critical, warning or info; resolved where it has none."""
        found = [SEVERITIES[alert.kind] for alert in self.alerts]
        return next((each for each in ("critical", "warning", "info") if each in found), "resolved")


def body_of(message: Message, shape: str) -> bytes:
    """Return the body of a message in the shape `json` or `dingtalk`.

    Each body contains the word pulltasks, because a DingTalk bot accepts only messages with its keyword.
    """
    return msgspec.json.encode(_dingtalk(message) if shape == "dingtalk" else _json(message))


def _json(message: Message) -> dict[str, Any]:
    return {
        "source": "pulltasks",
        "sent_at": message.sent_at.replace(microsecond=0),
        "snapshot_date": message.snapshot_date,
        "targets_complete": message.targets_complete,
        "targets_expected": message.targets_expected,
        "severity": message.severity,
        "alerts_total": len(message.alerts),
        "alerts": [
            {
                "kind": alert.kind,
                "target": alert.target,
                "snapshot_date": alert.snapshot_date,
                "reason": alert.reason,
                "text": alert.text,
                "severity": SEVERITIES[alert.kind],
                "link": link_of(alert),
            }
            for alert in message.alerts[:MAX_ALERTS]
        ],
        "resolved": [
            {"kind": key.kind, "target": key.target, "snapshot_date": key.snapshot_date, "reason": key.reason}
            for key in message.resolved[:MAX_ALERTS]
        ],
    }


def _dingtalk(message: Message) -> dict[str, Any]:
    """Return a body of plain text: it has no markup to escape, and without `at` it mentions nobody."""
    return {"msgtype": "text", "text": {"content": "\n".join(message.lines)}}


def post(
    address: str,
    body: bytes,
    shape: str,
    *,
    timeout_seconds: float = TIMEOUT_SECONDS,
    deadline_seconds: float = DEADLINE_SECONDS,
) -> None:
    """Send a body; try up to three times where another try may help, all within one deadline.

    Raises:
        AlertNotSent: with the host, the status and what to do; the rest of the address is secret.
    """
    within(deadline_seconds, urlsplit(address).hostname, lambda: _post(address, body, shape, timeout_seconds))


def ping(address: str, *, timeout_seconds: float = TIMEOUT_SECONDS, deadline_seconds: float = DEADLINE_SECONDS) -> None:
    """Send a GET request to the monitor of a schedule, which alarms when these requests stop.

    Raises:
        AlertNotSent: with the host, the status and what to do; the rest of the address is secret.
    """
    within(deadline_seconds, urlsplit(address).hostname, lambda: _post(address, None, "json", timeout_seconds))


def within(deadline_seconds: float, host: str | None, act: Callable[[], None]) -> None:
    """Run an action that may never end, in a thread that is abandoned after the deadline.

    Raises:
        AlertNotSent: when the deadline has passed.
    """
    ended: Queue[BaseException | None] = Queue()

    def send() -> None:
        try:
            act()
        except Exception as error:  # noqa: BLE001 - raised again in the thread that waits
            ended.put(error)
        else:
            ended.put(None)

    # The library's timeout starts again with each piece of a response, so a receiver that sends one byte at a time
    # would block it for ever. A daemon thread does not keep the process alive.
    Thread(target=send, daemon=True).start()
    try:
        error = ended.get(timeout=deadline_seconds)
    except Empty:
        raise AlertNotSent(
            f"{host} did not answer within {deadline_seconds:g} s; check the network, the proxy and the address"
        ) from None
    if error is not None:
        raise error


def tried(act: Callable[[], None]) -> None:
    """Run an action, up to three times where another try may help.

    Raises:
        AlertNotSent: the error of the last try.
    """
    for attempt in stamina.retry_context(on=_may_pass, attempts=TRIES, timeout=None, wait_initial=1, wait_max=5):
        with attempt:
            act()


def throttled(who: str | None, how: str) -> AlertNotSent:
    """Return the error for a receiver that accepts no more messages for a while."""
    return AlertNotSent(f"{who} throttles ({how}); the next run tries again", may_pass=True)


def _post(address: str, body: bytes | None, shape: str, timeout_seconds: float) -> None:
    tried(lambda: _try(address, body, shape, timeout_seconds))


def _may_pass(error: Exception) -> bool:
    return isinstance(error, AlertNotSent) and error.may_pass


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirect, because it leads to another receiver than the configured one."""

    def redirect_request(self, *_: object) -> None:
        """Return None, so that the redirect is an error with its own status."""


def _try(address: str, body: bytes | None, shape: str, timeout_seconds: float) -> None:
    host = urlsplit(address).hostname
    headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "pulltasks"}
    request = urllib.request.Request(address, data=body, headers=headers)  # noqa: S310 - config lets http and https pass
    try:
        # a request to this machine uses no proxy: the proxy would see the whole address
        past_proxies = [urllib.request.ProxyHandler({})] if host in THIS_MACHINE else []
        with urllib.request.build_opener(_NoRedirects, *past_proxies).open(request, timeout=timeout_seconds) as answer:
            content = _read(answer)
    except HTTPError as error:
        error.close()
        raise _refused(host, error.code) from None
    except (OSError, HTTPException, UnicodeError) as error:
        # the text of the error may quote the address, so only its class is shown
        cause = error.reason if isinstance(error, URLError) and isinstance(error.reason, Exception) else error
        raise AlertNotSent(
            f"{host} did not answer ({type(cause).__name__}); check the network, the proxy and the address",
            may_pass=True,
        ) from None
    if shape == "dingtalk":
        _check_code(host, content)


def _read(answer: HTTPResponse) -> bytes:
    return b"".join(islice(iter(lambda: answer.read1(PIECE_BYTES), b""), MAX_PIECES))


def _refused(host: str | None, status: int) -> AlertNotSent:
    if status == THROTTLED:
        return throttled(host, f"HTTP {status}")
    if status >= SERVER_ERROR:
        return AlertNotSent(f"{host} answered HTTP {status}; the next run tries again", may_pass=True)
    if status in REDIRECTS:
        return AlertNotSent(f"{host} answered HTTP {status}, a redirect; set the address that it redirects to")
    return AlertNotSent(f"{host} answered HTTP {status}; copy the address again, and check alerts.format")


def _check_code(host: str | None, content: bytes) -> None:
    try:
        answer = parse(content).value
    except NotReadable:
        answer = None
    if not isinstance(answer, dict) or "errcode" not in answer:
        raise AlertNotSent(f"{host} answered HTTP 200 without a code; check alerts.format: this is not a dingtalk bot")
    code = answer["errcode"] if isinstance(answer["errcode"], int) else "that is not a number"
    if code in DINGTALK_THROTTLES:
        raise throttled(host, f"HTTP 200 with code {code}")
    if code != 0:
        advice = ADVICE_BY_CODE.get(code, "check the settings of the bot")
        raise AlertNotSent(f"{host} answered HTTP 200 with code {code}; {advice}")
