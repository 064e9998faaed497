"""How a command ends: what of an error is said, with which exit code, and who is told of it.

Lives here: errors as messages, reports of unexpected ones, the alarms after a run.
Does not live here: verbs (main), what an alarm is (alerts.rules), what a report holds (lake.error_reports).
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
class _UnderWay:
    """The command under way, for the report of an unexpected error."""

    settings: Settings | None = None
    has_published: bool = False


_UNDER_WAY = _UnderWay()


class Stopped(BaseException):
    """The process was asked to end; no error handler catches this."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(signal_number)
        self.signal = signal_number


def stop_on_signals() -> None:
    """From now on Ctrl-C and SIGTERM end the process in one line, with 130 or 143."""

    def stop(number: int, _: object) -> None:
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_IGN)  # once is enough: what is under way is being put down
        raise Stopped(number)

    for each in _SIGNALS:
        signal.signal(each, stop)


_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def end(command: Callable[[], object]) -> None:
    """Run a command; an error ends in one message, and in a traceback only if there is no lake for a report."""
    _UNDER_WAY.settings, _UNDER_WAY.has_published = None, False
    sys.stdout, sys.stderr = (stream or _nowhere() for stream in (sys.stdout, sys.stderr))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal that cannot show a character shows its number
    warnings.showwarning = _warn  # type: ignore[assignment]  # of what else it is told nothing is shown
    try:
        command()
    except (PulltasksError, OSError) as error:
        fail(_message(error), error.exit_code if isinstance(error, PulltasksError) else 1)
    except Stopped as stopped:
        name = signal.Signals(stopped.signal).name
        fail(
            f"stopped ({name}). Raw files that were whole are kept, and what was published stands; the next run asks "
            "for what is missing",
            128 + stopped.signal,
        )
    except Exception as error:  # noqa: BLE001 - unexpected errors are reported
        fail(_report(error), NOT_COMPLETE if _UNDER_WAY.has_published else 1)


def _nowhere() -> TextIO:
    """The message for an output that is closed from the beginning."""
    return Path(os.devnull).open("w", encoding="utf-8")


def _warn(message: Warning | str, *_: object) -> None:
    typer.echo(f"warning: {message}", err=True)


@contextmanager
def told_after_publishing(exit_code: int) -> Iterator[None]:
    """Flush the output and end with the code; a closed output does not change it."""
    try:
        yield
        sys.stdout.flush()
    except OSError:
        devnull = os.open(os.devnull, os.O_WRONLY)
        os.dup2(devnull, 1)
    raise typer.Exit(exit_code)


def fail(message: str, exit_code: int) -> NoReturn:
    """End the process with a message."""
    typer.echo(f"pulltasks: {message}", err=True)
    sys.exit(exit_code)


def remembered(settings: Settings) -> Settings:
    """The settings; their lake takes the report of an unexpected error."""
    _UNDER_WAY.settings = settings
    return settings


def _report(error: Exception) -> str:
    from pulltasks.lake.error_reports import reporter
    from pulltasks.lake.lake import Lake

    settings = _UNDER_WAY.settings
    return reporter(Lake(settings.lake.root) if settings else None)(error, f"pulltasks {' '.join(sys.argv[1:2])}")


def _message(error: PulltasksError | OSError) -> str:
    if isinstance(error, PulltasksError):
        return str(error)
    return words_of(error)


@contextmanager
def alarms(settings: Settings) -> Iterator[list[Failure]]:
    """Send alarms once the run has ended, well or with an error; sending does not change its exit code.

    What a run has to tell beside its listings is put into the list that is given.
    """
    from pulltasks.alerts.rules import RUN_ENDED, Failure

    failures: list[Failure] = []
    try:
        yield failures
    except (PulltasksError, OSError) as error:
        reason = getattr(error, "reason", type(error).__name__)
        _send(settings, [*failures, Failure(reason, RUN_ENDED.format(text=_message(error)))])
        raise
    except Exception as error:  # noqa: BLE001 - unexpected errors are reported
        text = _report(error)
        _send(settings, [*failures, Failure(type(error).__name__, RUN_ENDED.format(text=text))])
        raise Unforeseen(text) from None
    _UNDER_WAY.has_published = True
    _send(settings, failures)


def _send(settings: Settings, failures: Sequence[Failure]) -> None:
    if not settings.alerts.are_sent:
        return
    from pulltasks.alerts.notify import announce

    if warning := announce(settings, datetime.now(UTC), failures):
        typer.echo(f"warning: {warning}", err=True)
