"""Permission to send: one gate per credential, turns at the pace of a credential and of a project.

Lives here: the first request alone, the count of refused signatures, the closed gate, waiting for a turn.
Does not live here: sending, the inquiry after a refusal (client); the pace itself (pace); retries.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from math import inf
from typing import TYPE_CHECKING

from pulltasks.errors import ApiError, CredentialRefused, NotAsked, ServiceError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from pulltasks.huawei.auth import Credential
    from pulltasks.huawei.pace import Pace
    from pulltasks.settings import Target

# More failures than this in a row lock an access key for five minutes
# (API request signing guide, https://support.huaweicloud.com/devg-apisign). A whole run risks no more than these.
MAX_FAILED_SIGNATURES = 5
# After this number of refusals in a row the credential itself is in doubt, not only the target.
REFUSALS_IN_A_ROW = 2


class Gate:
    """Sends the first request of a credential alone, then a limited number at a time, and none after a refusal.

    Each request of an access key may be refused, and none can be called back. So there are never more requests on the
    wire than refusals left, whatever the pace allows: even if a key is revoked while requests are under way, at most
    `MAX_FAILED_SIGNATURES` are refused. A token is not locked after refusals, so only the pace limits its requests.

    Attributes:
        credential: the credential of all requests of this gate.
        pace: the pace of all requests of this gate.
        is_proven: the credential got a good answer in this run.
        generation: number of times that it was refreshed.
        refusals: number of 401 responses in this run.
        in_a_row: number of 401 responses since the last good answer.
        good: targets that got a good answer and no refusal since, by key; the latest one is the last.
    """

    def __init__(self, credential: Credential, max_concurrency: int, pace: Pace) -> None:
        self.credential = credential
        self.pace = pace
        self.is_proven = False
        self.generation = 0
        self.refusals = 0
        self.in_a_row = 0
        self.good: dict[tuple[str, str], Target] = {}
        self._refusal: CredentialRefused | None = None
        self._alone = asyncio.Lock()
        # No more callers than may be on the wire: each answer wakes all that wait for room.
        most = min(max_concurrency, MAX_FAILED_SIGNATURES) if credential.is_signed else max_concurrency
        self._slots = asyncio.Semaphore(most)
        self._inquiry = asyncio.Lock()
        self._on_the_wire = 0
        self._changed = asyncio.Event()

    def without_secrets(self, error: ApiError) -> ApiError:
        """Return the error without the credential's secrets, as a service may echo them."""
        # The longest first: a secret that is part of another one must not leave the rest of it behind.
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
        """Hold one of the places for requests in flight.

        Raises:
            NotAsked: when the credential was refused before or meanwhile.
        """
        if not self.is_proven:
            async with self._alone:
                # The request before this one may have proved the credential, or closed the gate, meanwhile.
                if not self.is_proven:
                    self.raise_if_refused(target)
                    yield
                    return
        async with self._slots:
            self.raise_if_refused(target)
            yield

    @asynccontextmanager
    async def inquiring(self, target: Target) -> AsyncIterator[None]:
        """Hold the right to find out the cause of a refusal; meanwhile no other request leaves with the credential.

        Raises:
            NotAsked: when the credential was refused meanwhile.
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
        """Wait until a request may leave, and count it as on the wire until its answer comes.

        Args:
            target: the target of the request.
            is_inquiry: the request belongs to the inquiry after a refusal, so it does not wait for that inquiry.

        Raises:
            NotAsked: when the credential was refused before or meanwhile.
        """
        self.raise_if_refused(target)
        while (wait_s := self._seconds_to_wait(is_inquiry=is_inquiry)) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(None if wait_s == inf else wait_s):
                    await self._changed.wait()
            self.raise_if_refused(target)
        self.pace.sent(_now_s())
        self._on_the_wire += 1
        try:
            yield
        finally:
            self._on_the_wire -= 1
            self._wake()

    @property
    def requests_in_flight(self) -> int:
        """The number of requests on the wire."""
        return self._on_the_wire

    def _seconds_to_wait(self, *, is_inquiry: bool) -> float:
        """Return the seconds until a request may leave; infinite if only an answer can make room for it."""
        if self.credential.is_signed and self._on_the_wire + self.refusals >= MAX_FAILED_SIGNATURES:
            return inf
        if is_inquiry:
            return 0.0
        if self._inquiry.locked() or self._on_the_wire >= self.pace.in_flight:
            return inf
        # Asked last, at the moment of leaving: a pause holds for everything that has not left.
        return self.pace.wait_s(_now_s())

    def _wake(self) -> None:
        # Waiters hold the old event, so each change wakes all of them once.
        self._changed.set()
        self._changed = asyncio.Event()

    def accepted(self, target: Target) -> None:
        """Record an answer that is not a refusal of the credential."""
        self.is_proven = True
        self.in_a_row = 0
        # Removed and added again, the target becomes the last one of the dict.
        self.good.pop(target.key, None)
        self.good[target.key] = target

    def unauthorised(self, target: Target, error: ApiError) -> None:
        """Record a 401 response; the last one that a run may risk closes the gate."""
        self.refusals += 1
        self.in_a_row += 1
        self.good.pop(target.key, None)
        if self.credential.is_signed and self.refusals >= MAX_FAILED_SIGNATURES:
            self.refuse(CredentialRefused(error.reason, str(error), error.said))

    def raise_if_refused(self, target: Target) -> None:
        """Raise `NotAsked` for a target if the credential was refused before."""
        if self._refusal is not None:
            text = f"{target.label}: not asked, because the same credential was refused before. {self._refusal}"
            raise NotAsked(self._refusal.reason, text, self._refusal.said)

    def refuse(self, error: CredentialRefused) -> CredentialRefused:
        """Close the gate for the rest of the run, and return the error."""
        self._refusal = self._refusal or error
        self._wake()
        return error


def _now_s() -> float:
    return asyncio.get_running_loop().time()


class Turns:
    """Lets callers leave one after the other, each when the pace of a project allows it."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self._first = asyncio.Lock()

    async def take(self) -> None:
        """Wait until the next request may leave."""
        # Only the first in the queue sleeps, and looks again: the pace may change meanwhile.
        async with self._first:
            while (wait_s := self.pace.wait_s(_now_s())) > 0:  # noqa: ASYNC110 - nothing but time is waited for
                await asyncio.sleep(wait_s)
            self.pace.sent(_now_s())
