"""`pulltasks lake`: the lake's backup, by hand.

Lives here: their arguments, what they print.
Does not live here: the work itself (backup), the other verbs (main).
"""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from pulltasks.cli.ending import fail
from pulltasks.cli.options import ConfigOption, read_settings, real_clock
from pulltasks.cli.output import NOT_COMPLETE
from pulltasks.words import counted

if TYPE_CHECKING:
    from pulltasks.settings import Settings

lake_app = typer.Typer(
    no_args_is_help=True,
    help="Back up, restore or verify the lake ([backup]).",
    rich_markup_mode=None,
)


@lake_app.command()
def backup(
    config: ConfigOption = None,
    full: Annotated[
        bool, typer.Option("--full", help="Compare all files, and copy missing or damaged ones again.")
    ] = False,
    accept_removals: Annotated[
        bool, typer.Option("--accept-removals", help="Accept that more than a tenth of all files was removed.")
    ] = False,
) -> None:
    """Copy what is new since the last good backup.

    Each run does this by itself.

    Example: pulltasks lake backup
    """
    from pulltasks.backup.backup import Backup
    from pulltasks.lake.lake import Lake

    settings = _settings_with_backup(config)
    lake, clock = Lake(settings.lake.root), real_clock()
    lake.prepare()
    # under the lock no run changes files while they are copied
    with lake.lock():
        lake.require_whole()
        done = Backup(lake, settings, clock.now, clock.new_id).put(full=full, accept_removals=accept_removals)
    place = settings.backup.place
    compared = "compared all files, " if done.is_full else ""
    if done.put or done.moved or done.is_full:
        copied = f"copied {counted(done.put, 'file')}, {done.bytes / 1e6:.1f} MB"
        typer.echo(f"{compared}{copied}, moved {done.moved} away in {place}")
    else:
        typer.echo(f"nothing to do: {place} has all files")


@lake_app.command()
def restore(
    config: ConfigOption = None,
    into: Annotated[Path | None, typer.Option(help="Empty folder (default: lake.root).")] = None,
    replaced: Annotated[
        str | None, typer.Option(metavar="TIME", help="Restore the files that the backup of that time replaced.")
    ] = None,
) -> None:
    """Restore the lake from its backup into an empty folder.

    After an interruption, run it again: it continues.

    Example: pulltasks lake restore --into /srv/lake
    """
    from pulltasks.backup.restore import restore as run_restore
    from pulltasks.lake.error_reports import reporter
    from pulltasks.lake.lake import Lake

    settings = _settings_with_backup(config)
    lake = Lake(into.absolute() if into else settings.lake.root)
    lake.prepare()
    with lake.lock():
        done = run_restore(lake, settings, reporter(lake), replaced=replaced)
    typer.echo(f"restored {lake.root}: {counted(done.files, 'file')}, {counted(done.days, 'day')}")
    for day in done.rebuilt:
        typer.echo(f"{day}: its tables were damaged or missing there, and were rebuilt from its raw files")
    for line in done.troubles:
        typer.echo(line, err=True)
    raise typer.Exit(NOT_COMPLETE if done.troubles else 0)


@lake_app.command()
def verify(
    config: ConfigOption = None,
    read_data: Annotated[bool, typer.Option("--read-data", help="Read every file of the backup.")] = False,
) -> None:
    """Compare the lake with its manifests and its backup.

    It prints what is missing or damaged.

    Example: pulltasks lake verify --read-data
    """
    from pulltasks.backup.verify import verify_backup, verify_lake
    from pulltasks.lake.lake import Lake

    settings = read_settings(config, need_targets=False)
    lake = Lake(settings.lake.root)
    lake.prepare()
    with lake.lock():
        troubles, days = verify_lake(lake), lake.tidy_dates()
        whole = counted(len(troubles), "trouble") if troubles else "whole"
        typer.echo(f"{lake.root}: {counted(len(days), 'day')}, {whole}")
        if settings.backup.is_set:
            found = verify_backup(lake, settings, read_data=read_data)
            last = "no good backup yet"
            if found.made_at:
                age = (real_clock().now() - found.made_at).total_seconds() / 3600
                through = f", through {found.through}" if found.through else ""
                last = f"last good backup {found.made_at:%Y-%m-%d %H:%M} UTC ({age:.0f} h ago){through}"
            typer.echo(
                f"{settings.backup.place}: {last}; {counted(found.files, 'file')} compared, "
                f"{found.waiting} not copied yet, {counted(len(found.troubles), 'trouble')}"
            )
            troubles += found.troubles
            if days and found.through != days[-1]:
                troubles.append(f"the backup does not hold {days[-1]}, the newest day; run `pulltasks lake backup`")
    for line in troubles:
        typer.echo(line, err=True)
    raise typer.Exit(NOT_COMPLETE if troubles else 0)


def _settings_with_backup(config: Path | None) -> Settings:
    settings = read_settings(config, need_targets=False)
    if not settings.backup.is_set:
        fail('backup.url: not set; name the place: [backup] url = "s3://bucket/prefix", region = …', 2)
    return settings
