"""Messages to services: Slack, Feishu, DingTalk, e-mail, PagerDuty and whatever else apprise knows.

Lives here: handing a message to apprise, what of an address may be said.
Does not live here: which alarms there are (rules), the words (words), the plain webhook (webhook).
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pulltasks.alerts.webhook import DEADLINE_SECONDS, within
from pulltasks.errors import AlertNotSent, ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pulltasks.alerts.webhook import Message

# What services read as markup, or as a call to somebody, in signs that look alike and do nothing.
_HARMLESS = {
    ord(sign): chr(code)
    for sign, code in zip("<>@[]*`", (0x2039, 0x203A, 0xFF20, 0xFF3B, 0xFF3D, 0xFF0A, 0x27), strict=True)
}
_TYPES = {"critical": "failure", "warning": "warning", "info": "info", "resolved": "success"}


def check_services(addresses: Sequence[str]) -> None:
    """Make sure that apprise knows what each address is.

    Raises:
        ConfigError: naming the place and the scheme of each that it does not know, never the address.
    """
    import apprise

    mistakes = [
        f"alerts.urls: address {number} ({urlsplit(address).scheme or 'no scheme'}://…) is none that apprise knows; "
        "see https://appriseit.com"
        for number, address in enumerate(addresses, 1)
        if apprise.Apprise.instantiate(address, suppress_exceptions=True) is None
    ]
    if mistakes:
        raise ConfigError(mistakes)


def send_to_services(addresses: Sequence[str], message: Message, *, deadline_seconds: float = DEADLINE_SECONDS) -> None:
    """Send a message to each address.

    Raises:
        ConfigError: when an address is none that apprise knows.
        AlertNotSent: naming the kinds of service that did not take it.
    """
    import apprise

    # its log quotes addresses
    log = logging.getLogger("apprise")
    log.addHandler(logging.NullHandler())
    log.propagate = False
    check_services(addresses)
    heading, *lines = [line.translate(_HARMLESS) for line in message.lines]
    failed: list[str] = []

    def send() -> None:
        for address in addresses:
            service = apprise.Apprise()
            service.add(address)
            is_taken = service.notify(
                title=heading,
                body="\n".join(lines) or heading,
                notify_type=apprise.NotifyType(_TYPES[message.severity]),
                body_format=apprise.NotifyFormat.TEXT,
            )
            if not is_taken:
                failed.append(urlsplit(address).scheme)

    within(deadline_seconds, "a service", send)
    if failed:
        raise AlertNotSent(
            f"{', '.join(failed)} did not take it; check the address, the network and the proxy, or try it with "
            "`pulltasks doctor --test-alarm`",
            may_pass=True,
        )
