"""Who may ask the sandbox: tokens are of one project and of a day, and a key that fails too often is locked."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

from starlette.requests import Request

from pulltasks.huawei.gates import MAX_FAILED_SIGNATURES
from pulltasks.sandbox.accounts import LOCK, Accounts, User

NOW = datetime(2026, 11, 22, 3, tzinfo=UTC)
USER = {"name": User().name, "password": User().password, "domain": {"name": User().domain}}


def code_of(accounts: Accounts, header: str, value: str, project: str = "p", now: datetime = NOW) -> str | None:
    scope = {"type": "http", "method": "GET", "path": "/", "raw_path": b"/", "query_string": b"", "server": ("h", 80)}
    request = Request(scope | {"headers": [(header.encode(), value.encode())]}, received)
    reply = asyncio.run(accounts.refusal_of(request, project, now))
    return reply and json.loads(reply.body)["error_msg"]


async def received() -> dict[str, object]:
    return {"type": "http.request", "body": b"", "more_body": False}


def test_a_token_is_of_one_project_and_ends() -> None:
    accounts = Accounts()
    auth = {"identity": {"password": {"user": USER}}, "scope": {"project": {"id": "p"}}}
    reply = accounts.create_token(json.dumps({"auth": auth}).encode(), NOW)
    token = reply.headers["X-Subject-Token"]
    assert code_of(accounts, "x-auth-token", token) is None
    assert "another project" in code_of(accounts, "x-auth-token", token, project="q")
    assert "must be updated" in code_of(accounts, "x-auth-token", token, now=NOW + timedelta(hours=24))
    of_nobody = auth | {"identity": {"password": {"user": USER | {"password": "x"}}}}
    assert [accounts.create_token(body, NOW).status for body in (b"{", json.dumps({"auth": of_nobody}).encode())] == [
        400,
        401,
    ]


def test_a_key_that_fails_too_often_is_locked_for_a_while() -> None:
    accounts, claim = Accounts(), f"SDK-HMAC-SHA256 Access=AK, SignedHeaders=host, Signature={'0' * 64}"
    said = [code_of(accounts, "authorization", claim) for _ in range(MAX_FAILED_SIGNATURES + 2)]
    assert ["forbidden" in each for each in said] == [False] * (MAX_FAILED_SIGNATURES + 1) + [True]
    assert "ak not exist" in code_of(accounts, "authorization", claim, now=NOW + LOCK)
