"""Sending: what is signed is what is sent, faults are retried by the table, and a bad key does no harm."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

from live_client import ask, service
from pulltasks.errors import ApiError


def test_the_query_is_sent_in_the_order_and_bytes_that_are_signed(sandbox, tmp_path) -> None:
    query = {"task_id": "a b/ü~*", "offset": 0, "region": "cn-north-4", "limit": 3}
    with service(sandbox, tmp_path) as settings:
        (result,), _ = ask(settings, query=query)
    assert isinstance(result, ApiError)
    assert result.said.status == 404  # the signature held: the task is what is not found
    assert sandbox.log[0][2] == "limit=3&offset=0&region=cn-north-4&task_id=a%20b%2F%C3%BC~%2A"


def test_a_skewed_clock_is_corrected_once_by_the_services_date(sandbox, tmp_path) -> None:
    with service(sandbox, tmp_path) as settings:
        results, _ = ask(settings, times=5, now=lambda: datetime.now(UTC) + timedelta(minutes=40))
    assert [result.status for result in results] == [200] * 5
    assert Counter(status for *_, status in sandbox.log) == {401: 1, 200: 5}
