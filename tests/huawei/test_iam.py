"""Which projects a credential may see, and what IAM's refusals mean."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from starlette.responses import Response

from desk import BEIJING, SINGAPORE, write_config
from live_client import Scripted, error
from pulltasks import config
from pulltasks.errors import ApiError, CredentialRefused
from pulltasks.huawei.iam import list_auth_projects
from pulltasks.sandbox.server import Sandbox, serving


def projects(tmp_path, service) -> list[dict[str, object]]:
    with serving(service) as url:
        settings = config.load(write_config(tmp_path, url, BEIJING))
        return asyncio.run(list_auth_projects(settings, "cn-north-4", lambda: datetime.now(UTC)))


def test_the_projects_are_those_of_the_account(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = Sandbox((BEIJING, SINGAPORE))
    assert {BEIJING.project_id, SINGAPORE.project_id} <= {each["id"] for each in projects(tmp_path, sandbox)}
    monkeypatch.setenv("HUAWEICLOUD_SDK_SK", "hush-hush")
    with pytest.raises(CredentialRefused) as refused:
        projects(tmp_path, sandbox)
    assert "hush-hush" not in str(refused.value)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (error(403, "IAM.0002"), "forbidden"),
        (Response('{"projects":{}}'), "unexpected_status"),
        (Response("<html>"), "unexpected_status"),
    ],
)
def test_what_is_no_list_of_projects_has_its_reason(tmp_path, answer: Response, reason: str) -> None:
    with pytest.raises(ApiError) as refused:
        projects(tmp_path, Scripted(answer))
    assert refused.value.reason == reason
