"""The causes of rclone's errors: one sentence with advice per cause.

Lives here: the texts of stores that reveal a cause, and our sentences for them.
Does not live here: running rclone (rclone), refusals of our own (backup).
"""

from __future__ import annotations

import re

from pulltasks.outside_text import fit

FULL = "the place is full; make room, or raise the quota of the bucket"
PERMISSION = "the key lacks a permission; it must list, get, put, copy and delete objects there"
CLOCK = "this machine's clock is wrong for the store; set the clock"
KEY = "the store does not accept the access key or the secret key; correct them"
EXPIRED = "the security token has expired or is not valid; take a new one"
CERTIFICATE = "the certificate of the store is not accepted; name the right authority in SSL_CERT_FILE"
BUCKET = "there is no such bucket; create it, or correct url"
REGION = "the bucket lies in another region; correct region and endpoint"
ARCHIVED = "an object is archived; restore it in the console of the store, and use no archive class there"
THROTTLED = "the store asks for fewer requests or is not available for now; the next run tries again"
REMOTE = "rclone has no such remote; `rclone config` shows those that it has"
READ_ONLY = "the place is read-only; mount it so that it can be written"
UNREACHABLE = "the place cannot be reached; check the address, the network and the proxy"
OUT_OF_TIME = "there was no more time; the next run continues. Raise max_minutes if this happens again"
ENDLESS = "the list of files there has a name twice or does not end; nothing was compared"
MISSING = "rclone is not installed; install it (Debian: apt-get install rclone), version 1.60 or later, on PATH"
UNKNOWN = "rclone ended with an error that is not known here"

# The first match counts: wrong keys and clocks come with the same status 403 as a missing permission.
_TEXTS = (
    (r"RequestTimeTooSkewed|RequestExpired", CLOCK),
    (r"ExpiredToken|InvalidToken|TokenRefreshRequired", EXPIRED),
    (r"InvalidAccessKeyId|SignatureDoesNotMatch|InvalidSecurity|AuthFailure", KEY),
    (r"NoSuchBucket", BUCKET),
    (r"AuthorizationHeaderMalformed|PermanentRedirect|TemporaryRedirect|BucketRegionError", REGION),
    (r"InvalidObjectState|GLACIER|DEEP_ARCHIVE|RestoreInProgress", ARCHIVED),
    (r"QuotaExceeded|InsufficientCapacity|InsufficientStorage|status code: 507", FULL),
    (r"no space left|remaining disk space|disk quota", FULL),
    (r"read-only file system", READ_ONLY),
    (r"AccessDenied|AllAccessDisabled|AccountProblem|Forbidden|permission denied|status code: 40[13]", PERMISSION),
    (r"x509:|certificate|tls:", CERTIFICATE),
    (r"SlowDown|TooManyRequests|ServiceUnavailable|Service Unavailable|status code: (429|503)", THROTTLED),
    (r"didn't find section in config file", REMOTE),
    (r"dial |no such host|connection (refused|reset)|i/o timeout|deadline exceeded|Client\.Timeout|EOF", UNREACHABLE),
    (r"RequestError|proxyconnect|network is unreachable|InternalError|status code: 50[024]", UNREACHABLE),
)


def cause_of(output: str) -> str:
    """Return the sentence for the output of a failed rclone; for an unknown one with its last line."""
    for pattern, sentence in _TEXTS:
        if re.search(pattern, output):
            return sentence
    lines = [line for line in output.splitlines() if line.strip()]
    return f"{UNKNOWN} ({fit(lines[-1])})" if lines else UNKNOWN
