"""A signature holds for just the request that was signed, with the key that signed it, for a quarter of an hour."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pulltasks.huawei.auth import PlainKeyPair, SignedCredential
from pulltasks.sandbox.verify import MAX_SKEW, SignatureRefused, SignedRequest, check_signature, read_claim

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)


def signed(url: str) -> SignedRequest:
    request = httpx.Request("GET", url)
    credential = SignedCredential("default", "here", PlainKeyPair("AK", "SK", None), lambda: NOW)
    asyncio.run(credential.authorise(request, "p"))
    path, _, query = request.url.raw_path.decode().partition("?")
    return SignedRequest("GET", path, query, request.headers, b"")


def check(request: SignedRequest, key: str = "SK", now: datetime = NOW) -> None:
    check_signature(request, read_claim(request.headers), key, now)


@given(st.dictionaries(st.sampled_from(["task_id", "region", "limit"]), st.text(max_size=8), min_size=1))
def test_any_query_is_signed_as_it_is_sent_and_another_one_is_refused(query: dict[str, str]) -> None:
    request = signed(str(httpx.URL("https://h/v1/p/pull", params=query)))
    check(request)
    for other in (
        replace(request, query=request.query + "x"),
        replace(request, path=request.path + "x"),
        replace(request, method="PUT"),
        replace(request, body=b"x"),
    ):
        with pytest.raises(SignatureRefused):
            check(other)


@pytest.mark.parametrize("skew", [MAX_SKEW, -MAX_SKEW])
def test_another_key_and_another_time_are_refused(skew: timedelta) -> None:
    request = signed("https://h/v1/p/pull?limit=1")
    check(request, now=NOW + skew)
    with pytest.raises(SignatureRefused, match="expired"):
        check(request, now=NOW + skew * 1.01)
    with pytest.raises(SignatureRefused, match="verify aksk signature fail"):
        check(request, key="another")
