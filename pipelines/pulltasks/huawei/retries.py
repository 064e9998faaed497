"""Retries of a request: after temporary errors, a limited number of times, with growing waits, within the run's time.

Lives here: the loop, the waits between tries.
Does not live here: which errors are temporary (refusals), a project's rate and a credential's first request (gates).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from pulltasks.errors import TransientApiError

if TYPE_CHECKING:
    from pulltasks.clock import Deadline

FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 30.0
_T_co = TypeVar("_T_co", covariant=True)


class _Send(Protocol[_T_co]):
    async def __call__(self, *, is_retry: bool) -> _T_co:
        """Send the request."""


async def with_retries(send: _Send[_T_co], *, attempts: int, deadline: Deadline) -> _T_co:
    """Send a request until it succeeds or is given up, and return the result of `send`.

    Args:
        send: sends the request once; `is_retry` tells it whether the request was sent before.
        attempts: the largest number of tries.
        deadline: the end of the run's time.

    Raises:
        ApiError: the error of the last try.
    """
    try:
        return await send(is_retry=False)
    except TransientApiError as error:
        first_error = error
    import stamina

    # the default hook would print whole errors to standard output; a retry is counted in the capture's row
    stamina.instrumentation.set_on_retry_hooks([])

    def may_pass(error: Exception) -> bool | float:
        """Tell whether to try again within the run's time; a number is the service's requested wait in seconds."""
        if not isinstance(error, TransientApiError):
            return False
        if (error.retry_after_seconds or 0.0) > deadline.remaining_s():
            return False
        return True if error.retry_after_seconds is None else error.retry_after_seconds

    async for attempt in stamina.retry_context(
        on=may_pass,
        attempts=attempts,
        timeout=None,
        wait_initial=FIRST_WAIT_SECONDS,
        wait_max=LONGEST_WAIT_SECONDS,
    ):
        with attempt:
            if attempt.num == 1:
                # The loop costs as much as a signature and few requests need it, so the first try was made outside.
                raise first_error
            return await send(is_retry=True)
    raise AssertionError("a retry loop ends with an answer or an error")  # pragma: no cover
