"""The causes of refusals: turns an answer or a broken connection into an error with advice.

Lives here: the received answer, reasons by status and code, `Retry-After`.
Does not live here: the advice on each reason (reasons.toml), the decision to try again (client).
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING

from pulltasks.errors import ApiError, ServiceError, TransientApiError
from pulltasks.huawei.reading import read_error, read_time
from pulltasks.reasons import advice_on
from pulltasks.service_words import code_of, known_phrases, request_id_of

if TYPE_CHECKING:
    from datetime import datetime

    import httpx

    from pulltasks.settings import Target

# HTTP 400 for the service's own temporary troubles: in maintenance, in maintenance, database not reached.
# https://support.huaweicloud.com/intl/en-us/api-live/ErrorCode.html
TRANSIENT_CODES = frozenset({"LIVE.100011006", "LIVE.100011008", "LIVE.103011021"})

UNAUTHORISED, FORBIDDEN, NOT_FOUND, BAD_REQUEST, THROTTLED, UNAVAILABLE, OK = 401, 403, 404, 400, 429, 503, 200

# A longer message of the service is cut: the raw archive has the complete answer.
MAX_MESSAGE_CHARACTERS = 4000

# The ends of codes APIGW.* and their like: error codes of the API request signing guide,
# https://support.huaweicloud.com/devg-apisign
_REASONS_BY_CODE = {
    ".0310": "project_unavailable",
    ".0801": "region_not_allowed",
    ".0802": "region_not_allowed",
    ".0401": "address_refused",
    ".0402": "address_refused",
    ".0404": "address_refused",
    ".0101": "endpoint_not_found",
    ".0103": "endpoint_not_found",
}
_REASONS_BY_STATUS = {
    OK: "error_in_answer",
    UNAUTHORISED: "credential_refused",
    FORBIDDEN: "forbidden",
    NOT_FOUND: "not_found",
    BAD_REQUEST: "request_refused",
    THROTTLED: "throttled",
    301: "redirected",
    302: "redirected",
    303: "redirected",
    307: "redirected",
    308: "redirected",
    500: "service_unavailable",
    502: "service_unavailable",
    UNAVAILABLE: "service_unavailable",
    504: "service_unavailable",
}


@dataclass(frozen=True)
class Answer:
    """The response to one request, of any status.

    `old_encoding` is the outdated name of its `Content-Encoding`, or None; times are in UTC.
    """

    status: int
    content: bytes
    request_id: str | None
    date: str | None
    retry_after: str | None
    simulated_date: str | None
    sent_at: datetime
    received_at: datetime
    old_encoding: str | None = None


def service_error(answer: Answer) -> ServiceError:
    """Return the status, code, message and request id of a refusal; the message is for the lake's owner only."""
    code, message = read_error(answer.content)
    text = message and message[:MAX_MESSAGE_CHARACTERS]
    return ServiceError(answer.status, code_of(code), text, request_id_of(answer.request_id))


OWN_WORDS = "its own words: `pulltasks status --unredacted`"


def words_of(said: ServiceError) -> str:
    """Return a refusal as text: `HTTP 403 APIGW.0302, request …`."""
    # The service's own words may quote a stream key or a token, so only known phrases, a code and an id are quoted.
    phrases = known_phrases(said.error_message) or (said.error_message and OWN_WORDS)
    code = f"{said.error_code or 'without a code'}{f' ({phrases})' if phrases else ''}"
    return f"HTTP {said.status} {code}, request {said.request_id or 'without an id'}"


def api_error(target: Target, answer: Answer, reason: str | None = None) -> ApiError:
    """Return the error for an answer that is not a list; its text has target, code, request id and advice.

    Args:
        target: the target of the request.
        answer: the answer.
        reason: the reason, where the caller knows more than the answer tells.
    """
    said = service_error(answer)
    reason = reason or _reason_of_answer(answer.status, said.error_code or "")
    text = f"{target.label}: {words_of(said)}; {advice_on(reason)}"
    if reason in {"throttled", "service_unavailable"}:
        wait = seconds_to_wait(answer.retry_after, answer.received_at)
        return TransientApiError(reason, text, said, retry_after_seconds=wait)
    return ApiError(reason, text, said)


def _reason_of_answer(status: int, code: str) -> str:
    # Such a code comes with HTTP 400, which without it means a mistake in the request.
    if code in TRANSIENT_CODES:
        return "service_unavailable"
    by_code = _REASONS_BY_CODE.get(f".{code.rpartition('.')[2]}") if code.startswith("API") else None
    return by_code or _REASONS_BY_STATUS.get(status, "unexpected_status")


def no_answer(target: Target, url: httpx.URL, error: httpx.RequestError) -> TransientApiError:
    """Return the error for a request without a complete answer; another try makes sense."""
    reason = _reason_of(error)
    # The error's own text may quote headers, so only its class is named.
    return TransientApiError(
        reason, f"{target.label}: no whole answer from {url.host} ({type(error).__name__}); {advice_on(reason)}"
    )


def _reason_of(error: httpx.RequestError) -> str:
    """Return the kind of a connection error; httpx keeps the operating system's error as the cause."""
    import httpx

    if isinstance(error, httpx.TimeoutException):
        return "timed_out"
    if isinstance(error, httpx.DecodingError | httpx.RemoteProtocolError | httpx.ReadError):
        return "answer_damaged"
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return "tls_failed"
        if isinstance(cause, socket.gaierror):
            return "endpoint_unresolved"
        cause = cause.__cause__ or cause.__context__
    return "unreachable"


def seconds_to_wait(retry_after: str | None, now: datetime) -> float | None:
    """Return the wait that `Retry-After` asks for, in seconds; None if it has neither a number nor a date."""
    if not retry_after:
        return None
    try:
        seconds = float(retry_after)
    except ValueError:
        moment = read_time(retry_after)
        return None if moment is None else max(0.0, (moment - now).total_seconds())
    return max(0.0, seconds) if isfinite(seconds) else None  # `float` accepts "inf" and "nan"
