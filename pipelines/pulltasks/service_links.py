"""Variables that Kubernetes sets in every pod for each Service of its namespace.

Lives here: distinguishing them, by name and form of value, from mistyped variables of ours.
Does not live here: reading the environment (config).

For a Service named `pulltasks` or `pulltasks-…` their names begin like ours. The forms are those of
https://kubernetes.io/docs/tutorials/services/connect-applications-service/#environment-variables.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from urllib.parse import urlsplit

_PROTOCOLS = ("tcp", "udp", "sctp")
_HIGHEST_PORT = 65_535
_PORT = r"PORT_[0-9]+_(?:TCP|UDP|SCTP)"


def is_service_link(name: str, value: str) -> bool:
    """Tell whether Kubernetes sets a variable of this name with such a value."""
    return any(
        re.fullmatch(rf"[A-Z][A-Z0-9_]*_(?:{form})", name) and fits(value)
        for form, fits in (
            (rf"SERVICE_HOST|{_PORT}_ADDR", _is_host),
            (rf"SERVICE_PORT(?:_[A-Z0-9_]+)?|{_PORT}_PORT", _is_port),
            (rf"{_PORT}_PROTO", _PROTOCOLS.__contains__),
            (rf"PORT|{_PORT}", _is_address),
        )
    )


def _is_host(value: str) -> bool:
    try:
        ip_address(value)
    except ValueError:
        return False
    return True


def _is_port(value: str) -> bool:
    return value.isascii() and value.isdigit() and 0 < int(value[:6]) <= _HIGHEST_PORT


def _is_address(value: str) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in _PROTOCOLS and _is_host(parts.hostname or "") and bool(parts.port) and not parts.path
    except ValueError:
        return False
