"""What may pass is sent again, as often and as late as the settings and the run's time allow."""

from __future__ import annotations

import pytest
import stamina

from live_client import error, scripted
from pulltasks.errors import TransientApiError


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (429, "APIGW.0308"),
        (500, "APIGW.0601"),
        (502, "APIGW.0201"),
        (503, "APIGW.0613"),
        (504, "APIGW.0201"),
        (400, "LIVE.100011006"),
        (400, "LIVE.100011008"),
        (400, "LIVE.103011021"),
    ],
)
def test_passing_faults_are_tried_again(tmp_path, status: int, code: str) -> None:
    result, heard = scripted(tmp_path, error(status, code), error(status, code))
    assert result.status == 200
    assert heard.statuses == [status, status, 200]
    assert heard.tries == [False, True, True]


def test_a_fault_that_does_not_pass_is_given_up_after_the_allowed_tries(tmp_path) -> None:
    result, heard = scripted(tmp_path, *[error(503, "APIGW.0613")] * 9)
    assert isinstance(result, TransientApiError)
    assert (result.reason, heard.statuses) == ("service_unavailable", [503] * 5)


def test_retry_after_is_obeyed(tmp_path) -> None:
    waits: list[float] = []

    async def note(seconds: float) -> None:
        waits.append(seconds)

    with stamina.set_testing(testing=False), pytest.MonkeyPatch.context() as patch:
        patch.setattr("stamina._core._smart_sleep", note)
        result, _ = scripted(tmp_path, error(429, "APIGW.0308", {"Retry-After": "1"}))
    assert result.status == 200
    assert waits == [1.0]


def test_a_wait_beyond_the_runs_time_is_not_begun(tmp_path) -> None:
    result, heard = scripted(tmp_path, error(429, "APIGW.0308", {"Retry-After": "4000"}))
    assert isinstance(result, TransientApiError)
    assert (result.reason, heard.statuses) == ("throttled", [429])
