"""Errors of the library as failures that Dagster shows without a stack trace of ours.

Lives here: one context manager around what an asset calls.
Does not live here: what went wrong (pulltasks.errors), reports of unexpected errors (pulltasks.lake).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn, Protocol

from dagster._core.errors import DagsterUserCodeProcessError
from dagster_shared.error import SerializableErrorInfo

import dagster as dg
from pulltasks.errors import LakeBusy, PulltasksError, Reporter
from pulltasks.file_errors import words_of


class Fail(Protocol):
    """Lets the step fail with a text."""

    def __call__(self, text: str, *, may_pass: bool) -> NoReturn:
        """`may_pass` says whether another attempt, soon, is worth it."""


@contextmanager
def told_as_failure(report: Reporter, doing: Callable[[], str], *, may_retry: bool = False) -> Iterator[Fail]:
    """Let a step fail with sentences that say what to do.

    Args:
        report: is told of an unexpected error.
        doing: what was being done when it happened.
        may_retry: whether the step has an attempt left.
    """

    def fail(text: str, *, may_pass: bool) -> NoReturn:
        if may_pass and may_retry:
            raise dg.Failure(text)  # the step's policy says when it is tried again
        raise _without_stack(text) from None

    try:
        yield fail
    except (dg.Failure, DagsterUserCodeProcessError):
        raise
    except PulltasksError as error:
        fail(str(error), may_pass=isinstance(error, LakeBusy))
    except OSError as error:
        fail(words_of(error), may_pass=False)
    except Exception as error:  # noqa: BLE001 - unexpected errors are reported
        fail(report(error, doing()), may_pass=False)


def _without_stack(text: str) -> Exception:
    """A failure of which Dagster shows the text alone.

    It takes over the error that another process gave to this exception; any other would come with our frames.
    """
    shown = SerializableErrorInfo(message=text, stack=[], cls_name=dg.Failure.__name__)
    return DagsterUserCodeProcessError(text, user_code_process_error_infos=[shown])  # type: ignore[no-untyped-call]
