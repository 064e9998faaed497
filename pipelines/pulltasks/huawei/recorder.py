"""The interface that receives each request and answer.

Lives here: the protocol of a recorder, and one that records nothing.
Does not live here: the recorder of a capture (capture.attempt).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pulltasks.huawei.refusals import Answer


class Recorder(Protocol):
    """Records every request and answer of a target."""

    def sent(self, *, is_retry: bool) -> None:
        """Record that a request leaves."""

    def received(self, answer: Answer) -> None:
        """Record an answer, good or bad."""


class _NoRecorder:
    """Records nothing; for requests that do not belong to a capture."""

    def sent(self, *, is_retry: bool) -> None:
        pass

    def received(self, answer: Answer) -> None:
        pass


NO_RECORDER = _NoRecorder()
