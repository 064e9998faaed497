"""End a command: turn an error into a message, an exit code, and alarms.

Lives here: messages of errors, reports of unexpected ones, the alarms after a run.
Does not live here: verbs (main), the alarms themselves (alerts.rules), the form of a report (lake.error_reports).
"""

from __future__ import annotations

import io
import os
import signal
import sys
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TextIO

import typer

from pulltasks.cli.output import NOT_COMPLETE
from pulltasks.errors import PulltasksError, Unforeseen
from pulltasks.file_errors import words_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pulltasks.alerts.rules import Failure
    from pulltasks.settings import Settings


@dataclass
class _Running:
    """The running command, for the report of an unexpected error."""

    settings: Settings | None = None
    has_published: bool = False


_RUNNING = _Running()


class Stopped(BaseException):
    """The process received a signal to end; a BaseException, so that no handler of errors catches it."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal = signal_number


def stop_on_signals() -> None:
    """Make Ctrl-C and SIGTERM end the process with one line and with exit code 130 or 143."""

    def stop(number: int, _: object) -> None:
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_IGN)  # a second signal must not interrupt the cleanup of the first
        raise Stopped(number)

    for each in _SIGNALS:
        signal.signal(each, stop)


_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def end(command: Callable[[], object]) -> None:
    """Run a command and end the process with its exit code; print an error as one message.

    An unexpected error gives a traceback only if there is no lake for its report.
    """
    # tests run several commands in one process: none may inherit the lake of the one before
    _RUNNING.settings, _RUNNING.has_published = None, False
    # without a standard output (a service with closed descriptors) Python has None there
    sys.stdout, sys.stderr = (stream or _nowhere() for stream in (sys.stdout, sys.stderr))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal shows the code of a character that it lacks
    warnings.showwarning = _warn  # type: ignore[assignment]  # file and line of a warning mean nothing to a user
    try:
        command()
    except (PulltasksError, OSError) as error:
        fail(_message(error), error.exit_code if isinstance(error, PulltasksError) else 1)
    except Stopped as stopped:
        name = signal.Signals(stopped.signal).name
        fail(
            f"interrupted ({name}). Finished raw files are kept, published data is unchanged; the next run continues",
            128 + stopped.signal,
        )
    except Exception as error:  # noqa: BLE001 - unexpected errors are reported
        fail(_report(error), NOT_COMPLETE if _RUNNING.has_published else 1)


def _nowhere() -> TextIO:
    """Return a stream that discards everything, for an output that was closed from the beginning."""
    return Path(os.devnull).open("w", encoding="utf-8")


def _warn(message: Warning | str, *_: object) -> None:
    typer.echo(f"warning: {message}", err=True)


@contextmanager
def exit_after_publishing(exit_code: int) -> Iterator[None]:
    """Flush the output and exit with the code, even if the output is closed: the data is published already."""
    try:
        yield
        sys.stdout.flush()
    except OSError:
        # else Python would flush again at its exit and end with code 120
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, 1)
    raise typer.Exit(exit_code)


def fail(message: str, exit_code: int) -> NoReturn:
    """End the process with a message on standard error and an exit code."""
    typer.echo(f"pulltasks: {message}", err=True)
    sys.exit(exit_code)


def remember(settings: Settings) -> Settings:
    """Return the settings, and remember them: their lake gets the report of an unexpected error."""
    _RUNNING.settings = settings
    return settings


def _report(error: Exception) -> str:
    from pulltasks.lake.error_reports import reporter
    from pulltasks.lake.lake import Lake

    settings = _RUNNING.settings
    return reporter(Lake(settings.lake.root) if settings else None)(error, f"pulltasks {' '.join(sys.argv[1:2])}")


def _message(error: PulltasksError | OSError) -> str:
    if isinstance(error, PulltasksError):
        return str(error)
    return words_of(error)


@contextmanager
def alarms(settings: Settings) -> Iterator[list[Failure]]:
    """Yield a list for failures beside the listings, and send the alarms at the end of the run.

    They are sent whether the run succeeds or fails; a failed alarm does not change its exit code.
    """
    from pulltasks.alerts.rules import RUN_ENDED, Failure

    failures: list[Failure] = []
    try:
        yield failures
    except (PulltasksError, OSError) as error:
        # errors without a reason of their own are told apart by their class
        reason = getattr(error, "reason", type(error).__name__)
        _send(settings, [*failures, Failure(reason, RUN_ENDED.format(text=_message(error)))])
        raise
    except Exception as error:  # noqa: BLE001 - unexpected errors are reported
        text = _report(error)
        _send(settings, [*failures, Failure(type(error).__name__, RUN_ENDED.format(text=text))])
        raise Unforeseen(text) from None
    # From here on the data is published: an error in printing must not exit with 1, which means the opposite.
    _RUNNING.has_published = True
    _send(settings, failures)


def _send(settings: Settings, failures: Sequence[Failure]) -> None:
    if not settings.alerts.are_sent:
        return
    from pulltasks.alerts.notify import announce

    if warning := announce(settings, datetime.now(UTC), failures):
        typer.echo(f"warning: {warning}", err=True)
