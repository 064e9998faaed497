"""`pulltasks lake`: the lake's mirror in object storage, by hand.

Lives here: reading arguments, progress, what is printed.
Does not live here: what is done (mirror), the other verbs (main).
"""

from __future__ import annotations

from datetime import UTC
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated

import typer

from pulltasks.cli.ending import fail
from pulltasks.cli.options import ConfigOption, read_settings, real_clock
from pulltasks.cli.output import NOT_COMPLETE, Counter

if TYPE_CHECKING:
    from pulltasks.settings import Settings

lake_app = typer.Typer(
    no_args_is_help=True,
    help="Keep the lake a second time in object storage: push, restore, verify (lake.mirror).",
    rich_markup_mode=None,
)


@lake_app.command()
def push(config: ConfigOption = None) -> None:
    """Put what is new into the mirror; a run does so by itself.

    Example: pulltasks lake push
    """
    from pulltasks.lake.lake import Lake
    from pulltasks.mirror.push import Mirror

    settings = _settings_with_mirror(config)
    lake, clock = Lake(settings.lake.root), real_clock()
    lake.prepare()
    with lake.lock(), Counter("pushing") as counter:
        lake.require_whole()
        done = Mirror(lake, settings, clock.new_id(), clock.now, counter.show).push()
    if not done.objects:
        typer.echo(f"nothing to do: version {done.seq} of {settings.lake.mirror.url} holds all of it")
    else:
        size = f"{done.put_bytes / 1e6:.1f} MB"
        typer.echo(f"put {done.objects} objects, {size}; {settings.lake.mirror.url} stands on version {done.seq}")
    if done.removed:
        typer.echo(f"removed {done.removed} objects that no kept version names")
    if done.damaged:
        typer.echo(f"left out, as their tables are damaged: {', '.join(done.damaged)}", err=True)
    if done.kept_days:
        days = ", ".join(map(str, done.kept_days))
        typer.echo(f"warning: the mirror has days that this lake lost: {days}; they stay there", err=True)


@lake_app.command()
def restore(
    config: ConfigOption = None,
    version: Annotated[int | None, typer.Option(min=1, help="An older version; default the newest.")] = None,
    key: Annotated[
        Path | None, typer.Option(help="A file with the redaction key, where the mirror does not hold it.")
    ] = None,
) -> None:
    """Bring the lake back into an empty root (lake.root); called again it goes on where it was stopped.

    Example: pulltasks lake restore --key redaction.key
    """
    from pulltasks.lake.lake import Lake
    from pulltasks.mirror.restore import restore as run_restore

    settings = _settings_with_mirror(config)
    lake = Lake(settings.lake.root)
    lake.prepare()
    with lake.lock(), Counter("restoring") as counter:
        done = run_restore(lake, settings, real_clock().now, seq=version, key_file=key, on_file=counter.show)
    made = f" of {done.head.made_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if done.head.made_at else ""
    typer.echo(
        f"restored {lake.root} to version {done.head.seq}{made}: {len(done.head.days)} days, {done.files} files, "
        f"{done.got_bytes / 1e6:.1f} MB fetched"
    )
    if done.without_raw:
        typer.echo(f"{len(done.without_raw)} days have no raw archive in the mirror either; their tables are there")
    if done.adopted:
        typer.echo(f"{done.adopted} raw files are newer than that version; the next `pulltasks snapshot` takes them in")


@lake_app.command()
def verify(config: ConfigOption = None) -> None:
    """Read the lake and its mirror, and say what is missing or not what its name says.

    Example: pulltasks lake verify
    """
    from pulltasks.lake.lake import Lake
    from pulltasks.mirror.verify import verify_lake, verify_mirror

    settings = read_settings(config, need_targets=False)
    lake = Lake(settings.lake.root)
    troubles = list(verify_lake(lake))
    days = len(lake.tidy_dates())
    typer.echo(f"{lake.root}: {days} days, " + (f"{len(troubles)} troubles" if troubles else "whole"))
    if settings.lake.mirror.url:
        with Counter("reading the mirror") as counter:
            seq, found = verify_mirror(settings, real_clock().now, on_object=counter.show)
        said = f"{len(found)} troubles" if found else "whole"
        typer.echo(f"{settings.lake.mirror.url}: version {seq}, {said}")
        troubles += found
    for line in troubles:
        typer.echo(line, err=True)
    raise typer.Exit(NOT_COMPLETE if troubles else 0)


def _settings_with_mirror(config: Path | None) -> Settings:
    settings = read_settings(config, need_targets=False)
    if settings.lake.mirror.url is None:
        fail('lake.mirror.url: not set; name the bucket: [lake.mirror] url = "s3://bucket/prefix", region = …', 2)
    return settings
