"""Of the service's own words only what is known to be harmless is shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulltasks.masking import mask_text
from pulltasks.service_words import HIDDEN, code_of, known_phrases, region_of, request_id_of

# Forms in which messages of services have quoted what they were sent.
FORMS = [
    "token {} is invalid", "invalid token {}", "password is {}", "Authorization: Basic {}", "bearer: {}", "Bearer {}",
    "cannot pull h.example.com/live/{}", "10.0.0.1/live/{}", "rtmp://h/live/{}", "stream key {} in use", "stream {} is busy",
    '{{"token": ["{}"]}}', '{{"token":"a\\"{}"}}', "token => {}", "密码:{}", "密钥 {} 无效", "串流密钥 {}", "{}", "?auth_key={}",
    "user:{}@host", "The project is frozen: {}", "limit:100,time:1 minute {}", "{} ak not exist", "arrears {}", "request illegal {}",
]  # fmt: skip
SECRETS = st.text(alphabet=st.characters(categories=["L", "N"]), min_size=7, max_size=20) | st.sampled_from(
    ["zQsecret", "秘密密钥甲乙丙丁", "correcthorse", "ÄÖÜsecret"]
)


@pytest.mark.parametrize("form", FORMS)
@given(secret=SECRETS)
def test_no_message_shows_what_it_quotes(form: str, secret: str) -> None:
    known = " ".join(mask_text(form.format("")).split())
    assert secret not in mask_text(form.format(secret)) or secret in known


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ("AK access failed to reach the limit,forbidden", "the access key is locked for some minutes"),
        ("Throttled: limit:60,time:1 minute", "the limit is 60 requests in 1 minute"),
        ("Incorrect IAM authentication information: ak not exist", "the service does not know the access key"),
        (
            "Incorrect IAM authentication information: verify aksk signature fail",
            "the signature or token was not accepted",
        ),
        ("x-sdk-date expired", "the request's time differs from the service's"),
        ("The account is in arrears", "the account is in arrears"),
        ("The project zQ is frozen", "the project or the account is frozen"),
        ("The service is under maintenance", "the service is in maintenance"),
        ("something else zQ", ""),
        (None, ""),
    ],
)
def test_known_phrases_are_said_in_our_words(message: str | None, said: str) -> None:
    assert said in known_phrases(message)
    assert bool(known_phrases(message)) == bool(said)


def test_what_is_not_known_is_hidden() -> None:
    assert mask_text("whatever it is") == mask_text("") == HIDDEN


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("LIVE.100011001", True),
        ("APIGW.0301", True),
        ("token", False),
        ("LIVE.1 rtmp://h", False),
        ("A.1", False),
        (None, False),
    ],
)
def test_a_code_is_shown_if_it_looks_like_one(text: str | None, shown: bool) -> None:
    assert code_of(text) == (text if shown else None)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("0123456789abcdef0123456789abcdef", True),
        ("01234567-89ab-cdef-0123-456789abcdef", True),
        ("hush-hush", False),
        ("deadbeef token", False),
        (None, False),
    ],
)
def test_a_request_id_is_shown_if_it_looks_like_one(text: str | None, shown: bool) -> None:
    assert request_id_of(text) == (text if shown else None)


def test_a_region_is_shown_if_it_looks_like_one() -> None:
    assert [region_of(text) for text in ("cn-north-4", "ap-southeast-3", "zQsecret", "h/live/x")] == [
        "cn-north-4",
        "ap-southeast-3",
        HIDDEN,
        HIDDEN,
    ]
