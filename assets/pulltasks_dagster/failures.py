"""Errors of the library as failures that Dagster shows without our stack trace.

Lives here: one context manager around the work of an asset.
Does not live here: the errors (pulltasks.errors), reports of unexpected errors (pulltasks.lake).
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
    """Ends the step with a text as its failure."""

    def __call__(self, text: str, *, may_pass: bool) -> NoReturn:
        """Raise the failure; `may_pass` means that another attempt soon makes sense."""


@contextmanager
def reported_as_failure(report: Reporter, doing: Callable[[], str], *, may_retry: bool = False) -> Iterator[Fail]:
    """Turn errors into failures of the step, whose text is a message with advice.

    Args:
        report: receives an unexpected error.
        doing: returns the activity at that moment.
        may_retry: the step has an attempt left.
    """

    def fail(text: str, *, may_pass: bool) -> NoReturn:
        if may_pass and may_retry:
            raise dg.Failure(text)  # by the step's policy it is tried again
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
    """Return a failure of which Dagster shows only the text.

    Dagster shows the error info inside this exception unchanged; any other exception would show our stack frames.
    """
    shown = SerializableErrorInfo(message=text, stack=[], cls_name=dg.Failure.__name__)
    return DagsterUserCodeProcessError(text, user_code_process_error_infos=[shown])  # type: ignore[no-untyped-call]
