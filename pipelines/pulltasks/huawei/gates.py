"""Who may send now: one gate for each credential, one pace for each project.

Lives here: letting a first request go alone, counting refused signatures, closing after them, the rate and how it
recovers.
Does not live here: sending, and looking into a refusal (client); retries.
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

# More failures than this in a row lock an access key for five minutes
# (API request signing guide, https://support.huaweicloud.com/devg-apisign). So many are risked in a whole run.
MAX_FAILED_SIGNATURES = 5
# So many refusals without a good answer between them put the credential itself in doubt.
REFUSALS_IN_A_ROW = 2

# How a project's rate recovers: this share of it with each request that goes well; and how low it may fall.
SHARE_OF_RATE_REGAINED = 1 / 50
LOWEST_SHARE_OF_RATE = 1 / 64


class Gate:
    """Lets the first request of a credential leave alone, then so many at a time, and none after it is refused.

    Every request of an access key may be one that is refused. So there are never more of them on the wire than
    refusals are left: however many are under way when a key is revoked, at most `MAX_FAILED_SIGNATURES` are refused.

    Attributes:
        credential: what the requests are signed with.
        is_proven: whether it got a good answer in this run.
        generation: how often it was refreshed.
        refusals: 401 responses in this run.
        in_a_row: 401 responses since the last good answer.
        good: targets that got a good answer and no refusal since, by key; the last one last.
    """

    def __init__(self, credential: Credential, max_concurrency: int) -> None:
        self.credential = credential
        self.is_proven = False
        self.generation = 0
        self.refusals = 0
        self.in_a_row = 0
        self.good: dict[tuple[str, str], Target] = {}
        self._refusal: CredentialRefused | None = None
        self._alone = asyncio.Lock()
        self._slots = asyncio.Semaphore(max_concurrency)
        self._inquiry = asyncio.Lock()
        self._on_the_wire = 0
        self._changed = asyncio.Event()

    def without_secrets(self, error: ApiError) -> ApiError:
        """Return the error without the credential's secrets; a service may echo what it was sent."""
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
            self.raise_if_refused(target)
            yield

    @asynccontextmanager
    async def inquiring(self, target: Target) -> AsyncIterator[None]:
        """Look into a refusal; meanwhile nothing else leaves with the credential.

        Raises:
            CredentialRefused: when the credential was refused meanwhile.
        """
        try:
            async with self._inquiry:
                self.raise_if_refused(target)
                yield
        finally:
            self._wake()

    async def all_are_answered(self) -> None:
        """Wait until no request is on the wire."""
        while self._on_the_wire:
            await self._changed.wait()

    @asynccontextmanager
    async def on_the_wire(self, target: Target, *, is_inquiry: bool) -> AsyncIterator[None]:
        """Hold one request between its leaving and its answer, once it may leave.

        Args:
            target: who is asked.
            is_inquiry: whether the request is part of looking into a refusal.

        Raises:
            CredentialRefused: when the credential was refused before or meanwhile.
        """
        self.raise_if_refused(target)
        while not self._has_room() or (self._inquiry.locked() and not is_inquiry):
            await self._changed.wait()
            self.raise_if_refused(target)
        self._on_the_wire += 1
        try:
            yield
        finally:
            self._on_the_wire -= 1
            self._wake()

    def _has_room(self) -> bool:
        return not self.credential.is_signed or self._on_the_wire + self.refusals < MAX_FAILED_SIGNATURES

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    def accepted(self, target: Target) -> None:
        """Take in an answer that is not a refusal of the credential."""
        self.is_proven = True
        self.in_a_row = 0
        self.good.pop(target.key, None)
        self.good[target.key] = target

    def unauthorised(self, target: Target, error: ApiError) -> None:
        """Take in a 401 response; the last one that may be risked closes the gate for good."""
        self.refusals += 1
        self.in_a_row += 1
        self.good.pop(target.key, None)
        if self.credential.is_signed and self.refusals >= MAX_FAILED_SIGNATURES:
            self.refuse(CredentialRefused(error.reason, str(error), error.said))

    def raise_if_refused(self, target: Target) -> None:
        """Refuse a target at once, if the credential was refused before."""
        if self._refusal is not None:
            text = f"{target.label}: not asked, as the same credential had been refused. {self._refusal}"
            raise CredentialRefused(self._refusal.reason, text, self._refusal.said)

    def refuse(self, error: CredentialRefused) -> CredentialRefused:
        """Close the gate for good."""
        self._refusal = self._refusal or error
        self._wake()
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
