"""Each cause is one sentence, told from what rclone wrote."""

from __future__ import annotations

import pytest

from pulltasks.backup import causes
from pulltasks.backup.causes import cause_of

SECRET = "secret-of-the-store-0123456789abcdef"


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("Failed to copy: AccessDenied: Access Denied\n\tstatus code: 403, request id: 1", causes.PERMISSION),
        ("Failed to copy: mkdir /mnt/x: permission denied", causes.PERMISSION),
        ("InvalidAccessKeyId: The access key ID you provided does not exist\n\tstatus code: 403", causes.KEY),
        ("SignatureDoesNotMatch: Check your key and signing method.\n\tstatus code: 403", causes.KEY),
        ("RequestTimeTooSkewed: The difference is too large\n\tstatus code: 403", causes.CLOCK),
        ("ExpiredToken: The provided token has expired.\n\tstatus code: 400", causes.EXPIRED),
        ("x509: certificate signed by unknown authority", causes.CERTIFICATE),
        ("NoSuchBucket: The specified bucket does not exist\n\tstatus code: 404", causes.BUCKET),
        (
            "BucketRegionError: incorrect region, the bucket is not in 'us-east-1' region\n\tstatus code: 301",
            causes.REGION,
        ),
        ('failed to open source object: Object in GLACIER, restore first: bucket="lake"', causes.ARCHIVED),
        ("InvalidObjectState: The operation is not valid\n\tstatus code: 403", causes.ARCHIVED),
        ("SlowDown: Please reduce your request rate\n\tstatus code: 503", causes.THROTTLED),
        ("TooManyRequests: too many\n\tstatus code: 429", causes.THROTTLED),
        ("QuotaExceeded: over quota\n\tstatus code: 403", causes.FULL),
        ("preallocate: file too big for remaining disk space", causes.FULL),
        ("write /mnt/x: no space left on device", causes.FULL),
        ("open /mnt/lake/b.txt: read-only file system", causes.READ_ONLY),
        ('Failed to create file system for "there:lake": didn\'t find section in config file', causes.REMOTE),
        ("proxyconnect tcp: dial tcp 127.0.0.1:9: connect: connection refused", causes.UNREACHABLE),
        ("dial tcp: lookup obs.invalid on 10.0.0.1:53: no such host", causes.UNREACHABLE),
        ("InternalError: try again\n\tstatus code: 500", causes.UNREACHABLE),
        ("", causes.UNKNOWN),
    ],
)
def test_each_cause_is_one_sentence_told_from_what_it_wrote(said: str, expected: str) -> None:
    assert cause_of(f"2026/11/29 01:42:52 ERROR : b.txt: {said}\n" if said else said) == expected


def test_an_unknown_text_is_quoted_short_and_masked() -> None:
    told = cause_of(f"first line\nsomething at https://user:{SECRET}@host/{'x' * 1000}?key={SECRET} broke\n")
    assert told.startswith(f"{causes.UNKNOWN} (something")
    assert SECRET not in told
    assert len(told) < 600
