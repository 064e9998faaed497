"""What several verbs share: the option that names the configuration, reading it, lengths of time, the real clock.

Lives here: nothing that a single verb needs.
Does not live here: the verbs (main, lake).
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pulltasks.cli.ending import fail, remembered

if TYPE_CHECKING:
    from datetime import timedelta

    from pulltasks.clock import Clock
    from pulltasks.settings import Settings

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="Configuration file; default PULLTASKS_CONFIG, else pulltasks.toml.")
]


def read_settings(config: Path | None, *, need_targets: bool = True) -> Settings:
    """The settings that a verb works with."""
    from pulltasks import config as configuration

    configuration.require_some(config)
    return remembered(configuration.load(config, need_targets=need_targets))


def real_clock() -> Clock:
    """This machine's time, and identifiers that nobody else has."""
    import uuid

    from pulltasks.clock import Clock

    return Clock(now=lambda: datetime.now(UTC), new_id=lambda: str(uuid.uuid4()))


def duration_option(text: str | None, option: str) -> timedelta | None:
    """A length of time such as 26h; what is none ends the command."""
    from pulltasks.values import duration

    try:
        return None if text is None else duration(text)
    except ValueError as error:
        fail(f"{option}: {error}", 2)
