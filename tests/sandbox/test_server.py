"""The vendor's own client is content with the sandbox: what it accepts there is what it accepts in earnest."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkcore.http.http_config import HttpConfig
from huaweicloudsdklive.v1 import ListPullTasksRequest, LiveClient

from desk import BEIJING, SINGAPORE
from pulltasks.sandbox.accounts import AccessKey, Accounts
from pulltasks.sandbox.data import tasks_on
from pulltasks.sandbox.server import Sandbox, serving

# The vendor's client uses datetime.utcnow, and leaves its connections to the garbage collector.
pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

PERMANENT = AccessKey()
TEMPORARY = AccessKey("TEMPORARYKEY00000001", "temporary-secret", security_token="security-token-1")
POWERLESS = AccessKey("POWERLESSKEY00000001", "powerless-secret", may_list=False)
LIMIT = 100


@pytest.fixture(scope="module")
def url():
    with serving(Sandbox((BEIJING, SINGAPORE), accounts=Accounts((AccessKey(), TEMPORARY, POWERLESS)))) as address:
        yield address


def vendor_client(url: str, key: AccessKey = PERMANENT, sk: str | None = None) -> LiveClient:
    credentials = BasicCredentials(key.ak, sk or key.sk, BEIJING.project_id)
    if key.security_token:
        credentials.with_security_token(key.security_token)
    return (
        LiveClient.new_builder(LiveClient)
        .with_credentials(credentials)
        .with_http_config(HttpConfig.get_default_config())
        .with_endpoints([url])
        .build()
    )


def refused(client: LiveClient, **query: object) -> ClientRequestException:
    with pytest.raises(ClientRequestException) as caught:
        client.list_pull_tasks(ListPullTasksRequest(**query))
    assert caught.value.request_id
    return caught.value


@pytest.mark.parametrize("key", [AccessKey(), TEMPORARY], ids=["permanent", "temporary"])
def test_every_page_has_the_right_rows(url: str, key: AccessKey) -> None:
    expected = tasks_on(1, BEIJING, datetime.now(UTC).date())
    client, found = vendor_client(url, key), []
    for offset in range(0, len(expected), LIMIT):
        answer = client.list_pull_tasks(ListPullTasksRequest(region=BEIJING.region, offset=offset, limit=LIMIT))
        assert answer.total == len(expected)
        assert answer.request_id
        found += answer.task_infos
    assert [task.task_id for task in found] == [task["task_id"] for task in expected]
    assert [task.source_urls for task in found] == [task["source_urls"] for task in expected]
    assert [task.stream_name for task in found] == [task.get("stream_name") for task in expected]


def test_one_task_can_be_asked_for(url: str) -> None:
    task_id = tasks_on(1, BEIJING, datetime.now(UTC).date())[7]["task_id"]
    answer = vendor_client(url).list_pull_tasks(ListPullTasksRequest(task_id=task_id))
    assert ([task.task_id for task in answer.task_infos], answer.total) == ([task_id], 1)


def test_the_default_page_has_ten_rows(url: str) -> None:
    assert len(vendor_client(url).list_pull_tasks(ListPullTasksRequest()).task_infos) == 10


def test_a_wrong_key_is_refused(url: str) -> None:
    error = refused(vendor_client(url, AccessKey("ANOTHERKEY0000000001"), sk="wrong"))
    assert (error.status_code, error.error_code) == (401, "APIGW.0301")
    assert "Incorrect IAM authentication information" in error.error_msg


def test_a_missing_permission_is_refused(url: str) -> None:
    error = refused(vendor_client(url, POWERLESS))
    assert (error.status_code, error.error_code) == (403, "APIGW.0302")
    assert "live:stream:listPullTask" in error.error_msg


@pytest.mark.parametrize("query", [{"limit": 101}, {"limit": 0}, {"offset": -1}])
def test_parameters_out_of_range_are_refused(url: str, query: dict[str, int]) -> None:
    error = refused(vendor_client(url), **query)
    assert (error.status_code, error.error_code, error.error_msg) == (400, "LIVE.100011001", "Request Illegal")


def test_an_unknown_task_is_not_found(url: str) -> None:
    error = refused(vendor_client(url), task_id="no-such-task")
    assert (error.status_code, error.error_code, error.error_msg) == (404, "LIVE.100011001", "Request Illegal")
