"""Who is told of each request and answer.

Lives here: what a recorder is, and the one that keeps nothing.
Does not live here: what a capture keeps (capture.attempt).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pulltasks.huawei.refusals import Answer


class Recorder(Protocol):
    """Records every request and answer of a target."""

    def sent(self, *, is_retry: bool) -> None:
        """A request leaves."""

    def received(self, answer: Answer) -> None:
        """An answer has come, good or bad."""


class _NoRecorder:
    """Records nothing: the request is part of no capture."""

    def sent(self, *, is_retry: bool) -> None:
        pass

    def received(self, answer: Answer) -> None:
        pass


NO_RECORDER = _NoRecorder()
