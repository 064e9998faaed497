"""Send messages to services: Slack, Feishu, DingTalk, e-mail, PagerDuty and all others that apprise knows.

Lives here: sending a message through apprise, reading its refusals, hiding addresses in errors.
Does not live here: which alarms there are (rules), the words (words), the plain webhook (webhook).
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import msgspec

from pulltasks.alerts.webhook import DEADLINE_SECONDS, THROTTLED, body_of, post, throttled, tried, within
from pulltasks.errors import AlertNotSent, ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pulltasks.alerts.webhook import Message

# Characters that services read as markup or as a mention, and look-alikes without that effect.
_HARMLESS = {
    ord(sign): chr(code)
    for sign, code in zip("<>@[]*`", (0x2039, 0x203A, 0xFF20, 0xFF3B, 0xFF3D, 0xFF0A, 0x27), strict=True)
}
# The status or code of a refusal in apprise's log; the rest of the line may quote the address, so it is not used.
_REFUSED = re.compile(r"(?:error=|code=|failed: )(\d+)")
FEISHU_THROTTLES = 11232
_TYPES = {"critical": "failure", "warning": "warning", "info": "info", "resolved": "success"}


def check_services(addresses: Sequence[str]) -> None:
    """Refuse addresses that apprise does not know.

    Raises:
        ConfigError: with the position and the scheme of each unknown address, never with the address (a secret).
    """
    import apprise

    mistakes = [
        f"alerts.urls: address {number} ({urlsplit(address).scheme or 'no scheme'}://…) is not known to apprise; "
        "see https://appriseit.com"
        for number, address in enumerate(addresses, 1)
        if apprise.Apprise.instantiate(address, suppress_exceptions=True) is None
    ]
    if mistakes:
        raise ConfigError(mistakes)


def send_to_services(addresses: Sequence[str], message: Message, *, deadline_seconds: float = DEADLINE_SECONDS) -> None:
    """Send a message to each address; try up to three times where a service throttles.

    Raises:
        ConfigError: when apprise does not know an address.
        AlertNotSent: with the kinds of service that did not accept it.
    """
    check_services(addresses)
    failed: list[str] = []

    def send() -> None:
        for address in addresses:
            try:
                _send(address, message)
            except AlertNotSent as error:
                failed.append(str(error))

    within(deadline_seconds, "a service", send)
    if failed:
        raise AlertNotSent(". ".join(failed), may_pass=True)


def _send(address: str, message: Message) -> None:
    import apprise
    from apprise.plugins.dingtalk import NotifyDingTalk

    service = apprise.Apprise.instantiate(address)
    if isinstance(service, NotifyDingTalk):
        _send_to_dingtalk(service, message)
    else:
        tried(lambda: _hand_over(address, message))


def _send_to_dingtalk(service: Any, message: Message) -> None:
    """Send the body that apprise would send, but check the response.

    DingTalk refuses in the body of a 200 response, and apprise takes every 200 response for a success.
    """
    address = service.notify_url.format(token=service.token)
    if service.secret:
        sent_at, signature = service.get_signature()
        address += f"&timestamp={sent_at}&sign={signature}"
    body = msgspec.json.decode(body_of(message, "dingtalk")) | {"at": {"atMobiles": service.targets}}
    post(address, msgspec.json.encode(body), "dingtalk")


def _hand_over(address: str, message: Message) -> None:
    import apprise

    heading, *lines = [line.translate(_HARMLESS) for line in message.lines]
    service = apprise.Apprise()
    service.add(address)
    refusals = _Refusals()
    log = logging.getLogger("apprise")
    log.propagate = False  # its log quotes addresses, which are secrets
    log.setLevel(logging.WARNING)
    log.addHandler(refusals)
    try:
        is_taken = service.notify(
            title=heading,
            body="\n".join(lines) or heading,
            notify_type=apprise.NotifyType(_TYPES[message.severity]),
            body_format=apprise.NotifyFormat.TEXT,
        )
    finally:
        log.removeHandler(refusals)
    if is_taken:
        return
    name = urlsplit(address).scheme
    if refusals.codes & {THROTTLED, FEISHU_THROTTLES}:
        raise throttled(name, f"code {max(refusals.codes)}")
    codes = f" (code {', '.join(map(str, sorted(refusals.codes)))})" if refusals.codes else ""
    raise AlertNotSent(
        f"{name} did not accept it{codes}; check the address, the network and the proxy, or try it with "
        "`pulltasks doctor --test-alarm`"
    )


class _Refusals(logging.Handler):
    """A log handler that collects the statuses and codes of refusals and ignores the rest of each line."""

    def __init__(self) -> None:
        super().__init__()
        self.codes: set[int] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Collect the numbers of one line."""
        self.codes |= {int(code) for code in _REFUSED.findall(record.getMessage())}
