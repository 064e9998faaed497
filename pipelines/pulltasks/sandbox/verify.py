"""Checking of SDK-HMAC-SHA256 request signatures, written from the signing guide alone.

Lives here: parsing a signed request and computing its signature again.
Does not live here: signing (huawei.auth), keys and the count of failures (accounts).
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, quote, unquote

if TYPE_CHECKING:
    from collections.abc import Mapping

ALGORITHM = "SDK-HMAC-SHA256"
MAX_SKEW = timedelta(minutes=15)
_AUTHORIZATION = re.compile(rf"{ALGORITHM} Access=([^,\s]+), SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{{64}})")


class SignatureRefused(Exception):
    """Raised for a request with a missing or wrong signature; the text names the mistake."""


@dataclass(frozen=True)
class SignedRequest:
    """The parts of a request that a signature covers; `path` and `query` as received."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Claim:
    """The content of the `Authorization` header."""

    access_key: str
    signed_headers: tuple[str, ...]
    signature: str


def read_claim(headers: Mapping[str, str]) -> Claim:
    """Parse the `Authorization` header.

    Raises:
        SignatureRefused: when it is missing or has another form.
    """
    match = _AUTHORIZATION.fullmatch(headers.get("authorization", ""))
    if match is None:
        raise SignatureRefused("authorization header is missing or malformed")
    return Claim(match[1], tuple(match[2].split(";")), match[3])


def check_signature(request: SignedRequest, claim: Claim, secret_key: str, now: datetime) -> None:
    """Compute the signature again and compare it with the claimed one.

    Raises:
        SignatureRefused: when a header that must be signed is not, the clock is off, or the signature differs.
    """
    required = {"host", "x-sdk-date"} | ({"x-security-token"} & set(request.headers))
    if not required <= set(claim.signed_headers):
        raise SignatureRefused(f"headers not signed: {', '.join(sorted(required - set(claim.signed_headers)))}")
    if missing := [name for name in claim.signed_headers if name not in request.headers]:
        raise SignatureRefused(f"signed headers not sent: {', '.join(missing)}")
    stamp = request.headers["x-sdk-date"]
    try:
        signed_at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        raise SignatureRefused("x-sdk-date is not a valid date") from None
    if abs(now - signed_at) > MAX_SKEW:
        raise SignatureRefused(f"signature expired, signed at {stamp}, server time {now:%Y%m%dT%H%M%SZ}")
    if not hmac.compare_digest(_signature(request, claim.signed_headers, stamp, secret_key), claim.signature):
        raise SignatureRefused("verify aksk signature fail")


def _signature(request: SignedRequest, signed_headers: tuple[str, ...], stamp: str, secret_key: str) -> str:
    path = "/".join(quote(segment, safe="~") for segment in unquote(request.path).split("/"))
    pairs = sorted(parse_qsl(request.query, keep_blank_values=True))
    canonical = "\n".join(
        (
            request.method.upper(),
            path if path.endswith("/") else path + "/",
            "&".join(f"{quote(name, safe='~')}={quote(value, safe='~')}" for name, value in pairs),
            "".join(f"{name}:{request.headers[name].strip()}\n" for name in signed_headers),
            ";".join(signed_headers),
            hashlib.sha256(request.body).hexdigest(),
        )
    )
    text = "\n".join((ALGORITHM, stamp, hashlib.sha256(canonical.encode()).hexdigest()))
    return hmac.digest(secret_key.encode(), text.encode(), "sha256").hex()
