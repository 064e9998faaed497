"""Authentication: signatures by the vendor's signer, tokens, and the search for credentials.

Lives here: one `httpx.Auth` for all methods, the credential chain, the renewal of tokens.
Does not live here: the effect of a refusal on the run (client), the choice of credential for a target (config).
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import parse_qsl

import httpx
import msgspec
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkcore.signer.signer import Signer

from pulltasks.config import access_key_from_environment
from pulltasks.errors import ApiError, ConfigError, CredentialRefused, ServiceError, TransientApiError
from pulltasks.huawei.reading import read_error, read_object, read_time
from pulltasks.service_words import known_phrases, request_id_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from pulltasks.settings import CredentialSettings

# https://support.huaweicloud.com/intl/en-us/api-iam/iam_30_0001.html: a token is valid for 24 hours.
# A token is renewed when this share of its life is left: an hour and a half for a token of 24 hours.
RENEW_AT_LIFE_LEFT = 1 / 16
LIFE_OF_A_TOKEN = timedelta(hours=24)


class KeyPair(Protocol):
    """An access key as the vendor's signer needs it; the objects of the vendor's credential chain have these fields."""

    ak: str
    sk: str
    security_token: str | None


@dataclass
class PlainKeyPair:
    """An access key that never changes."""

    ak: str
    sk: str = field(repr=False)
    security_token: str | None = field(default=None, repr=False)


class Credential(Protocol):
    """One way to authenticate.

    Attributes:
        name: its name in the configuration.
        source: the place where it was found, in words; never the secret itself.
        is_signed: whether requests are signed with an access key, which refused signatures can lock.
    """

    name: str
    source: str
    is_signed: bool

    def secrets(self) -> list[str]:
        """Return the values to redact from every message: keys, tokens, passwords."""

    async def authorise(self, request: httpx.Request, project_id: str) -> None:
        """Add the signature or the token to the request's headers."""

    def refresh(self, project_id: str, answer: httpx.Response) -> bool:
        """Renew the credential after a 401 response; tell whether another try makes sense."""


class SignedCredential:
    """An access key; each try of a request has its own signature, dated by the corrected clock."""

    is_signed = True

    def __init__(self, name: str, source: str, keys: KeyPair, now: Callable[[], datetime]) -> None:
        self.name = name
        self.source = source
        self.clock_offset = timedelta(0)
        self._keys = keys
        self._now = now

    def secrets(self) -> list[str]:
        """Return the access key, its secret and its security token."""
        return [value for value in (self._keys.ak, self._keys.sk, self._keys.security_token) if value]

    async def authorise(self, request: httpx.Request, project_id: str) -> None:
        """Sign `host`, `x-sdk-date`, `x-project-id`, `x-security-token`; not headers that a proxy may change."""
        if getattr(self._keys, "sts_accessor", None) is not None:
            # The vendor's object renews itself shortly before it expires. It blocks meanwhile, so it runs in a thread.
            try:
                await asyncio.to_thread(self._keys.process_sts, _vendor_http_client())  # type: ignore[attr-defined]
            except Exception as error:  # noqa: BLE001 - the vendor's code has no tree of errors
                text = f"auth: the temporary access key could not be renewed ({type(error).__name__})"
                raise TransientApiError("token_not_issued", text) from None
        headers = {
            "X-Sdk-Date": f"{self._now() + self.clock_offset:%Y%m%dT%H%M%SZ}",
        }
        if project_id:  # a request about the whole account has no project
            headers["X-Project-Id"] = project_id
        if self._keys.security_token:
            headers["X-Security-Token"] = self._keys.security_token
        signed = Signer(self._keys).sign(
            SdkRequest(
                method=request.method,
                schema=request.url.scheme,
                host=request.url.netloc.decode(),
                resource_path=request.url.path,
                query_params=parse_qsl(request.url.query.decode(), keep_blank_values=True),
                header_params=headers,
                body=request.content.decode(),
            )
        )
        request.headers.update(signed.header_params)

    def refresh(self, project_id: str, answer: httpx.Response) -> bool:  # noqa: ARG002 - one key for all projects
        """Correct the clock once by the answer's `Date` if the two differ by 5 minutes or more; tell whether it was."""
        # Signatures allow 15 minutes, so a smaller difference is not the cause of the refusal.
        service_time = read_time(answer.headers.get("Date"))
        if service_time is None or self.clock_offset or abs(skew := service_time - self._now()) < timedelta(minutes=5):
            return False
        self.clock_offset = skew
        return True


class FixedToken:
    """A token that is renewed outside pulltasks."""

    is_signed = False

    def __init__(self, name: str, source: str, token: str) -> None:
        self.name = name
        self.source = source
        self._token = token

    def secrets(self) -> list[str]:
        """Return the token."""
        return [self._token]

    async def authorise(self, request: httpx.Request, project_id: str) -> None:  # noqa: ARG002
        """Send the token."""
        request.headers["X-Auth-Token"] = self._token

    def refresh(self, project_id: str, answer: httpx.Response) -> bool:  # noqa: ARG002
        """Return False: only its owner can renew it."""
        return False


class PasswordTokens:
    """User and password, exchanged for one token per project, which is renewed before it expires."""

    is_signed = False

    def __init__(
        self,
        name: str,
        source: str,
        settings: CredentialSettings,
        password: str,
        *,
        http: httpx.AsyncClient,
        iam_endpoint: Callable[[str], str],
        now: Callable[[], datetime],
    ) -> None:
        self.name = name
        self.source = source
        self._password = password
        self._user = {"name": settings.user, "password": password, "domain": {"name": settings.domain}}
        self._http = http
        self._iam_endpoint = iam_endpoint
        self._now = now
        self._tokens: dict[str, tuple[str, datetime]] = {}  # project -> token, time of its renewal
        # One request for a token per project: all others wait for its result.
        self._locks: dict[str, asyncio.Lock] = {}

    def secrets(self) -> list[str]:
        """Return the password and all tokens that were issued for it."""
        return [self._password, *(token for token, _ in self._tokens.values())]

    async def authorise(self, request: httpx.Request, project_id: str) -> None:
        """Send the project's token; fetch one first if there is none or it expires soon."""
        async with self._locks.setdefault(project_id, asyncio.Lock()):
            if project_id not in self._tokens or self._now() >= self._tokens[project_id][1]:
                self._tokens[project_id] = await self._fetch(project_id)
        request.headers["X-Auth-Token"] = self._tokens[project_id][0]

    def refresh(self, project_id: str, answer: httpx.Response) -> bool:
        """Delete an expired token, so that the next try fetches a new one; tell whether it was deleted."""
        # Only .0307 means an expired token. After any other 401 a new token would be refused as well.
        code = read_error(answer.content)[0] or ""
        return code.endswith(".0307") and self._tokens.pop(project_id, None) is not None

    async def _fetch(self, project_id: str) -> tuple[str, datetime]:
        body = {
            "auth": {
                "identity": {"methods": ["password"], "password": {"user": self._user}},
                "scope": {"project": {"id": project_id}} if project_id else {"domain": self._user["domain"]},
            }
        }
        url = f"{self._iam_endpoint(project_id)}/v3/auth/tokens?nocatalog=true"
        try:
            answer = await self._http.post(
                url, content=msgspec.json.encode(body), headers={"Content-Type": "application/json"}
            )
        except httpx.RequestError as error:
            raise TransientApiError("unreachable", f"{url}: no answer ({type(error).__name__})") from None
        token = answer.headers.get("X-Subject-Token")
        if answer.status_code == 201 and token:  # noqa: PLR2004 - Created
            issued_at = self._now()
            life = _expiry(answer.content, issued_at) - issued_at
            return token, issued_at + life * (1 - RENEW_AT_LIFE_LEFT)
        _, words = read_error(answer.content)
        request_id = request_id_of(answer.headers.get("X-Request-Id"))
        said = ServiceError(answer.status_code, None, words, request_id)
        reason = known_phrases(words) or "see its own words with pulltasks status --unredacted"
        message = f"no token for project {project_id}: IAM answered {answer.status_code} ({reason})"
        if answer.status_code in {429, 500, 502, 503, 504}:
            raise TransientApiError("token_not_issued", message, said)
        if answer.status_code == 401:  # noqa: PLR2004 - Unauthorized
            raise CredentialRefused(
                "credential_refused", f"{message}. Check auth.user, auth.domain and the password", said
            )
        raise ApiError("token_not_issued", f"{message}. Check that the user may enter the project", said)


class HuaweiAuth(httpx.Auth):
    """Authenticates each try of a request with one credential."""

    requires_request_body = True

    def __init__(self, credential: Credential, project_id: str) -> None:
        self.credential = credential
        self.project_id = project_id

    async def async_auth_flow(self, request: httpx.Request) -> AsyncIterator[httpx.Request]:  # type: ignore[override]
        """Sign the request, or add the token, just before it is sent."""
        await self.credential.authorise(request, self.project_id)
        yield request


def credential_from(
    name: str,
    settings: CredentialSettings,
    *,
    http: httpx.AsyncClient,
    iam_endpoint: Callable[[str], str],
    now: Callable[[], datetime],
) -> Credential:
    """Return the credential that the settings describe; only a look at cloud metadata sends a request.

    Args:
        name: its name in the configuration.
        settings: its method, and the keys that this method needs.
        http: the client that fetches tokens.
        iam_endpoint: returns the IAM address for a project.
        now: the clock that dates signatures.

    Raises:
        ConfigError: when no credential is found where the settings point.
    """
    key = "auth" if name == "default" else f"auth.{name}"
    if settings.method == "token":
        if not settings.token:
            raise _without(key, "token")
        return FixedToken(name, "a fixed token", settings.token.read())
    if settings.method == "password":
        if not settings.password:
            raise _without(key, "password")
        source, password = f"password of IAM user {settings.user}", settings.password.read()
        return PasswordTokens(name, source, settings, password, http=http, iam_endpoint=iam_endpoint, now=now)
    found = access_key_from_environment(settings.env_prefix)
    if found is not None:
        source = f"environment ({settings.env_prefix}HUAWEICLOUD_SDK_AK or {settings.env_prefix}CLOUD_SDK_AK)"
        return SignedCredential(name, source, PlainKeyPair(*found), now)
    names = f"{settings.env_prefix}HUAWEICLOUD_SDK_AK and {settings.env_prefix}HUAWEICLOUD_SDK_SK"
    if settings.env_prefix:
        raise ConfigError([f"{key}: no access key in the environment; set {names}"])
    keys = vendor_chain()
    if keys is None:
        raise ConfigError(
            [
                f"{key}: no access key found; set {names}, or write a profile (~/.huaweicloud/credentials), "
                "or run where the cloud hands out keys"
            ]
        )
    return SignedCredential(name, f"vendor's chain ({type(keys).__name__})", keys, now)


def _without(key: str, secret: str) -> ConfigError:
    variable = f"PULLTASKS_{key.replace('.', '__').upper()}__{secret.upper()}"
    return ConfigError([f"{key}: method '{secret}' needs a {secret}: set {variable} or {variable}_FILE"])


def vendor_chain() -> KeyPair | None:
    """Return the access key that the vendor's chain finds (OIDC, profile, cloud metadata, pod identity), or None."""
    import requests
    from huaweicloudsdkcore.auth.provider import CredentialProviderChain
    from huaweicloudsdkcore.exceptions.exceptions import SdkException

    try:
        keys: KeyPair = CredentialProviderChain.get_basic_credential_provider_chain().get_credentials()
    except (SdkException, ValueError, TypeError, requests.RequestException):  # ApiValueError is a plain ValueError
        return None
    return keys


def _vendor_http_client() -> Any:
    """Return the vendor's own HTTP client, which its federated credentials need for their renewal."""
    import logging

    from huaweicloudsdkcore.exceptions.exception_handler import DefaultExceptionHandler
    from huaweicloudsdkcore.http.http_client import HttpClient
    from huaweicloudsdkcore.http.http_config import HttpConfig
    from huaweicloudsdkcore.http.http_handler import HttpHandler

    return HttpClient(
        HttpConfig.get_default_config(), HttpHandler(), DefaultExceptionHandler(), logging.getLogger(__name__)
    )


def _expiry(content: bytes, issued_at: datetime) -> datetime:
    """Return the time when a token expires, in UTC; without one in the body, the documented 24 hours after issue."""
    token = (read_object(content) or {}).get("token")
    text = token.get("expires_at") if isinstance(token, dict) else None
    try:
        return datetime.fromisoformat(text).astimezone(UTC) if isinstance(text, str) else issued_at + LIFE_OF_A_TOKEN
    except (ValueError, OverflowError):
        return issued_at + LIFE_OF_A_TOKEN
