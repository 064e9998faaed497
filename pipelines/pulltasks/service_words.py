"""The service's own words: what of them may be shown.

Lives here: codes and request ids by their form, known phrases as sentences of ours.
Does not live here: reading them out of an answer (huawei.reading), what a refusal means (huawei.refusals).

A message may quote what it was sent: an address with its stream key, a token, an argument, in any form and language.
So nothing of it is shown. What is known to be harmless is said in our words; the original stays in the archive, for
the lake's owner.
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

# A phrase as the service or its gateway writes it, and what we say instead; only digits are taken over.
# Sources: error codes of Live and of the API request signing guide, and the messages seen behind them.
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
    """Return a code as the service wrote it, if it looks like one; else None."""
    return text if text is not None and CODE.fullmatch(text) else None


def request_id_of(text: str | None) -> str | None:
    """Return a request id as the service wrote it, if it looks like one; else None."""
    return text if text is not None and REQUEST_ID.fullmatch(text) else None


def region_of(text: str) -> str:
    """Return a region's name, hidden unless it looks like one."""
    return text if REGION.fullmatch(text) else HIDDEN


def known_phrases(message: str | None) -> str:
    """Return what is known of a message in sentences of ours, joined by commas; empty where nothing is known."""
    matches = [(pattern.search(message or ""), sentence) for pattern, sentence in _PHRASES]
    found = [match.expand(sentence) for match, sentence in matches if match]
    return ", ".join(found[:_MAX_PHRASES])
