"""The accounts of the sandbox: access keys, users, tokens, and keys that are locked after wrong signatures.

Lives here: accepting and refusing requests by their key or token.
Does not live here: computing a signature (verify), throttling and planned faults (server).
"""

from __future__ import annotations

import threading
import uuid
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from pulltasks.sandbox.replies import Reply, iam_refusal, refusal
from pulltasks.sandbox.verify import SignatureRefused, SignedRequest, check_signature, read_claim

if TYPE_CHECKING:
    from starlette.requests import Request

# As the API request signing guide says: https://support.huaweicloud.com/devg-apisign
MAX_FAILED_SIGNATURES, LOCK = 5, timedelta(minutes=5)


@dataclass(frozen=True)
class AccessKey:
    """An access key of the sandbox; with a security token it is a temporary one."""

    ak: str = "SANDBOXACCESSKEY0001"
    sk: str = "sandbox-secret-key-for-demo-and-tests-01"
    security_token: str | None = None
    may_list: bool = True


@dataclass(frozen=True)
class User:
    """An IAM user who may request tokens."""

    name: str = "sandbox-user"
    password: str = "sandbox-password"  # noqa: S105 - it opens nothing but the sandbox
    domain: str = "sandbox-domain"


@dataclass
class Accounts:
    """The keys and users of the sandbox, the tokens that it issued, the keys that it locked."""

    access_keys: tuple[AccessKey, ...] = (AccessKey(),)
    users: tuple[User, ...] = (User(),)
    token_lifetime: timedelta = timedelta(hours=24)

    def __post_init__(self) -> None:
        """Start without any token or locked key."""
        self.tokens: dict[str, tuple[str, datetime]] = {}  # token -> project, expiry
        self._failed: Counter[str] = Counter()
        self._locked_until: dict[str, datetime] = {}
        self._lock = threading.Lock()

    async def refusal_of(self, request: Request, project_id: str | None, now: datetime) -> Reply | None:
        """Return the refusal of a request, or None if its token or signature is accepted."""
        token = request.headers.get("x-auth-token")
        if token is not None:
            scope, expires_at = self.tokens.get(token, ("", datetime.min.replace(tzinfo=UTC)))
            if now >= expires_at:
                return refusal(401, "APIGW.0307", "The token must be updated.")
            if project_id is not None and scope != project_id:
                return refusal(403, "APIGW.0302", "The token is scoped to another project")
            return None
        return await self._signature_refusal(request, now)

    async def _signature_refusal(self, request: Request, now: datetime) -> Reply | None:
        try:
            claim = read_claim(request.headers)
        except SignatureRefused as error:
            return refusal(401, "APIGW.0301", f"Incorrect IAM authentication information: {error}")
        if now < self._locked_until.get(claim.access_key, datetime.min.replace(tzinfo=UTC)):
            return refusal(401, "APIGW.0301", "AK access failed to reach the limit,forbidden")
        key = next((k for k in self.access_keys if k.ak == claim.access_key), None)
        signed = SignedRequest(
            request.method,
            request.scope["raw_path"].decode().partition("?")[0],
            request.url.query,
            request.headers,
            await request.body(),
        )
        try:
            if key is None:
                raise SignatureRefused("ak not exist")
            check_signature(signed, claim, key.sk, now)
            if key.security_token != request.headers.get("x-security-token"):
                raise SignatureRefused("security token is invalid")
        except SignatureRefused as error:
            self._count_failure(claim.access_key, now)
            return refusal(401, "APIGW.0301", f"Incorrect IAM authentication information: {error}")
        self._failed[claim.access_key] = 0
        if not key.may_list:
            return refusal(403, "APIGW.0302", "The user or account does not have permission: live:stream:listPullTask")
        return None

    def _count_failure(self, access_key: str, now: datetime) -> None:
        with self._lock:
            self._failed[access_key] += 1
            if self._failed[access_key] > MAX_FAILED_SIGNATURES:
                self._locked_until[access_key] = now + LOCK
                self._failed[access_key] = 0

    def create_token(self, body: bytes, now: datetime) -> Reply:
        """Return a token for a user and a project, or a refusal."""
        try:
            auth = msgspec.json.decode(body)["auth"]
            user = auth["identity"]["password"]["user"]
            project_id = auth["scope"]["project"]["id"] if "project" in auth["scope"] else ""
            claimed = User(user["name"], user["password"], user["domain"]["name"])
        except (msgspec.DecodeError, KeyError, TypeError):
            return iam_refusal(400, "The request body is invalid")
        if claimed not in self.users:
            return iam_refusal(401, "The username or password is wrong.")
        token, expires_at = f"sandbox-token-{uuid.uuid4()}", now + self.token_lifetime
        self.tokens[token] = (project_id, expires_at)
        answer = {"token": {"expires_at": _iam_time(expires_at), "issued_at": _iam_time(now)}}
        return Reply(201, msgspec.json.encode(answer), {"X-Subject-Token": token})


def _iam_time(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S.%fZ}"
