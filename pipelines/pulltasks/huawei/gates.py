"""Who may send now: one gate for each credential, one pace for each project.

Lives here: letting a first request go alone, closing after a refusal, the rate and how it recovers.
Does not live here: sending and retries (client).
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from pulltasks.errors import ApiError, CredentialRefused, ServiceError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pulltasks.huawei.auth import Credential
    from pulltasks.settings import Target

# More consecutive failures than this lock an access key for five minutes
# (API request signing guide, https://support.huaweicloud.com/devg-apisign).
MAX_FAILED_SIGNATURES = 5

# How a project's rate recovers: this share of it with each request that goes well; and how low it may fall.
SHARE_OF_RATE_REGAINED = 1 / 50
LOWEST_SHARE_OF_RATE = 1 / 64


class Gate:
    """Lets the first request of a credential go alone, then so many at a time, and none after a refusal."""

    def __init__(self, credential: Credential, max_concurrency: int) -> None:
        self.credential = credential
        self.is_proven = False
        self.generation = 0
        self.failures = 0
        self.refreshing = asyncio.Lock()
        self._refusal: CredentialRefused | None = None
        self._alone = asyncio.Lock()
        self._slots = asyncio.Semaphore(max_concurrency)

    def without_secrets(self, error: ApiError) -> ApiError:
        """The error without the credential's secrets; a service may echo what it was sent."""
        for secret in sorted(self.credential.secrets(), key=len, reverse=True):
            error.args = tuple(str(text).replace(secret, "***") for text in error.args)
            said = error.said
            texts = [
                text and text.replace(secret, "***") for text in (said.error_code, said.error_message, said.request_id)
            ]
            error.said = ServiceError(said.status, *texts)
        return error

    @asynccontextmanager
    async def passing(self, target: Target) -> AsyncIterator[None]:
        """Hold a place among the requests in flight.

        Raises:
            CredentialRefused: when the credential was refused before or meanwhile.
        """
        if not self.is_proven:
            async with self._alone:
                if not self.is_proven:
                    self.raise_if_refused(target)
                    yield
                    return
        async with self._slots:
            async with self.refreshing:  # nothing new leaves while a refusal is being looked into
                self.raise_if_refused(target)
            yield

    def raise_if_refused(self, target: Target) -> None:
        """Refuse a target at once, if the credential was refused before."""
        if self._refusal is not None:
            text = f"{target.label}: not asked, as the same credential had been refused. {self._refusal}"
            raise CredentialRefused(self._refusal.reason, text, self._refusal.said)

    def refuse(self, error: CredentialRefused) -> CredentialRefused:
        """Close the gate for good."""
        self._refusal = error
        return error


class Pacer:
    """Spreads the requests of a project: a token bucket that halves its rate when throttled and creeps back."""

    def __init__(self, rate_per_second: float) -> None:
        self.full_rate = rate_per_second
        self.rate = rate_per_second
        self._next = 0.0

    async def turn(self) -> None:
        """Wait until the next request may leave; at most one second's worth is saved up."""
        now = asyncio.get_running_loop().time()
        earliest = max(self._next, now - 1 + 1 / self.rate)
        self._next = earliest + 1 / self.rate
        if earliest > now:
            await asyncio.sleep(earliest - now)

    def slow_down(self, pause_seconds: float) -> None:
        """The service throttles: halve the rate, and send nothing before the pause is over."""
        self.rate = max(self.rate / 2, self.full_rate * LOWEST_SHARE_OF_RATE)
        self._next = max(self._next, asyncio.get_running_loop().time() + pause_seconds)

    def speed_up(self) -> None:
        """A request succeeded: raise the rate a little."""
        self.rate = min(self.full_rate, self.rate + self.full_rate * SHARE_OF_RATE_REGAINED)
