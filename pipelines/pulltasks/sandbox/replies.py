"""The sandbox's replies before they are sent: the documented refusals.

Lives here: the forms of errors, and the reply for each planned fault.
Does not live here: lists of tasks and the choice of a fault (server), keys and tokens (accounts).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import msgspec


@dataclass(frozen=True)
class Reply:
    """A reply that is not sent yet; `%s` in the body is replaced by the request id."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


def refusal(status: int, code: str, text: str, headers: dict[str, str] | None = None) -> Reply:
    """Return a refusal in the form of the service and its gateway."""
    body: dict[str, Any] = {"error_code": code, "error_msg": text, "request_id": "%s"}
    return Reply(status, msgspec.json.encode(body), headers or {})


REFUSALS: dict[str | None, Reply] = {
    "forbidden": refusal(403, "APIGW.0302", "The user or account does not have permission: live:stream:listPullTask"),
    "project_unavailable": refusal(403, "APIGW.0310", "The project is unavailable"),
    "region_not_allowed": refusal(403, "APIGW.0802", "The user is forbidden in the current region"),
    "unavailable": refusal(503, "APIGW.0613", "IAM is unavailable"),
    "maintenance": refusal(400, "LIVE.100011008", "The service is under maintenance"),
    "throttled": refusal(429, "APIGW.0308", "The throttling threshold has been reached", {"Retry-After": "1"}),
    "empty_object": Reply(200, b"{}"),
    "html": Reply(200, b"<html><body>Please sign in to the portal</body></html>"),
}


def iam_refusal(status: int, text: str) -> Reply:
    """Return a refusal in the form of IAM."""
    return Reply(status, msgspec.json.encode({"error": {"code": status, "message": text, "title": "error"}}))
