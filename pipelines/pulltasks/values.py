"""Types of settings: the form of each kind of value, and messages about invalid ones.

Lives here: the types that the sections use, and the messages about a mistake in one value.
Does not live here: the keys (settings), secrets (secret).
"""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator

from pulltasks.names import REGION_PATTERN, lake_name

# The longest duration that Python can represent.
MAX_DURATION_DAYS = timedelta.max.days
THIS_MACHINE = frozenset({"127.0.0.1", "localhost", "::1"})


def _timezone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        text = f"{name!r} is not a valid time zone; write an IANA name such as 'UTC' or 'Asia/Shanghai'"
        raise ValueError(text) from None
    return name


def _timezone_or_none(name: str | None) -> str | None:
    return name and _timezone(name)


def _endpoint(template: str) -> str:
    try:
        parts = urlsplit(template.format(region="region"))
        # `port` is parsed only when it is read, and raises then.
        port_is_valid = parts.port is None or parts.port > 0
    except (ValueError, KeyError, IndexError):
        parts, port_is_valid = urlsplit(""), False
    if parts.scheme not in {"http", "https"} or not parts.hostname or not port_is_valid:
        raise ValueError(
            f"{template!r} is not a valid address; write it like 'https://live.{{region}}.myhuaweicloud.com'"
        )
    # The endpoint is written into raw files, so it must not have secrets.
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ValueError("an endpoint has a host and at most a path: no user, password, query or fragment")
    if parts.scheme == "http" and parts.hostname not in THIS_MACHINE:
        raise ValueError(f"{template!r} would send signatures in clear; 'http' is accepted for this machine only")
    return template.rstrip("/")


def _project_id(text: str) -> str:
    if not re.fullmatch(r"[0-9a-f]{32}", text):
        raise ValueError(f"{text!r} is not a valid project id; it has 32 characters 0-9 a-f (console: My Credentials)")
    return text


def _region(text: str) -> str:
    if not re.fullmatch(REGION_PATTERN, text):
        raise ValueError(f"{text!r} is not a valid region id; write it like 'cn-north-4'")
    return text


def duration(text: Any) -> timedelta:
    """Parse a duration as people write it: `90m`, `26h`, `2d`.

    Raises:
        ValueError: when it has another form, with the right one.
    """
    units = {"m": "minutes", "h": "hours", "d": "days"}
    if isinstance(text, timedelta):
        return text
    if not (isinstance(text, str) and text[:-1].isdecimal() and text[-1] in units):
        raise ValueError(f"{text!r} is not a valid duration; write it like 90m, 26h or 2d")
    try:
        return timedelta(**{units[text[-1]]: int(text[:-1])})
    except OverflowError:
        raise ValueError(f"{text!r} is too long; the longest duration is {MAX_DURATION_DAYS}d") from None


def _root(value: Any) -> Any:
    """Refuse text that only a shell expands, so that no folder gets such a name; return all other text."""
    text = str(value)
    if not text.strip():
        raise ValueError("is empty; name a folder, or leave the key out")
    if "://" in text:
        raise ValueError(f"{text!r} is an address; name a folder of this machine")
    try:
        parts = Path(text).expanduser().parts
    except RuntimeError:
        parts = ("~",)  # the user does not exist, or has no home
    if re.search(r"[$`]|%\w+%", text) or "~" in parts:
        raise ValueError(
            f"{text!r} is not expanded here, as no shell reads it; write the whole path, or begin it with ~/ for the "
            "home of the user who runs pulltasks"
        )
    return value


def _memory(text: str) -> str:
    if not re.fullmatch(r"[1-9][0-9]{0,6} ?(MB|GB)", text):
        raise ValueError(f"{text!r} is not a valid amount of memory; write it like '800MB' or '2GB'")
    return text


def _place_url(url: str) -> str:
    if "://" not in url and url.strip():
        return url
    if not re.fullmatch(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._-]+)*/?", url):
        raise ValueError(f"{url!r} is not a place for files; write it like s3://bucket/prefix, or name a folder")
    return url.rstrip("/")


def _remote(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_ .+@-]*:[^:\n]*", text):
        raise ValueError(f"{text!r} is not a remote of rclone's own configuration; write it like 'name:path'")
    return text


def _is_this_machine(host: str) -> bool:
    return host in THIS_MACHINE or host.endswith(".localhost")


def _store_endpoint(url: str) -> str:
    parts = urlsplit(url)
    is_plain = not (parts.username or parts.query or parts.fragment or parts.path.strip("/"))
    if not (
        parts.hostname
        and is_plain
        and (parts.scheme == "https" or (parts.scheme == "http" and _is_this_machine(parts.hostname)))
    ):
        raise ValueError(
            f"{url!r} is not the address of a store; write it like https://obs.cn-north-4.myhuaweicloud.com"
        )
    return url.rstrip("/")


# Chats that had a format of their own, by the address that apprise takes for them.
_CHATS = {"slack": "slack://TokenA/TokenB/TokenC", "feishu": "feishu://TOKEN"}


def _webhook_format(name: object) -> object:
    if isinstance(name, str) and name in _CHATS:
        raise ValueError(
            f"{name!r} is gone; write {_CHATS[name]} into alerts.urls (PULLTASKS_ALERTS__URLS, or a file that "
            "alerts.urls_file names), and leave out alerts.format and the webhook"
        )
    return name


Zone = Annotated[str, AfterValidator(_timezone)]
ZoneOrNone = Annotated[str | None, AfterValidator(_timezone_or_none)]
Endpoint = Annotated[str, AfterValidator(_endpoint)]
StoreEndpoint = Annotated[str, AfterValidator(_store_endpoint)]
PlaceUrl = Annotated[str, AfterValidator(_place_url)]
Remote = Annotated[str, AfterValidator(_remote)]
Root = Annotated[Path, BeforeValidator(_root)]
ProjectId = Annotated[str, AfterValidator(_project_id)]
Region = Annotated[str, AfterValidator(_region)]
LakeName = Annotated[str, AfterValidator(lake_name)]
Duration = Annotated[timedelta, BeforeValidator(duration)]
Memory = Annotated[str, AfterValidator(_memory)]
WebhookFormat = Annotated[Literal["json", "dingtalk"], BeforeValidator(_webhook_format)]
