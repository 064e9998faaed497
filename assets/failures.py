"""Errors of the library as failures that Dagster shows without a stack trace of ours.

Lives here: one context manager around what an asset calls.
Does not live here: what went wrong (pipelines.errors), reports of errors that nobody foresaw (pipelines.error_reports).
"""

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from pipelines.errors import PulltasksError, Reporter


@contextmanager
def told_as_failure(report: Reporter, doing: str) -> Iterator[None]:
    """Let a run fail with one sentence that says what to do; a retry would meet the same."""
    try:
        yield
    except dg.Failure:
        raise
    except PulltasksError as error:
        raise dg.Failure(description=str(error), allow_retries=False) from None
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        text = f"{where}{error.strerror or error}; what was published stands. Mend that, then run again"
        raise dg.Failure(description=text, allow_retries=False) from None
    except Exception as error:  # noqa: BLE001 - nobody foresaw it
        raise dg.Failure(description=report(error, doing), allow_retries=False) from None
