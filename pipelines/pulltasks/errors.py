"""The error tree: every error that a user can meet, with its exit code; each message has advice.

PulltasksError
├── ConfigError            the configuration cannot be used; all mistakes at once
├── DateRefused            a date was asked of an API that shows only the present
├── LakeError              the lake's files are missing, busy or cannot be written
│   ├── LakeBusy           another run holds the lake
│   ├── RemovedForm        a file has a form that is no longer read
│   ├── NewerForm          a file has a form that only a newer version reads
│   ├── BackupError        the backup or the readers' bucket cannot be read or written
│   └── NoWarehouse        nothing has been published yet, or not there
├── FleetError             lakes cannot be read as one: a name, a place, their published files
├── UsageError             the command line cannot be used as it was typed
│   └── QueryRefused       a query is empty, more than one, or does more than read
├── AlertNotSent           a webhook could not be reached, or did not accept an alarm
├── ModelError             a SQL model cannot be used, or a check failed
│   └── BuildOutOfMemory   a day's build needs more memory than it may take
├── Unforeseen             an unexpected error, which has been reported
├── NotReadable            bytes from outside do not have the expected form; the reader decides what follows
└── ApiError               the API refused, failed or could not be reached
    ├── ClockDisagrees     the service's clock has another day than this machine's: nothing is written
    ├── CredentialRefused  the credential itself is not accepted; nothing more is sent with it
    └── TransientApiError  worth another try

What does not live here: verdicts (a listing that cannot be proved is a result, not an error).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Never

from pulltasks.words import counted

if TYPE_CHECKING:
    from datetime import date
    from pathlib import Path

# Receives an unexpected error and the activity in which it happened; returns a sentence with the place of its report.
Reporter = Callable[[BaseException, str], str]
# The reason of a target or a day that failed by such an error.
UNEXPECTED = "unexpected_error"


def reraise(error: BaseException, doing: str) -> Never:  # noqa: ARG001 - a Reporter
    """Raise the error again; the reporter for callers that do not report errors."""
    raise error


class PulltasksError(Exception):
    """Base of all errors that are shown to a user as one message, without a traceback."""

    exit_code = 1


class ConfigError(PulltasksError):
    """The configuration cannot be used.

    Attributes:
        mistakes: one text per mistake, each beginning with its key.
    """

    exit_code = 2

    def __init__(self, mistakes: list[str], source: str | None = "the configuration") -> None:
        self.mistakes = mistakes
        # without a source the texts themselves name the file
        head, indent = (f"{counted(len(mistakes), 'mistake')} in {source}:\n", "  ") if source else ("", "")
        super().__init__(head + "\n".join(f"{indent}{text}" for text in mistakes))


class DateRefused(PulltasksError):
    """The API shows only the present: another date than today cannot be captured."""

    exit_code = 2


class LakeError(PulltasksError):
    """Files of the lake are missing, damaged, or cannot be written."""


class LakeBusy(LakeError):
    """Another process is writing to the same lake."""


class RemovedForm(LakeError):
    """A file of the lake has a form that is no longer read; it stays as it is, and nothing is made of it."""

    def __init__(self, path: Path, found: str, read: str) -> None:
        super().__init__(
            f"{path}: has {found}, and this pulltasks reads {read}. Nothing was changed: keep this lake for the "
            "version that wrote it, and set lake.root to a new folder"
        )


class NewerForm(LakeError):
    """A file of the lake was written by a newer version; it stays as it is, and nothing is made of it."""


class BackupError(LakeError):
    """A place outside the lake cannot be read or written; the lake itself is unchanged."""


class FleetError(PulltasksError):
    """Lakes cannot be read as one: because of a name, a place, or their published files."""

    exit_code = 2


class NoWarehouse(LakeError):
    """Nothing has been published in this lake yet, or there is no file under the given path."""


class UsageError(PulltasksError):
    """The command line cannot be used as it was typed."""

    exit_code = 2


class QueryRefused(UsageError):
    """A query of `pulltasks query` is not a single statement that only reads."""


class AlertNotSent(PulltasksError):
    """An alarm did not reach its webhook; the published file and the result of the run are unaffected.

    Attributes:
        may_pass: another try makes sense.
    """

    def __init__(self, text: str, *, may_pass: bool = False) -> None:
        self.may_pass = may_pass
        super().__init__(text)


class ModelError(PulltasksError):
    """A SQL model is malformed, or one of its checks found rows that break it."""


class BuildOutOfMemory(ModelError):
    """The build of a day needs more memory than it may take.

    Attributes:
        day: the day.
        heaviest: `(project_id, region)` of the target with the most text on that day; None if no target has a task.
    """

    def __init__(self, message: str, day: date, heaviest: tuple[str, str] | None) -> None:
        super().__init__(message)
        self.day = day
        self.heaviest = heaviest


class Unforeseen(PulltasksError):
    """An unexpected error; its text names the file of its report."""


class NotReadable(PulltasksError):
    """Bytes from outside, or a file, cannot be parsed as JSON of the expected form."""


@dataclass(frozen=True)
class ServiceError:
    """The service's details of a refusal; all None without an answer.

    Attributes:
        status: HTTP status.
        error_code: the service's own code, e.g. `LIVE.100011001`.
        error_message: the service's own text.
        request_id: the service's request id.
    """

    status: int | None = None
    error_code: str | None = None
    error_message: str | None = None
    request_id: str | None = None


NO_SERVICE_ERROR = ServiceError()


class ApiError(PulltasksError):
    """A request failed for good.

    Attributes:
        reason: the `verdict_reason` of the capture, one snake_case word.
        said: the service's own details.
    """

    def __init__(self, reason: str, text: str, said: ServiceError = NO_SERVICE_ERROR) -> None:
        self.reason = reason
        self.said = said
        super().__init__(text)


class ClockDisagrees(ApiError):
    """The run began on another day by the service's clock than by this machine's, seen on two connections."""

    exit_code = 2

    def __init__(self, text: str) -> None:
        super().__init__("clock_disagrees", text)


class CredentialRefused(ApiError):
    """The credential is not accepted; nothing more is sent with it in this run."""


class NotAsked(CredentialRefused):
    """A request was not sent, because the same credential was refused before."""


class TransientApiError(ApiError):
    """The request may succeed when it is sent again.

    Attributes:
        retry_after_seconds: the wait that the service asked for, or None.
    """

    def __init__(
        self, reason: str, text: str, said: ServiceError = NO_SERVICE_ERROR, *, retry_after_seconds: float | None = None
    ) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(reason, text, said)
