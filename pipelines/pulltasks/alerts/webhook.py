"""One message to a webhook: the body in the shape that its receiver reads, and the request that carries it.

Lives here: bodies for monitors and DingTalk, tries, what an answer means.
Does not live here: which alarms there are (rules), which of them are sent (notify), other chats (services).

The standard library sends it: the address is a secret, and httpx would log it whole.
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

from pulltasks.alerts.words import SEVERITIES, kind_in, link_of, said_in, text_in
from pulltasks.errors import AlertNotSent, NotReadable
from pulltasks.json_reading import parse

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import date, datetime

    from pulltasks.alerts.rules import Alert, AlertKey

# What went wrong is told once, at the end; the default hook would print every try.
stamina.instrumentation.set_on_retry_hooks([])

MAX_ALERTS = 20
TRIES = 3
THIS_MACHINE = frozenset({"127.0.0.1", "localhost", "::1"})
TIMEOUT_SECONDS = 10.0
DEADLINE_SECONDS = 45.0
# An answer is a few words; whoever sends more, or drop by drop, is not listened to for ever.
MAX_PIECES, PIECE_BYTES = 16, 4096
THROTTLED, SERVER_ERROR, REDIRECTS = 429, 500, range(300, 400)

# DingTalk answers 200 to everything and says in the body how it went: 0 is good.
DINGTALK_THROTTLES = frozenset({130101, 410100, 90018})
ADVICE_BY_CODE: dict[int | str, str] = {
    310000: "let the bot's keyword be pulltasks, or set alerts.urls to dingtalk://SECRET@TOKEN for its signature",
    300001: "copy the address of the bot again",
}


@dataclass(frozen=True)
class Message:
    """The alarms of one message.

    Attributes:
        sent_at: when, UTC.
        snapshot_date: the newest day that is published, None when nothing is; `targets_*` are of that day.
        alerts: all that is new, in the order in which it is told.
        resolved: what was told before and is over.
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
        """The state of the lake, in one line."""
        if self.snapshot_date is None:
            return text_in(self.language, "unreadable")
        counts = {"complete": self.targets_complete, "expected": self.targets_expected}
        return text_in(self.language, "heading", day=self.snapshot_date, **counts)

    @property
    def lines(self) -> list[str]:
        """The heading, a line for each of the first alarms, and how many more there are."""
        lines = [said_in(self.language, alert) for alert in self.alerts[:MAX_ALERTS]]
        more = len(self.alerts) - len(lines)
        if more:
            lines.append(text_in(self.language, "more", count=more))
        for key in self.resolved[:MAX_ALERTS]:
            which = "resolved" if key.target else "resolved_alone"
            lines.append(text_in(self.language, which, kind=kind_in(self.language, key.kind), target=key.target))
        return [self.heading, *lines]

    @property
    def severity(self) -> str:
        """The worst of its alarms: critical, warning or info; resolved where it has none."""
        found = [SEVERITIES[alert.kind] for alert in self.alerts]
        return next((each for each in ("critical", "warning", "info") if each in found), "resolved")


def body_of(message: Message, shape: str) -> bytes:
    """Return the message as `json` or `dingtalk` takes it. The word pulltasks stands in each."""
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
    """Plain text, which has no markup to escape; nobody is called, as only `at` beside it does that."""
    return {"msgtype": "text", "text": {"content": "\n".join(message.lines)}}


def post(
    address: str,
    body: bytes,
    shape: str,
    *,
    timeout_seconds: float = TIMEOUT_SECONDS,
    deadline_seconds: float = DEADLINE_SECONDS,
) -> None:
    """Send a body; up to three tries where another one may help, all of them within one deadline.

    Raises:
        AlertNotSent: naming the host and the status only, with what to do.
    """
    within(deadline_seconds, urlsplit(address).hostname, lambda: _post(address, body, shape, timeout_seconds))


def ping(address: str, *, timeout_seconds: float = TIMEOUT_SECONDS, deadline_seconds: float = DEADLINE_SECONDS) -> None:
    """Ask for an address that counts who asks, as monitors of schedules do.

    Raises:
        AlertNotSent: naming the host and the status only, with what to do.
    """
    within(deadline_seconds, urlsplit(address).hostname, lambda: _post(address, None, "json", timeout_seconds))


def within(deadline_seconds: float, host: str | None, act: Callable[[], None]) -> None:
    """Do something that may wait for ever, and leave it behind after a time.

    Raises:
        AlertNotSent: when the time is over.
    """
    ended: Queue[BaseException | None] = Queue()

    def send() -> None:
        try:
            act()
        except Exception as error:  # noqa: BLE001 - raised again by whoever waits
            ended.put(error)
        else:
            ended.put(None)

    # The library waits for each piece of an answer anew, so one that drips would hold it for ever: it is left behind.
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
    """Do something up to three times where another try may help.

    Raises:
        AlertNotSent: of the last try.
    """
    for attempt in stamina.retry_context(on=_may_pass, attempts=TRIES, timeout=None, wait_initial=1, wait_max=5):
        with attempt:
            act()


def throttled(who: str | None, how: str) -> AlertNotSent:
    """Return the error of a receiver that takes no more messages for a while."""
    return AlertNotSent(f"{who} throttles ({how}); the next run tries again", may_pass=True)


def _post(address: str, body: bytes | None, shape: str, timeout_seconds: float) -> None:
    tried(lambda: _try(address, body, shape, timeout_seconds))


def _may_pass(error: Exception) -> bool:
    return isinstance(error, AlertNotSent) and error.may_pass


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """A redirect leads to another receiver than the configured one."""

    def redirect_request(self, *_: object) -> None:
        """Follow no redirect; the answer counts as it came."""


def _try(address: str, body: bytes | None, shape: str, timeout_seconds: float) -> None:
    host = urlsplit(address).hostname
    headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "pulltasks"}
    request = urllib.request.Request(address, data=body, headers=headers)  # noqa: S310 - config lets http and https pass
    try:
        # what runs on this machine is asked for past any proxy, which would see the whole address
        past_proxies = [urllib.request.ProxyHandler({})] if host in THIS_MACHINE else []
        with urllib.request.build_opener(_NoRedirects, *past_proxies).open(request, timeout=timeout_seconds) as answer:
            content = _read(answer)
    except HTTPError as error:
        error.close()
        raise _refused(host, error.code) from None
    except (OSError, HTTPException, UnicodeError) as error:
        # its own text may quote the address: its kind says enough
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
        return AlertNotSent(f"{host} answered HTTP {status} and sends elsewhere; set the address it sends to")
    return AlertNotSent(f"{host} answered HTTP {status}; copy the address again, and check alerts.format")


def _check_code(host: str | None, content: bytes) -> None:
    try:
        answer = parse(content).value
    except NotReadable:
        answer = None
    if not isinstance(answer, dict) or "errcode" not in answer:
        raise AlertNotSent(f"{host} answered HTTP 200 without a code; check alerts.format: this is no dingtalk bot")
    code = answer["errcode"] if isinstance(answer["errcode"], int) else "that is no number"
    if code in DINGTALK_THROTTLES:
        raise throttled(host, f"HTTP 200 with code {code}")
    if code != 0:
        advice = ADVICE_BY_CODE.get(code, "check the settings of the bot")
        raise AlertNotSent(f"{host} answered HTTP 200 with code {code}; {advice}")
