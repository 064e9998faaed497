"""IAM: the projects that a credential may see.

Lives here: one request, `GET /v3/auth/projects`, and the meaning of its refusal.
Does not live here: tokens (auth), the use of the projects (doctor.targets).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from pulltasks.errors import ApiError, CredentialRefused, ServiceError
from pulltasks.huawei.auth import HuaweiAuth, credential_from
from pulltasks.huawei.client import HEADERS
from pulltasks.huawei.reading import read_error, read_object
from pulltasks.huawei.refusals import OK, UNAUTHORISED
from pulltasks.huawei.transport import AiohttpTransport
from pulltasks.reasons import advice_on
from pulltasks.service_words import code_of, request_id_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from pulltasks.settings import Settings


async def list_auth_projects(settings: Settings, region: str, now: Callable[[], datetime]) -> list[dict[str, object]]:
    """Return the projects that the default credential may see, as IAM's JSON objects; it needs no permission.

    Raises:
        ConfigError: when no credential is found.
        CredentialRefused: when it is not accepted.
        ApiError: when IAM refuses, fails, or cannot be reached.
    """
    endpoint = settings.api.iam_endpoint.format(region=region)
    transport = AiohttpTransport(settings.api.timeout_seconds)
    async with httpx.AsyncClient(transport=transport, headers=HEADERS) as http:
        credential = credential_from("default", settings.auth, http=http, iam_endpoint=lambda _: endpoint, now=now)
        try:
            answer = await http.get(f"{endpoint}/v3/auth/projects", auth=HuaweiAuth(credential, ""))
        except httpx.RequestError as error:
            raise ApiError(
                "unreachable", f"{endpoint}: no answer ({type(error).__name__}); {advice_on('unreachable')}"
            ) from None
    code, message = read_error(answer.content)
    code, request_id = code_of(code), request_id_of(answer.headers.get("X-Request-Id"))
    said = ServiceError(answer.status_code, code, message, request_id)
    if answer.status_code == OK:
        projects = (read_object(answer.content) or {}).get("projects")
        if isinstance(projects, list) and all(isinstance(project, dict) for project in projects):
            return projects
        text = f"{endpoint}: the answer is not a list of projects; {advice_on('unexpected_status')}"
        raise ApiError("unexpected_status", text)
    if answer.status_code == UNAUTHORISED:
        kind: type[ApiError] = CredentialRefused
        reason = "credential_refused"
    else:
        kind, reason = ApiError, "forbidden"
    raise kind(reason, f"{endpoint}: HTTP {answer.status_code} {code or 'without a code'}; {advice_on(reason)}", said)
