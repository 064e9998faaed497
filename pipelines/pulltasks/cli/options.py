"""Shared by several verbs: the option `--config`, reading the settings, completing a target, durations, the real clock.

Lives here: options and helpers that more than one verb uses.
Does not live here: the verbs (runs, reads, account, lake, fleet).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pulltasks.cli.ending import fail, remember
from pulltasks.errors import PulltasksError

if TYPE_CHECKING:
    from datetime import timedelta

    from pulltasks.clock import Clock
    from pulltasks.settings import Settings

ConfigOption = Annotated[
    Path | None, typer.Option("--config", help="Configuration file (default: PULLTASKS_CONFIG or pulltasks.toml).")
]


def read_settings(config: Path | None, *, need_targets: bool = True) -> Settings:
    """Read the configuration, and return the settings of a verb."""
    from pulltasks import config as configuration

    configuration.require_some(config)
    return remember(configuration.load(config, need_targets=need_targets))


def real_clock() -> Clock:
    """Return the clock of this machine, with random identifiers."""
    import uuid

    from pulltasks.clock import Clock

    return Clock(now=lambda: datetime.now(UTC), new_id=lambda: str(uuid.uuid4()))


def complete_target(context: typer.Context, incomplete: str) -> list[str]:
    """Return the names and ids of targets that begin as typed; none if the configuration cannot be read."""
    from pulltasks import config as configuration

    try:
        targets = configuration.load(context.params.get("config"), need_targets=False).targets
    except (PulltasksError, OSError):  # a mistake in the file must not appear in the middle of a command line
        return []
    words = [word for target in targets for word in (target.name, "/".join(target.key)) if word]
    # shells insert a word as it is, and zsh evaluates it: one that needs quotes is left out
    return [word for word in words if word.startswith(incomplete) and re.fullmatch(r"[\w.@%+=/-]+", word)]


def duration_option(text: str | None, option: str) -> timedelta | None:
    """Parse a duration such as 26h; end the command if it is not valid."""
    from pulltasks.values import duration

    try:
        return None if text is None else duration(text)
    except ValueError as error:
        fail(f"{option}: {error}", 2)
