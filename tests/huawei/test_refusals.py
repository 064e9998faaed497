"""What an answer other than 200 means: whether it may pass, its reason and advice, and nothing of its words."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from starlette.responses import Response

from desk import BEIJING, write_config
from live_client import REQUEST_ID, Scripted, ask, error, scripted
from pulltasks import config
from pulltasks.errors import ApiError, TransientApiError
from pulltasks.huawei import refusals
from pulltasks.reasons import advice_on
from pulltasks.sandbox.server import serving


@pytest.mark.parametrize(
    ("status", "code", "reason"),
    [
        (400, "LIVE.100011001", "request_refused"),
        (400, "APIGW.0201", "request_refused"),
        (403, "APIGW.0302", "forbidden"),
        (403, "APIG.0310", "project_unavailable"),
        (403, "APIGW.0801", "region_not_allowed"),
        (403, "APIGW.0401", "address_refused"),
        (404, "APIGW.0101", "endpoint_not_found"),
        (404, "LIVE.100011001", "not_found"),
        (302, "none", "redirected"),
        (418, "none", "unexpected_status"),
    ],
)
def test_what_cannot_pass_is_not_tried_again(tmp_path, status: int, code: str, reason: str) -> None:
    result, heard = scripted(tmp_path, error(status, code))
    assert isinstance(result, ApiError)
    assert not isinstance(result, TransientApiError)
    assert (result.reason, result.said.error_code, heard.statuses) == (
        reason,
        None if code == "none" else code,
        [status],
    )
    shown = () if code == "none" else (code,)
    for part in (BEIJING.project_id, *shown, REQUEST_ID, advice_on(reason)):
        assert part in str(result)
    assert "some words" not in str(result)
    assert result.said.error_message == "some words"  # for the lake's owner


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), ("0", 0.0), ("Wed, 25 Nov 2026 00:01:30 GMT", 90.0), ("soon", None), (None, None), ("-5", 0.0)],
)
def test_retry_after_is_read_in_both_forms(header: str | None, seconds: float | None) -> None:
    assert refusals.seconds_to_wait(header, datetime(2026, 11, 25, tzinfo=UTC)) == seconds


@pytest.mark.parametrize("status", [401, 403, 503])
def test_a_service_that_echoes_what_it_was_sent_gives_no_secret_away(tmp_path, monkeypatch, status: int) -> None:
    monkeypatch.setenv("PULLTASKS_AUTH__TOKEN", "  hush-hush\n")
    echo = Response(
        '{"error_code":"APIGW.0301","error_msg":"token hush-hush is bad","request_id":"hush-hush"}',
        status,
        {"X-Request-Id": "hush-hush"},
    )
    with serving(Scripted(*[echo] * 9)) as url:
        settings = config.load(write_config(tmp_path, url, BEIJING, extra='[auth]\nmethod = "token"\n'))
        (result,), _ = ask(settings)
    assert isinstance(result, ApiError)
    assert "hush-hush" not in str(result) + repr(result.said)
    assert "is bad" not in str(result)
    assert result.said.error_message == "token *** is bad"
