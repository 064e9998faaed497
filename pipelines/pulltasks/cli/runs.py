"""The verbs that write: `snapshot`, `rebuild`, `forget`, `compact`.

Lives here: their arguments, what they print.
Does not live here: their work (run.order), the other verbs (reads, account, lake, fleet).
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from pulltasks.cli.ending import alarms, exit_after_publishing, fail
from pulltasks.cli.options import ConfigOption, complete_target, read_settings, real_clock
from pulltasks.cli.output import NOT_COMPLETE, Progress, print_captures, print_end, print_not_complete
from pulltasks.words import counted, spans

if TYPE_CHECKING:
    from pulltasks.cli.log import LogFormat
    from pulltasks.settings import Settings


class LogForm(StrEnum):
    """Formats of a run's log."""

    TEXT = "text"
    JSON = "json"


LogOption = Annotated[
    LogForm | None,
    typer.Option("--log-format", help="Log to standard error as text or json (default: bar on a terminal, else text)."),
]

# For schedulers that call every code but 0 a failure; `status --max-age` then reports a target in time.
AllowOption = Annotated[
    bool,
    typer.Option(
        "--allow-incomplete", help="Exit with 0, not 3, if the only trouble is targets that are not complete."
    ),
]


def _form(log_format: LogForm | None) -> LogFormat | None:
    return None if log_format is None else log_format.value


def snapshot(
    config: ConfigOption = None,
    day: Annotated[
        str | None, typer.Option("--date", metavar="YYYY-MM-DD", help="Snapshot date; only today is accepted.")
    ] = None,
    simulated_date: Annotated[
        str | None, typer.Option(metavar="YYYY-MM-DD", help="Simulated date; only a sandbox accepts it.")
    ] = None,
    refresh: Annotated[bool, typer.Option("--refresh", help="List complete targets again.")] = False,
    target: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME or PROJECT_ID/REGION",
            help="List only this target; may be given several times.",
            autocompletion=complete_target,
        ),
    ] = None,
    accept_drop: Annotated[
        bool,
        typer.Option("--accept-drop", help="Accept today's listing of --target, however many tasks it lost."),
    ] = False,
    allow_incomplete: AllowOption = False,
    every: Annotated[bool, typer.Option("--all", help="List every target in the end, one line each.")] = False,
    log_format: LogOption = None,
) -> None:
    """Capture all targets today and publish the warehouse.

    Example: pulltasks snapshot --target event-beijing
    """
    from pulltasks.lake.lake import Lake
    from pulltasks.run.order import snapshot as run_snapshot

    if day and simulated_date:
        fail("--date and --simulated-date: name one of them", 2)
    if accept_drop and not target:
        fail("--accept-drop: name the target whose drop is right, with --target", 2)
    asked = _date(day, "--date")
    simulated = _date(simulated_date, "--simulated-date")
    settings = read_settings(config)
    clock = real_clock()
    published_before = Lake(settings.lake.root).published.resolve()
    wanted = simulated or asked or settings.today(clock.now())
    only = _targets(settings, target)
    # the bar ends inside the alarms: what they print must not be drawn over
    with alarms(settings) as failures, Progress(lambda: datetime.now(UTC), _form(log_format)) as progress:
        result = run_snapshot(
            settings,
            wanted,
            clock,
            refresh=refresh,
            only=only,
            accept_drop=(only or ()) if accept_drop else (),
            simulated=simulated is not None,
            watcher=progress,
            tell=failures.append,
        )
    is_well = result.is_complete or (allow_incomplete and not (result.damaged_days or result.troubles))
    with exit_after_publishing(0 if is_well else NOT_COMPLETE):
        is_built = result.published.resolve() != published_before
        print_captures(wanted, result, settings.timezone, is_built=is_built, every=every)


def rebuild(
    first: Annotated[str, typer.Option("--from", metavar="YYYY-MM-DD", help="First date, included.")],
    last: Annotated[str, typer.Option("--to", metavar="YYYY-MM-DD", help="Last date, included.")],
    config: ConfigOption = None,
    log_format: LogOption = None,
) -> None:
    """Rebuild past days from the raw archive and publish.

    Example: pulltasks rebuild --from 2026-11-01 --to 2026-11-07
    """
    from pulltasks.run.order import rebuild as run_rebuild

    begin, end = _date(first, "--from"), _date(last, "--to")
    # both options are required, so neither is None; the type checker does not know it
    if begin is None or end is None or begin > end:
        fail(f"--from {first} lies after --to {last}", 2)
    settings = read_settings(config, need_targets=False)
    with alarms(settings) as failures, Progress(lambda: datetime.now(UTC), _form(log_format)) as progress:
        result = run_rebuild(settings, begin, end, real_clock(), watcher=progress, tell=failures.append)
    with exit_after_publishing(0 if result.is_complete else NOT_COMPLETE):
        typer.echo(f"rebuilt {counted(len(result.built_days), 'day')} from the raw archive: {spans(result.built_days)}")
        if result.days_without_raw:
            typer.echo(f"unchanged, as they have no raw archive: {', '.join(map(str, result.days_without_raw))}")
        print_not_complete(result.status)
        print_end(result)


def forget(
    day: Annotated[str, typer.Option("--date", metavar="YYYY-MM-DD", help="The wrong day.")],
    config: ConfigOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Really do it (default: dry run).")] = False,
    for_good: Annotated[
        bool, typer.Option("--for-good", help="Do it even if the day has no raw archive to rebuild it from.")
    ] = False,
) -> None:
    """Take a wrong day out of the lake.

    Its files are moved to lake/forgotten/.

    Example: pulltasks forget --date 2026-11-22 --yes
    """
    from pulltasks.run.order import forget as run_forget

    wanted = _date(day, "--date")
    settings = read_settings(config, need_targets=False)
    if wanted is None or not yes:
        fail(
            f"{wanted} would be taken out of {settings.lake.root} and of all history; its files would be moved to "
            "forgotten/ there. Add --yes to do it",
            2,
        )
    with Progress(lambda: datetime.now(UTC)) as progress:
        found = run_forget(settings, wanted, real_clock(), for_good=for_good, watcher=progress)
    with exit_after_publishing(NOT_COMPLETE if found.troubles else 0):
        typer.echo(f"{wanted} is forgotten; its files are in {found.folder}")
        for text in found.troubles:
            typer.echo(text, err=True)
        if settings.backup.is_set:
            typer.echo(
                f"the backup still holds its files, in a folder of {settings.backup.place}/replaced/; to remove them "
                "for good, delete that folder with the tools of the store"
            )
        typer.echo(
            f"published {found.published}" if found.published else "no day is left, so nothing is published any more"
        )


def compact(config: ConfigOption = None) -> None:
    """Merge each closed month into one sorted file per table.

    It also removes raw files older than keep_raw_days, if that is set. Every run does both, so it is seldom needed.

    Example: pulltasks compact
    """
    from pulltasks.run.order import compact as run_compact
    from pulltasks.run.report import words_of_removed_raw

    settings = read_settings(config, need_targets=False)
    with Progress(lambda: datetime.now(UTC)) as progress:
        months, without_raw, troubles = run_compact(settings, settings.today(datetime.now(UTC)), watcher=progress)
    for month in months:
        typer.echo(
            f"{month.month:%Y-%m}: {counted(month.days, 'day')}, {counted(month.rows, 'row')}, "
            f"{month.bytes_before / 1e6:.1f} MB -> {month.bytes_after / 1e6:.1f} MB"
        )
    if without_raw:
        typer.echo(words_of_removed_raw(without_raw))
    for text in troubles:
        typer.echo(text, err=True)
    if troubles:
        raise typer.Exit(NOT_COMPLETE)
    if not months and not without_raw:
        typer.echo("nothing to do: every closed month is compacted")


def _targets(settings: Settings, wanted: list[str] | None) -> set[tuple[str, str]] | None:
    """Return the keys of the targets with these names or ids; None means all targets."""
    if not wanted:
        return None
    found = {name: [t.key for t in settings.targets if name in (t.name, "/".join(t.key))] for name in wanted}
    if unknown := [name for name, keys in found.items() if not keys]:
        known = ", ".join(t.name or "/".join(t.key) for t in settings.targets)
        fail(f"--target {', '.join(unknown)}: not in the configuration; its targets are {known}", 2)
    return {key for keys in found.values() for key in keys}


def _date(text: str | None, option: str) -> date | None:
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        fail(f"{option}: {text!r} is not a date; write it like 2026-11-22", 2)
