"""The parts of the service's own words that may be shown.

Lives here: codes and request ids by their form, known phrases as sentences of ours.
Does not live here: reading them from an answer (huawei.reading), causes of refusals (huawei.refusals).

A message may quote parts of the request: an address with its stream key, a token, an argument, in any form and
language. So nothing of it is shown. Known phrases are replaced by our own sentences; the original stays in the
archive, for the lake's owner.
"""

from __future__ import annotations

import re

# The form of codes as they are documented: LIVE.100011001, APIGW.0301.
CODE = re.compile(r"[A-Za-z]{2,8}\.[0-9]{4,12}", re.ASCII)
# Request ids are hexadecimal, with or without the dashes of a UUID.
REQUEST_ID = re.compile(r"[0-9a-fA-F]{8,64}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
# A region is shown where it looks like one: cn-north-4, ap-southeast-3.
REGION = re.compile(r"[a-z]{2,4}-[a-z]{2,16}-[0-9]{1,3}", re.ASCII)
HIDDEN = "***"
_MAX_PHRASES = 3

# A phrase of the service or its gateway, and our sentence for it; only digits are copied.
# Sources: error codes of Live and of the API request signing guide, and messages seen with them.
_PHRASES: tuple[tuple[re.Pattern[str], str], ...] = tuple(
    (re.compile(pattern, re.IGNORECASE | re.ASCII), sentence)
    for pattern, sentence in (
        (
            r"reach(?:ed)? the limit, ?forbidden|access key (?:is|was) locked",
            "the access key is locked for some minutes",
        ),
        (
            r"limit:\s*([0-9]{1,6})\s*,\s*time:\s*([0-9]{1,4})\s*(second|minute|hour|day)s?\b",
            r"the limit is \1 requests in \2 \3",
        ),
        (r"too many requests|request(?:s)? (?:is|are|was|were) throttled|flow control", "too many requests"),
        (r"\bak not exist|access key (?:does not|doesn't|not) exist", "the service does not know the access key"),
        (
            r"verify aksk signature fail|signature (?:is |does )?(?:invalid|not match|expired)|"
            r"incorrect iam authentication information",
            "the signature or token was not accepted",
        ),
        (r"x-sdk-date|request time.{0,40}expired|clock skew", "the request's time differs from the service's"),
        (r"token (?:has |is )?expired|decrypt token fail", "the token has expired or cannot be read"),
        (r"\barrears?\b|欠费", "the account is in arrears"),
        (r"\b(?:project|account|user|domain)\b.{0,20}\bfrozen\b|冻结", "the project or the account is frozen"),
        (r"real[- ]name", "the account's owner is not verified (real-name authentication)"),
        (
            r"policy doesn't allow|(?:no|not have) permission|not authorized|access denied|无权限",
            "a permission is missing",
        ),
        (r"(?:under|in) maintenance|维护中", "the service is in maintenance"),
        (r"request illegal|invalid param", "the service does not accept the request"),
        (r"backend (?:timed out|timeout|unavailable)|internal (?:server )?error", "the service has failed"),
    )
)


def code_of(text: str | None) -> str | None:
    """Return a code unchanged if it has the form of one; else None."""
    return text if text is not None and CODE.fullmatch(text) else None


def request_id_of(text: str | None) -> str | None:
    """Return a request id unchanged if it has the form of one; else None."""
    return text if text is not None and REQUEST_ID.fullmatch(text) else None


def region_of(text: str) -> str:
    """Return a region's name unchanged if it has the form of one; else `***`."""
    return text if REGION.fullmatch(text) else HIDDEN


def known_phrases(message: str | None) -> str:
    """Return our sentences for the known phrases of a message, joined by commas; empty without any."""
    matches = [(pattern.search(message or ""), sentence) for pattern, sentence in _PHRASES]
    found = [match.expand(sentence) for match, sentence in matches if match]
    return ", ".join(found[:_MAX_PHRASES])
